import type { TaskWorkspace } from '../../workspace/index.ts';
import type { Owner } from '../owner.ts';
import { TaskProblem } from '../problem.ts';
import type { TaskHost } from '../types.ts';
import { lenientDocument, strictDocument, type KnownSecrets, type Output } from './document.ts';
import { readOutputsFile } from './read-file.ts';

export type { Output } from './document.ts';

/** What a task of a workflow hands on to those that follow (spec 5.13). */
export interface TaskOutputs {
  /** Absolute path of the file in which a process writes its outputs. */
  file: string;
  /** For tools that tell their outputs themselves: these count, and the file does not. */
  offer(outputs: readonly Output[]): void;
  /** The document for the server; undefined when there are none. Throws TaskProblem when the file is not acceptable. */
  collect(): Promise<string | undefined>;
}

export interface TaskOutputsOptions {
  workspace: TaskWorkspace;
  host: TaskHost;
  /** User that the tools run as, when it is not our own. */
  owner: Owner | undefined;
  secrets: KnownSecrets;
}

/** Makes the empty file, for the user of the task only; it goes with the private directory of the task. */
export async function openOutputs({ host, owner, secrets, workspace }: TaskOutputsOptions): Promise<TaskOutputs> {
  const file = await host.once('outputs-file', () => workspace.writePrivate('outputs.json', ''));
  let offered: readonly Output[] | undefined;
  return {
    file,
    offer: (outputs) => (offered = outputs),
    collect: async () => {
      const { skipped, text } = offered
        ? lenientDocument(offered, secrets)
        : strictDocument(await readOnce(host, file, owner), secrets);
      const left = Object.entries(skipped).map(([name, reason]) => `${name} (${reason})`);
      if (left.length > 0) host.log(`Outputs that are not handed on: ${left.join(', ')}.`);
      return text;
    },
  };
}

/** The file goes with the task's directory, so that it is there to be read only once. Throws TaskProblem. */
async function readOnce(host: TaskHost, file: string, owner: Owner | undefined): Promise<string> {
  const read = await host.once('outputs', async () => {
    try {
      return { text: await readOutputsFile(file, owner) };
    } catch (error: unknown) {
      if (!(error instanceof TaskProblem)) throw error;
      return { phase: error.phase, message: error.message, hint: error.hint };
    }
  });
  if ('text' in read) return read.text;
  throw new TaskProblem(read.phase, read.message, read.hint);
}
