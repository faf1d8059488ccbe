import * as z from 'zod';

/** An absent field, or null, is the zero value of its type (spec CI 4.1). */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

function listOf<Item extends z.ZodType>(item: Item) {
  return z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);
}

const commandSchema = z.object({ directive: text, alias: text });

/** `value` is standard base64 of the raw bytes. */
const variableSchema = z.object({ name: text, value: text });

/** `content` is standard base64; `mode` octal digits (spec CI 4.4). */
const fileSchema = z.object({ path: text, content: text, mode: text });

const credentialsSchema = z.object({ env_vars: listOf(variableSchema), files: listOf(fileSchema) });

const containerSchema = z.object({
  name: text,
  image: text,
  command: text,
  entrypoint: text,
  user: text,
  env_vars: listOf(variableSchema),
});

const noCompose = { containers: [], image_pull_credentials: [], host_setup_commands: [] };

/** The request that a job is run from (spec CI 4). Unknown keys are ignored. */
export const jobRequestSchema = z
  .object({
    job_id: text,
    executor: text,
    compose: z
      .object({
        containers: listOf(containerSchema),
        image_pull_credentials: listOf(credentialsSchema),
        host_setup_commands: listOf(commandSchema),
      })
      .nullish()
      .transform((value) => value ?? noCompose),
    commands: listOf(commandSchema),
    ssh_public_keys: listOf(text),
    epilogue_always_commands: listOf(commandSchema),
    epilogue_on_pass_commands: listOf(commandSchema),
    epilogue_on_fail_commands: listOf(commandSchema),
    env_vars: listOf(variableSchema),
    files: listOf(fileSchema),
    callbacks: z
      .object({ finished: text, teardown_finished: text, token: text })
      .nullish()
      .transform((value) => value ?? { finished: '', teardown_finished: '', token: '' }),
    logger: z
      .object({
        method: text,
        url: text,
        token: text,
        max_size_in_bytes: z
          .int()
          .nullish()
          .transform((value) => value ?? 0),
      })
      .nullish()
      .transform((value) => value ?? { method: '', url: '', token: '', max_size_in_bytes: 0 }),
  })
  .transform((wire) => ({
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

/** Reads a job request (spec CI 4). Throws ZodError naming the first field of a wrong type. */
export function readJobRequest(json: unknown): JobRequest {
  return jobRequestSchema.parse(json);
}
