import { codeOf, messageOf, UserError } from '../lib/index.ts';

/** Under which name the tokens of all runners of a user are kept. */
const service = 'semaphore-runner';

/** Somebody may have to type a password into a dialogue of the keychain; an answer that takes longer does not come. */
const ANSWER_MS = 120_000;

interface Entry {
  getPassword(): Promise<string | null>;
  setPassword(password: string): Promise<void>;
  deleteCredential(): Promise<boolean>;
}

/** A secret of the system's keychain. Throws UserError when there is no keychain, or it is locked. */
export async function readKeychain(account: string): Promise<string | undefined> {
  const found = await use(account, async (entry) => await entry.getPassword());
  return found === null || found.trim() === '' ? undefined : found.trim();
}

/** Keeps a secret in the keychain. Throws UserError. */
export async function writeKeychain(account: string, secret: string): Promise<void> {
  await use(account, async (entry) => await entry.setPassword(secret));
}

/** Removes a secret from the keychain, if it is there. Throws UserError. */
export async function clearKeychain(account: string): Promise<void> {
  await use(account, async (entry) => await entry.deleteCredential());
}

/** Asks for something that is not there, and tries to write: a locked keychain reads nothing, one of others takes nothing. */
export async function probeKeychain(account: string): Promise<void> {
  const probe = `${account} (probe ${process.pid})`;
  await writeKeychain(probe, 'probe');
  await clearKeychain(probe);
}

async function use<T>(account: string, action: (entry: Entry) => Promise<T>): Promise<T> {
  const entry = await openEntry(account);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('it does not answer')), ANSWER_MS);
  });
  try {
    return await Promise.race([action(entry), late]);
  } catch (error: unknown) {
    throw unusable(error);
  } finally {
    clearTimeout(timer);
  }
}

async function openEntry(account: string): Promise<Entry> {
  try {
    const { AsyncEntry } = await import('@napi-rs/keyring');
    // Never the kernel's keyring, which the package would fall back to in silence: it is gone after a reboot.
    return new AsyncEntry(service, account, { linux: { store: 'secret-service' } });
  } catch (error: unknown) {
    if (!['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(codeOf(error) ?? '')) throw unusable(error);
    throw new UserError('the keychain cannot be used: the package @napi-rs/keyring is not installed', {
      hint: `Install it where semaphore is (npm install @napi-rs/keyring), or ${elsewhere}`,
      cause: error,
    });
  }
}

const elsewhere = 'keep the token in a file: runner.token_store "file", which is the default, and runner.token_file.';

/** The package passes on what libdbus says, which is not for users. */
function unusable(error: unknown): UserError {
  const said = messageOf(error);
  const known = reasons.find(({ pattern }) => pattern.test(said));
  return new UserError(`the keychain cannot be used: ${known?.text ?? said}`, {
    hint: known ? `${known.hint} Or ${elsewhere}` : `Find out why, or ${elsewhere}`,
    cause: error,
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
