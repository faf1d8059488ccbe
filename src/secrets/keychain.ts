import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { parseOwnJson, UserError } from '../lib/index.ts';

/** Under which name the tokens of all runners of a user are kept. */
const service = 'semaphore-runner';

/** Somebody may have to type a password into a dialogue of the keychain; an answer that takes longer does not come. */
const ANSWER_MS = 120_000;

/** What the keychain's libraries look at to find it, and to show their dialogue. */
const wanted = [
  'DBUS_SESSION_BUS_ADDRESS',
  'DISPLAY',
  'HOME',
  'PATH',
  'SystemRoot',
  'USERPROFILE',
  'WAYLAND_DISPLAY',
  'XAUTHORITY',
  'XDG_RUNTIME_DIR',
];

/**
 * What asks the keychain, in a process of its own: the package waits for D-Bus without giving way, and a bus that does not answer would
 * hold up everything else here for ever. Question and answer go through pipes. Never the kernel's keyring, which the package would
 * fall back to in silence: it is gone after a reboot.
 */
const helper = `
const { AsyncEntry } = require(process.argv[1]);
const ask = async ({ service, account, action, secret }) => {
  const entry = new AsyncEntry(service, account, { linux: { store: 'secret-service' } });
  if (action === 'read') return { value: await entry.getPassword() };
  if (action === 'write') await entry.setPassword(secret);
  else await entry.deleteCredential();
  return {};
};
let text = '';
process.stdin.on('data', (chunk) => (text += chunk)).on('end', async () => {
  const answer = await Promise.resolve(JSON.parse(text)).then(ask).catch((error) => ({ error: String(error.message) }));
  process.stdout.write(JSON.stringify(answer), () => process.exit());
});
`;

type Question = { action: 'read' | 'remove' } | { action: 'write'; secret: string };

/** A secret of the system's keychain. Throws UserError when there is no keychain, or it is locked, or does not answer. */
export async function readKeychain(account: string, timeoutMs = ANSWER_MS): Promise<string | undefined> {
  const value = (await ask(account, { action: 'read' }, timeoutMs))?.trim();
  return value === '' ? undefined : value;
}

/** Keeps a secret in the keychain. Throws UserError. */
export async function writeKeychain(account: string, secret: string): Promise<void> {
  await ask(account, { action: 'write', secret });
}

/** Removes a secret from the keychain, if it is there. Throws UserError. */
export async function clearKeychain(account: string): Promise<void> {
  await ask(account, { action: 'remove' });
}

/** Writes something else and removes it: nothing less shows that a secret could be kept. Throws UserError. */
export async function probeKeychain(account: string): Promise<void> {
  const probe = `${account} (probe ${process.pid})`;
  await writeKeychain(probe, 'probe');
  await clearKeychain(probe);
}

async function ask(account: string, question: Question, timeoutMs = ANSWER_MS): Promise<string | undefined> {
  const text = await runHelper(JSON.stringify({ service, account, ...question }), timeoutMs);
  const answer: unknown = text === '' ? undefined : parseOwnJson(text);
  if (typeof answer !== 'object' || answer === null) throw unusable('it gives no answer');
  if ('error' in answer) throw unusable(String(answer.error));
  return 'value' in answer && typeof answer.value === 'string' ? answer.value : undefined;
}

function runHelper(question: string, timeout: number): Promise<string> {
  const env = Object.fromEntries(wanted.flatMap((name) => (name in process.env ? [[name, process.env[name]]] : [])));
  const options = { env, timeout, killSignal: 'SIGKILL', windowsHide: true } as const;
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['-e', helper, findPackage()], options, (_error, stdout) =>
      resolve(stdout),
    );
    // It ended without reading: what it printed, or did not, tells.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(question);
  });
}

function findPackage(): string {
  try {
    return createRequire(import.meta.url).resolve('@napi-rs/keyring');
  } catch (error: unknown) {
    throw new UserError('the keychain cannot be used: the package @napi-rs/keyring is not installed', {
      hint: `Install it where semaphore is (npm install @napi-rs/keyring), or ${elsewhere}`,
      cause: error,
    });
  }
}

const elsewhere = 'keep the token in a file: runner.token_store "file", which is the default, and runner.token_file.';

/** The package passes on what libdbus says, which is not for users. */
function unusable(said: string): UserError {
  const known = reasons.find(({ pattern }) => pattern.test(said));
  return new UserError(`the keychain cannot be used: ${known?.text ?? said}`, {
    hint: known ? `${known.hint} Or ${elsewhere}` : `Find out why, or ${elsewhere}`,
  });
}

const reasons: readonly { pattern: RegExp; text: string; hint: string }[] = [
  {
    pattern: /autolaunch|DBUS_SESSION_BUS_ADDRESS|Failed to connect to socket|Unable to autolaunch|Connection refused/i,
    text: 'there is no desktop session (no D-Bus session bus) for this user',
    hint: 'Start the runner inside the session whose keychain it is to use.',
  },
  {
    pattern: /Did not receive a reply|ServiceUnknown|not provided by any|NoReply|activat/i,
    text: 'no keychain service answers in this session',
    hint: 'Start GNOME Keyring, KWallet or another Secret Service.',
  },
  {
    pattern: /prompt was dismissed|locked/i,
    text: 'it is locked',
    hint: 'Unlock it, for example by logging in to the desktop, and try again.',
  },
];
