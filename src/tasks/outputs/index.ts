import { TaskProblem } from '../problem.ts';
import type { TaskPlace } from '../types.ts';
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

/** Makes the empty file, for the user of the task only; it goes with the private directory of the task. */
export async function openOutputs(place: TaskPlace, secrets: KnownSecrets): Promise<TaskOutputs> {
  const { host } = place;
  const file = await host.once('outputs-file', () => place.writePrivate('outputs.json', ''));
  let offered: readonly Output[] | undefined;
  return {
    file,
    offer: (outputs) => (offered = outputs),
    collect: async () => {
      const { skipped, text } = offered
        ? lenientDocument(offered, secrets)
        : strictDocument(await readOnce(place, file), secrets);
      const left = Object.entries(skipped).map(([name, reason]) => `${name} (${reason})`);
      if (left.length > 0) host.log(`Outputs that are not handed on: ${left.join(', ')}.`);
      return text;
    },
  };
}

/** The file goes with the task's directory, so that it is there to be read only once. Throws TaskProblem. */
async function readOnce({ files, host }: TaskPlace, file: string): Promise<string> {
  const read = await host.once('outputs', async () => {
    try {
      return { text: await readOutputsFile(files, file) };
    } catch (error: unknown) {
      if (!(error instanceof TaskProblem)) throw error;
      return { phase: error.phase, message: error.message, hint: error.hint };
    }
  });
  if ('text' in read) return read.text;
  throw new TaskProblem(read.phase, read.message, read.hint);
}
