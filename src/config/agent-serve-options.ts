import * as z from 'zod';
import { ConfigError, UserError } from '../lib/index.ts';
import { parseFiles, type FileInjection } from './agent-items.ts';
import { kindOf, type AgentValueKind } from './agent-keys.ts';
import { agentServeSchema } from './agent-serve-schema.ts';
import { fromFlags } from './agent-values.ts';
import { expectationOfAgentKey } from './agent-wrong-value.ts';
import { expectationOf, type SchemaNode } from './key-table.ts';

/** What `agent serve` is to do; checked. */
export interface ServeOptions {
  /** Its bytes are the key. */
  authTokenSecret: string;
  host: string;
  port: number;
  tls: {
    certPath: string;
    keyPath: string;
    /** Make a certificate when there is none. */
    selfSigned: boolean;
  };
  /** Undefined: no metrics. */
  statsd: { host: string; port: string; namespace: string } | undefined;
  callbackAttempts: number;
  preJobHookPath: string;
  files: readonly FileInjection[];
  exposeKvmDevice: boolean;
  maskJobSecrets: boolean;
}

export interface ServeOption {
  name: string;
  kind: AgentValueKind;
  schema: SchemaNode;
}

/** The options of `agent serve` as a table, in the order of the schema. */
export function serveKeyTable(): readonly ServeOption[] {
  const described: object = z.toJSONSchema(agentServeSchema, { io: 'input' });
  const { properties = {} }: SchemaNode = described;
  return Object.entries(properties).map(([name, schema]) => ({ name, kind: kindOf(schema), schema }));
}

/**
 * The options of `agent serve`, from what follows each flag. Throws UserError for a flag that cannot be read, ConfigError when one is
 * missing or does not fit.
 */
export function loadServeOptions(flags: ReadonlyMap<string, readonly string[]>): ServeOptions {
  const given: Record<string, unknown> = {};
  for (const { name, kind, schema } of serveKeyTable()) {
    const texts = flags.get(name);
    if (texts === undefined) continue;
    const value = fromFlags(texts, kind);
    const isRight = value !== undefined && agentServeSchema.partial().safeParse({ [name]: value }).success;
    if (!isRight) {
      const expected = kind === 'number' ? expectationOf(schema) : expectationOfAgentKey(kind);
      throw new UserError(`invalid argument ${JSON.stringify(texts.at(-1))} for --${name}: expected ${expected}`, {
        hint: 'See: semaphore agent serve --help',
      });
    }
    given[name] = value;
  }
  const values = agentServeSchema.parse(given);
  if (values['auth-token-secret'] === '') {
    throw new ConfigError('Auth token is empty', {
      key: 'auth-token-secret',
      hint: 'Give the secret that tokens are signed with: --auth-token-secret.',
    });
  }
  const { 'statsd-host': host, 'statsd-port': port } = values;
  return {
    authTokenSecret: values['auth-token-secret'],
    host: values.host,
    port: values.port,
    tls: { certPath: values['tls-cert-path'], keyPath: values['tls-key-path'], selfSigned: values['self-signed'] },
    statsd: host === '' || port === '' ? undefined : { host, port, namespace: values['statsd-namespace'] },
    callbackAttempts: values['callback-retry-attempts'] || 300,
    preJobHookPath: values['pre-job-hook-path'],
    files: parseFiles(values.files),
    exposeKvmDevice: values['expose-kvm-device'],
    maskJobSecrets: values['mask-job-secrets'],
  };
}
