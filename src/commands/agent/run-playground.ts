import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { PlaygroundJob } from '../../agent/index.ts';
import { listenForShutdown, note, print } from '../../cli/index.ts';
import { messageOf, removeTree, systemClock, UserError } from '../../lib/index.ts';
import { jobEnvironment } from './job-environment.ts';
import { exitCodeOf, wantsColour } from './run-job.ts';
import { withAgentLog } from './with-agent-log.ts';

export interface PlaygroundCommand {
  path: string | undefined;
  keep: boolean;
  port: number;
  unfold: boolean;
  version: string;
}

/** `agent playground`. Returns the exit code. Throws UserError when the file is no job, or the port is taken. */
export async function playgroundCommand({ path, keep, port, unfold, version }: PlaygroundCommand): Promise<number> {
  return await withAgentLog({
    // Standard output is for what goes on.
    stdout: undefined,
    load: async () => {
      const { exampleJob, readJob } = await import('../../agent/index.ts');
      return path === undefined ? exampleJob() : (await readJob(path)).wire;
    },
    work: async (log, job) => {
      const { createJobView, runPlayground } = await import('../../agent/index.ts');
      const stateDirectory = await mkdtemp(join(tmpdir(), 'semaphore-playground-'));
      const shutdown = listenForShutdown();
      const { drain, cancel } = shutdown.signals;
      try {
        const result = await runPlayground({
          job,
          more: keep ? typedJobs() : undefined,
          port,
          say: print,
          newView: () =>
            createJobView({
              write: (text) => void process.stdout.write(text),
              colour: wantsColour(),
              unfold,
            }),
          drain,
          cancel,
          version,
          env: jobEnvironment([]),
          cwd: process.cwd(),
          stateDirectory,
          clock: systemClock,
          logger: log.logger,
        });
        print();
        print(`What the agent says of itself is in ${log.path}.`);
        return exitCodeOf(result);
      } finally {
        shutdown.release();
        await removeTree(stateDirectory, tmpdir());
      }
    },
  });
}

/** The jobs whose files are typed in. At the end of a terminal's input there are no more; of another's, there may be other agents. */
async function* typedJobs(): AsyncGenerator<PlaygroundJob> {
  const { readJob } = await import('../../agent/index.ts');
  const prompt = (): void => note('Type the path of a job to run, or press Ctrl-C to end.');
  prompt();
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    try {
      yield (await readJob(line.trim())).wire;
    } catch (error: unknown) {
      if (!(error instanceof UserError)) throw error;
      note(`Error: ${messageOf(error)}`);
    }
    prompt();
  }
  if (process.stdin.isTTY) return;
  await new Promise<never>(() => undefined);
}
