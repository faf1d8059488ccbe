import { checkExecutor, doubtfulExecutor } from './executor-relations.ts';
import { runnerKeyTable, type ConfigKey } from './key-table.ts';
import { locatedError, locationText } from './located-error.ts';
import { member } from './normalise.ts';
import type { RunnerFile } from './runner-schema.ts';

/** Where a key was set. */
export interface Place {
  source?: string;
  line?: number;
  column?: number;
}

export type PlaceOf = (key: string) => Place;

/** What one key alone cannot tell. Throws ConfigError. */
export function checkRelations(values: RunnerFile, placeOf: PlaceOf): void {
  if (values.web_host) checkWebHost(values.web_host, placeOf('web_host'));
  checkLimits(values.runner, placeOf);
  checkExecutor(values.runner.executor, placeOf);
  const { token, token_file: tokenFile, token_store: store, connection, log } = values.runner;
  const exclude = (one: string, other: string): never => {
    const places = [one, other].map((key) => `${key} (${locationText(placeOf(key))})`);
    throw locatedError(`${places.join(' and ')} exclude each other`, { key: one, hint: 'Keep one of them.' });
  };
  if (token && tokenFile) exclude('runner.token', 'runner.token_file');
  if (store === 'keychain' && token) exclude('runner.token', 'runner.token_store');
  if (store === 'keychain' && tokenFile) exclude('runner.token_file', 'runner.token_store');
  if (connection.client_key_passphrase && connection.client_key_passphrase_file) {
    exclude('runner.connection.client_key_passphrase', 'runner.connection.client_key_passphrase_file');
  }
  if (log.max_request_bytes < log.max_line_bytes) {
    const key = 'runner.log.max_request_bytes';
    throw locatedError(
      `${key} is ${log.max_request_bytes}; expected at least runner.log.max_line_bytes (${log.max_line_bytes})`,
      {
        key,
        ...placeOf(key),
      },
    );
  }
}

/** Throws ConfigError when limits are set that nothing could keep. */
function checkLimits({ cgroup, limits }: RunnerFile['runner'], placeOf: PlaceOf): void {
  if (cgroup !== 'off') return;
  const name = (['cpu', 'memory', 'processes'] as const).find((each) => limits[each]);
  if (name === undefined) return;
  const key = `runner.limits.${name}`;
  throw locatedError(
    `${key} needs cgroups, which runner.cgroup (${locationText(placeOf('runner.cgroup'))}) turns off`,
    {
      key,
      ...placeOf(key),
      hint: 'Remove one of them.',
    },
  );
}

/** Throws ConfigError unless `text` is the base URL of a server. */
function checkWebHost(text: string, place: Place): void {
  const url = URL.canParse(text) ? new URL(text) : null;
  const problem =
    url === null || !/^https?:$/.test(url.protocol)
      ? 'expected a URL that begins with http:// or https://'
      : url.search !== '' || url.hash !== ''
        ? 'expected a base URL without ? and #'
        : undefined;
  if (problem === undefined) return;
  const looksLikeHost = url === null || !text.includes('://');
  throw locatedError(`web_host is ${JSON.stringify(withoutCredentials(text))}; ${problem}`, {
    key: 'web_host',
    ...place,
    ...(looksLikeHost ? { hint: `For example https://${withoutCredentials(text).replace(/^\/+/, '')}.` } : {}),
  });
}

/** Also of a text that is no URL. */
function withoutCredentials(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?[^/@]*@/i, '$1***@');
}

/** Values that are allowed but will surprise, one sentence each. */
export function doubtfulValues(values: RunnerFile, placeOf: PlaceOf): string[] {
  const at = (key: string, text: string) => `${locationText(placeOf(key))}: ${text}`;
  const warnings = runnerKeyTable()
    .keys.filter((key) => key.schema.unsupported !== undefined && valueAt(values, key) !== key.schema.default)
    .map(({ dotted, schema }) => at(dotted, `${dotted} has no effect: ${schema.unsupported}`));
  const { runner, process } = values;
  if (runner.connection.skip_tls_verify) {
    const key = 'runner.connection.skip_tls_verify';
    warnings.push(at(key, 'the certificate of the server is not checked; whoever is on the way can read every secret'));
  }
  if (runner.connection.client_key_file && !runner.connection.client_cert_file) {
    const key = 'runner.connection.client_key_file';
    warnings.push(at(key, `${key} has no effect without runner.connection.client_cert_file`));
  }
  if (runner.check_interval_seconds >= 120) {
    const key = 'runner.check_interval_seconds';
    warnings.push(at(key, `with ${key} of 120 or more the server takes this runner for offline`));
  }
  if ((process.uid === undefined) !== (process.gid === undefined)) {
    const key = process.uid === undefined ? 'process.gid' : 'process.uid';
    warnings.push(at(key, `${key} has no effect without process.${key === 'process.uid' ? 'gid' : 'uid'}`));
  }
  return [...warnings, ...doubtfulExecutor(values, placeOf)];
}

function valueAt(values: unknown, { path }: ConfigKey): unknown {
  return path.reduce<unknown>(member, values);
}
