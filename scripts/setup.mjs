#!/usr/bin/env node
// Everything `npm run demo`, `npm test` and `npm run bench` need before they can work: Node.js, npm packages, the build, and tools of
// the system. Plain Node.js without packages, because it runs before any is installed. Quick when all is there.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readLog } from './setup/command.mjs';
import { explain, Interrupted, paint, say, step, StepError } from './setup/console.mjs';
import { buildBundle } from './setup/bundle.mjs';
import { installDependencies } from './setup/dependencies.mjs';
import { withLock } from './setup/lock.mjs';
import { checkNodeVersion } from './setup/node-version.mjs';
import { cacheDirectory } from './setup/paths.mjs';
import { installTools } from './setup/tools.mjs';

const lockFile = join(cacheDirectory, 'setup.lock');

/** Tools that the tests use; a caller that needs less names what it needs. */
const shells = ['bash', 'zsh', 'fish'];
const ssh = ['ssh', 'ssh-keygen', 'sshd', 'sshpass'];
const keychain = ['dbus-daemon', 'gnome-keyring-daemon'];
const containers = ['docker', 'dockerd', 'docker-compose', 'docker-registry', 'debootstrap', 'kubectl', 'aws'];
const others = ['git', 'python3', 'openssl', 'ansible-playbook', 'tinyproxy', 'systemd-analyze'];
export const testTools = [...others, ...shells, ...ssh, ...keychain, ...containers];

/**
 * Brings the checkout to where `./bin/semaphore` works, and the machine to where `tools` are there if that can be done.
 * Returns the tools that are missing all the same. Throws StepError or Interrupted; `runScript` prints them.
 */
export async function setUp({ tools = testTools } = {}) {
  say(paint('bold', 'Set-up'));
  await step('Node.js', async () => checkNodeVersion());
  let missing = [];
  await withLock(lockFile, async () => {
    await step('dependencies', installDependencies);
    await step('build', buildBundle);
    await step('tools', async () => {
      const outcome = await installTools(tools);
      missing = outcome.missing;
      return outcome;
    });
  });
  say();
  return { missing };
}

/** Only the build, for a test file that is run by itself. */
export async function ensureBuilt() {
  await withLock(lockFile, buildBundle);
}

/** Runs a script's `main` and turns whatever it throws into a few plain lines and an exit code. */
export async function runScript(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      say();
      say('Interrupted.');
      process.exitCode = error.exitCode;
    } else if (error instanceof StepError) {
      explain(error, readLog);
      process.exitCode = 1;
    } else {
      say();
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      process.exitCode = 1;
    }
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runScript(async () => {
    await setUp();
  });
}
