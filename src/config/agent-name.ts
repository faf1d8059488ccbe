import { randomBytes } from 'node:crypto';
import { ConfigError } from '../lib/index.ts';

const leastBytes = 8;
const mostBytes = 80;

/**
 * The name to register with (spec CI 1.7): as given, as an environment variable has it, or a random one of 20 characters. Throws
 * ConfigError when it has a wrong length.
 */
export function agentName(
  { name, nameFromEnv }: { name: string; nameFromEnv: string },
  env: Readonly<Record<string, string | undefined>>,
): string {
  if (name !== '') return checked(name, '');
  if (nameFromEnv !== '') return checked(env[nameFromEnv] ?? '', ` (from the variable ${nameFromEnv})`);
  return randomBytes(15).toString('base64url');
}

/** Whether the server makes the name out of what the URL tells. An absolute path counts, too, as with the original. */
export function isUrlName(name: string): boolean {
  return name.startsWith('/') || /^[a-z][a-z0-9+.-]*:./i.test(name);
}

function checked(name: string, origin: string): string {
  const bytes = Buffer.byteLength(name);
  if (isUrlName(name) || (bytes >= leastBytes && bytes <= mostBytes)) return name;
  throw new ConfigError(
    `The agent name${origin} is ${bytes} bytes long; it should have ${leastBytes} to ${mostBytes}`,
    {
      key: 'name',
      hint: 'Without a name the agent makes up one.',
    },
  );
}
