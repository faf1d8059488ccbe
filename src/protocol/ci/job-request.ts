import type * as z from 'zod';
import { UserError } from '../../lib/index.ts';
import { firstIssue, int, list, object, text } from './lenient.ts';
import { fromYamlSpelling } from './yaml-spelling.ts';

const commandSchema = object({ directive: text, alias: text });

/** `value` is standard base64 of the raw bytes. */
const variableSchema = object({ name: text, value: text });

/** `content` is standard base64; `mode` octal digits (spec CI 4.4). */
const fileSchema = object({ path: text, content: text, mode: text });

const credentialsSchema = object({ env_vars: list(variableSchema), files: list(fileSchema) });

const containerSchema = object({
  name: text,
  image: text,
  command: text,
  entrypoint: text,
  user: text,
  env_vars: list(variableSchema),
});

/** The request that a job is run from (spec CI 4). Unknown keys are ignored. */
const jobRequestSchema = object({
  job_id: text,
  executor: text,
  compose: object({
    containers: list(containerSchema),
    image_pull_credentials: list(credentialsSchema),
    host_setup_commands: list(commandSchema),
  }),
  commands: list(commandSchema),
  ssh_public_keys: list(text),
  epilogue_always_commands: list(commandSchema),
  epilogue_on_pass_commands: list(commandSchema),
  epilogue_on_fail_commands: list(commandSchema),
  env_vars: list(variableSchema),
  files: list(fileSchema),
  callbacks: object({ finished: text, teardown_finished: text, token: text }),
  logger: object({ method: text, url: text, token: text, max_size_in_bytes: int }),
}).transform((wire) => ({
  jobId: wire.job_id,
  /** `shell` when empty; any other word is refused where the job is constructed. */
  executor: wire.executor === '' ? 'shell' : wire.executor,
  compose: {
    containers: wire.compose.containers.map(({ env_vars, ...container }) => ({ ...container, variables: env_vars })),
    imagePullCredentials: wire.compose.image_pull_credentials.map(({ env_vars, files }) => ({
      variables: env_vars,
      files,
    })),
    hostSetupCommands: wire.compose.host_setup_commands,
  },
  commands: wire.commands,
  sshPublicKeys: wire.ssh_public_keys,
  epilogues: {
    always: wire.epilogue_always_commands,
    onPass: wire.epilogue_on_pass_commands,
    onFail: wire.epilogue_on_fail_commands,
  },
  variables: wire.env_vars,
  files: wire.files,
  callbacks: {
    finished: wire.callbacks.finished,
    teardownFinished: wire.callbacks.teardown_finished,
    token: wire.callbacks.token,
  },
  logger: {
    method: wire.logger.method === '' ? 'pull' : wire.logger.method,
    url: wire.logger.url,
    token: wire.logger.token,
    maxSizeInBytes: wire.logger.max_size_in_bytes,
  },
}));

export type JobRequest = z.output<typeof jobRequestSchema>;
export type Command = z.output<typeof commandSchema>;
export type EncodedVariable = z.output<typeof variableSchema>;
export type JobFile = z.output<typeof fileSchema>;

export interface ReadJobRequestOptions {
  /** `yaml`: the spelling of `agent run` (spec CI 4.3). @default 'json' */
  spelling?: 'json' | 'yaml';
}

/**
 * Reads a job request (spec CI 4) from parsed JSON or YAML. Throws UserError naming the first field of a wrong type; its value,
 * which may be secret, is not quoted.
 */
export function readJobRequest(parsed: unknown, { spelling = 'json' }: ReadJobRequestOptions = {}): JobRequest {
  const read = jobRequestSchema.safeParse(spelling === 'yaml' ? fromYamlSpelling(parsed) : parsed);
  if (read.success) return read.data;
  throw new UserError(`the job request is not valid: ${firstIssue(read.error)}`);
}
