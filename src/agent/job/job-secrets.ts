import { isUtf8 } from 'node:buffer';
import { decodeBase64 } from '../../executors/index.ts';
import type { JobRequest } from '../../protocol/ci/index.ts';
import type { HostVariable } from '../types.ts';

/** Longer values and files are not looked for: they are data, and each of their lines would be. Bytes. */
const longestSecret = 16 * 1024;

/** What every job gets, and says nothing (spec CI 4.7): names, addresses, times of the server's, not of the user's. */
const publicNames = new Set(['CI', 'DISPLAY', 'PAGER', 'SEMAPHORE', 'TERM']);
const secretWord = /TOKEN|SECRET|PASSWORD|KEY|CREDENTIAL/;

/**
 * The values that a job's log must not show when it is masked: a request does not say which of them are secret, so all are but those
 * that the server itself sets for every job. Also the contents of files, and what images are pulled with.
 */
export function jobSecrets(request: JobRequest, hostVariables: readonly HostVariable[] = []): string[] {
  const { compose, variables, files, callbacks, logger } = request;
  const encoded = [
    ...variables,
    ...compose.containers.flatMap((container) => container.variables),
    ...compose.imagePullCredentials.flatMap((credentials) => credentials.variables),
  ].filter(({ name }) => mayBeSecret(name));
  const contents = [...files, ...compose.imagePullCredentials.flatMap((credentials) => credentials.files)];
  const host = hostVariables.filter(({ name }) => mayBeSecret(name)).map(({ value }) => value);
  const decoded = [...encoded.map(({ value }) => value), ...contents.map(({ content }) => content)].flatMap(textOf);
  return [...decoded, ...host, callbacks.token, logger.token].filter((secret) => secret !== '');
}

function mayBeSecret(name: string): boolean {
  return !publicNames.has(name) && (!name.startsWith('SEMAPHORE_') || secretWord.test(name));
}

/** Nothing for what cannot be in a log, or is too long. */
function textOf(encoded: string): string[] {
  const bytes = decodeBase64(encoded);
  return bytes && bytes.length <= longestSecret && isUtf8(bytes) ? [bytes.toString('utf8')] : [];
}
