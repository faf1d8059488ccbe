import { resolve } from 'node:path';
import { ConfigError, UserError } from '../lib/index.ts';
import { readAgentFile } from './agent-file.ts';
import {
  checkPatterns,
  type FileInjection,
  type HostVariable,
  parseEnvVars,
  parseFiles,
  parseLabels,
} from './agent-items.ts';
import { agentKeyTable, type AgentOption } from './agent-keys.ts';
import { agentName } from './agent-name.ts';
import { agentSchema, type AgentValues } from './agent-schema.ts';
import { type AgentValue, fromFlags, fromVariable } from './agent-values.ts';
import { expectationOfAgentKey, wrongAgentValue } from './agent-wrong-value.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadAgentOptions {
  /** What follows each flag, every time it was given; switches without a value as `true`. */
  flags: ReadonlyMap<string, readonly string[]>;
  env: Environment;
  cwd: string;
}

/** What `agent start` is to do; checked. */
export interface AgentOptions {
  name: string;
  endpoint: string;
  token: string;
  noHttps: boolean;
  shutdownHookPath: string;
  hooks: {
    preJob: { path: string; source: boolean; failOnError: boolean } | undefined;
    postJob: { path: string } | undefined;
  };
  disconnectAfterJob: boolean;
  jobId: string;
  /** Seconds; 0 for never. */
  idleTimeout: number;
  /** Seconds. */
  interruptionGracePeriod: number;
  hostVariables: readonly HostVariable[];
  files: readonly FileInjection[];
  failOnMissingFiles: boolean;
  uploadJobLogs: 'never' | 'always' | 'when-trimmed';
  kubernetes: {
    enabled: boolean;
    podSpec: string;
    allowedImages: readonly string[];
    labels: Readonly<Record<string, string>>;
    podStartTimeout: number;
    defaultImage: string;
  };
  maskJobSecrets: boolean;
  /** Absolute; undefined: the room of logs knows where. */
  stateDirectory: string | undefined;
  /** Environment variables that hold secrets and are set: nobody else shall inherit them. */
  sensitiveVariables: readonly string[];
}

/**
 * The options of `agent start`: a flag wins over a variable, that over the file, that over the default (spec CI 1.4 to 1.7). Throws
 * UserError for a flag that cannot be read, and ConfigError, in the order of the original, for everything else.
 */
export async function loadAgentOptions({ flags, env, cwd }: LoadAgentOptions): Promise<AgentOptions> {
  const { options } = agentKeyTable();
  const ofFlags = new Map<string, AgentValue>();
  for (const option of options) {
    const given = flags.get(option.name);
    if (given !== undefined) ofFlags.set(option.name, flagValue(option, given));
  }
  const path = flags.get('config-file')?.at(-1) ?? '';
  const ofFile = path === '' ? new Map<string, AgentValue>() : await readAgentFile(path, cwd);
  const values: Record<string, AgentValue> = {};
  for (const option of options) {
    const value = ofFlags.get(option.name) ?? variableValue(option, env) ?? ofFile.get(option.name);
    if (value !== undefined) values[option.name] = value;
  }
  // `upload-job-logs` and negative numbers are for the checks, which have an order.
  const { 'upload-job-logs': uploadJobLogs = 'never', ...rest } = values;
  return check(agentSchema.parse(rest), String(uploadJobLogs), { env, cwd });
}

function flagValue(option: AgentOption, given: readonly string[]): AgentValue {
  const value = fromFlags(given, option.kind);
  if (value !== undefined) return value;
  const shown = option.schema.sensitive === true ? '' : ` ${JSON.stringify(given.at(-1))}`;
  throw new UserError(`invalid argument${shown} for --${option.name}: expected ${expectationOfAgentKey(option.kind)}`, {
    hint: 'See: semaphore agent start --help',
  });
}

/** An empty variable is none. */
function variableValue(option: AgentOption, env: Environment): AgentValue | undefined {
  const text = env[option.variable];
  if (text === undefined || text === '') return undefined;
  const value = fromVariable(text, option.kind);
  if (value === undefined) throw wrongAgentValue(option, text, `environment variable ${option.variable}`);
  return value;
}

function check(
  values: AgentValues,
  uploadJobLogs: string,
  { env, cwd }: { env: Environment; cwd: string },
): AgentOptions {
  if (values['job-id'] !== '' && !values['disconnect-after-job']) {
    throw refused('job-id', 'job-id can only be used together with disconnect-after-job');
  }
  const policies = ['never', 'always', 'when-trimmed'] as const;
  const policy = policies.find((each) => each === uploadJobLogs);
  if (policy === undefined) {
    throw refused(
      'upload-job-logs',
      `upload-job-logs is ${JSON.stringify(uploadJobLogs)}; expected ${policies.join(', ')}`,
    );
  }
  if (values.endpoint === '') throw missing('endpoint', 'Semaphore endpoint');
  if (values.token === '') throw missing('token', 'Agent registration token');
  notNegative(values, 'disconnect-after-idle-timeout');
  notNegative(values, 'kubernetes-pod-start-timeout');
  const hostVariables = parseEnvVars(values['env-vars']);
  const files = parseFiles(values.files);
  const labels = parseLabels(values['kubernetes-labels']);
  const name = agentName({ name: values.name, nameFromEnv: values['name-from-env'] }, env);
  const allowedImages = checkPatterns(values['kubernetes-allowed-images']);
  const preJob = values['pre-job-hook-path'];
  const postJob = values['post-job-hook-path'];
  return {
    name,
    endpoint: values.endpoint,
    token: values.token,
    noHttps: values['no-https'],
    shutdownHookPath: values['shutdown-hook-path'],
    hooks: {
      preJob:
        preJob === ''
          ? undefined
          : {
              path: preJob,
              source: values['source-pre-job-hook'],
              failOnError: values['fail-on-pre-job-hook-error'],
            },
      postJob: postJob === '' ? undefined : { path: postJob },
    },
    disconnectAfterJob: values['disconnect-after-job'],
    jobId: values['job-id'],
    idleTimeout: values['disconnect-after-idle-timeout'],
    interruptionGracePeriod: values['interruption-grace-period'],
    hostVariables,
    files,
    failOnMissingFiles: values['fail-on-missing-files'],
    uploadJobLogs: policy,
    kubernetes: {
      enabled: values['kubernetes-executor'],
      podSpec: values['kubernetes-pod-spec'],
      allowedImages,
      labels,
      podStartTimeout: values['kubernetes-pod-start-timeout'] || 60,
      defaultImage: values['kubernetes-default-image'],
    },
    maskJobSecrets: values['mask-job-secrets'],
    stateDirectory: values['state-dir'] === '' ? undefined : resolve(cwd, values['state-dir']),
    sensitiveVariables: sensitiveVariables(env),
  };
}

function sensitiveVariables(env: Environment): string[] {
  return agentKeyTable()
    .options.filter(({ schema, variable }) => schema.sensitive === true && env[variable] !== undefined)
    .map(({ variable }) => variable);
}

function missing(key: AgentOption['name'], what: string): ConfigError {
  const variable = agentKeyTable().options.find(({ name }) => name === key)?.variable ?? '';
  return new ConfigError(`${what} was not specified. Exiting...`, {
    key,
    hint: `Give it with --${key}, ${variable} or ${key} in the file.`,
  });
}

function notNegative(values: AgentValues, key: 'disconnect-after-idle-timeout' | 'kubernetes-pod-start-timeout'): void {
  if (values[key] < 0) throw refused(key, `${key} can't be negative`);
}

function refused(key: string, message: string): ConfigError {
  return new ConfigError(`${message}. Exiting...`, { key });
}
