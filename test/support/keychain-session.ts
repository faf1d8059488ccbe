import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { tempDir } from './temp-dir.ts';
import { toolPath } from './tools.ts';

/** A bus that starts nothing by itself, so that a test knows what is there. */
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=DIRECTORY</listen>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
`;

export interface KeychainSession {
  /** For programs that belong to the session. */
  env: Record<string, string>;
  /** Ends the keychain and starts it again, locked: nobody has typed the password yet. */
  lock(): Promise<void>;
}

/** A session bus, with an unlocked GNOME Keyring on it or without any keychain; ended with the test. */
export async function startSession(options: { keyring: boolean }): Promise<KeychainSession> {
  const directory = tempDir('semaphore-bus-');
  const config = join(directory, 'bus.conf');
  writeFileSync(config, busConfig.replace('DIRECTORY', directory));
  const args = [`--config-file=${config}`, '--nofork', '--nopidfile', '--print-address=1'];
  const bus = start('dbus-daemon', args, { PATH: process.env['PATH'] ?? '' });
  if (!bus.stdout) throw new Error('the bus has no output');
  const [line] = (await once(bus.stdout, 'data')) as [Buffer];
  const home = join(directory, 'home');
  mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 });
  const env = {
    HOME: home,
    XDG_DATA_HOME: join(home, 'data'),
    XDG_RUNTIME_DIR: join(home, 'run'),
    DBUS_SESSION_BUS_ADDRESS: line.toString().trim(),
  };
  let keyring = options.keyring ? await startKeyring(env, 'password') : undefined;
  return {
    env,
    lock: async () => {
      await end(keyring);
      keyring = await startKeyring(env, undefined);
    },
  };
}

/** `password` unlocks the keychain, and makes it if there is none. */
async function startKeyring(env: Record<string, string>, password: string | undefined): Promise<ChildProcess> {
  const unlock = password === undefined ? [] : ['--unlock'];
  const child = start('gnome-keyring-daemon', ['--foreground', '--components=secrets', ...unlock], env);
  child.stdin?.end(password ?? '');
  for (let attempt = 0; !(await isServed(env)); attempt += 1) {
    if (attempt > 200) throw new Error('the keychain has not appeared on the bus');
    await delay(100);
  }
  return child;
}

async function isServed(env: Record<string, string>): Promise<boolean> {
  const question = ['org.freedesktop.DBus.NameHasOwner', 'string:org.freedesktop.secrets'];
  const args = ['--session', '--print-reply', '--dest=org.freedesktop.DBus', '/', ...question];
  const { stdout } = await execa(toolPath('dbus-send') ?? 'dbus-send', args, { env, reject: false });
  return stdout.includes('boolean true');
}

function start(tool: string, args: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(toolPath(tool) ?? tool, args, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin?.on('error', () => undefined);
  onTestFinished(() => end(child));
  return child;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'close');
}
