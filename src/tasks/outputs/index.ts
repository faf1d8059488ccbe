import type { TaskWorkspace } from '../../workspace/index.ts';
import type { Owner } from '../owner.ts';
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
  const file = await workspace.writePrivate('outputs.json', '');
  let offered: readonly Output[] | undefined;
  return {
    file,
    offer: (outputs) => (offered = outputs),
    collect: async () => {
      const { skipped, text } = offered
        ? lenientDocument(offered, secrets)
        : strictDocument(await readOutputsFile(file, owner), secrets);
      const left = Object.entries(skipped).map(([name, reason]) => `${name} (${reason})`);
      if (left.length > 0) host.log(`Outputs that are not handed on: ${left.join(', ')}.`);
      return text;
    },
  };
}
