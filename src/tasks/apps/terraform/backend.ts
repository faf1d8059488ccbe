import { join } from 'node:path/posix';
import type { TerraformTemplateParams } from '../../../protocol/ui/index.ts';
import { messageOf } from '../../../lib/index.ts';
import type { TaskContext } from '../../context.ts';
import { inside } from '../../inside.ts';
import { TaskProblem } from '../../problem.ts';
import type { TaskFiles } from '../../types.ts';

/** Address and credentials come from `TF_HTTP_*` in the environment. */
const content = '# Written by the runner for the time of one task.\nterraform {\n  backend "http" {\n  }\n}\n';

/** Of a file that was not there. */
const mode = 0o644;

/** Checks the name before anything is fetched. Throws TaskProblem. */
export function backendFile(params: TerraformTemplateParams): string | undefined {
  if (!params.overrideBackend) return undefined;
  const name = params.backendFilename === '' ? 'backend.tf' : params.backendFilename;
  if (/^[a-zA-Z0-9_\-.]+\.tf$/.test(name)) return name;
  throw new TaskProblem(
    'prepare',
    `the backend file cannot be called ${JSON.stringify(name)}`,
    'Give a plain file name that ends in .tf.',
  );
}

/**
 * Writes the file that makes Terraform keep its state on the server (spec 5.8), and has the context undo it: what was there
 * before, the repository's own file, comes back. Throws TaskProblem when it cannot be written; a symbolic link is refused,
 * because it leads who knows where.
 */
export async function overrideBackend(
  context: TaskContext,
  { directory, name, root }: { root: string; directory: string; name: string },
): Promise<void> {
  const { files, host } = context;
  const path = join(directory, name);
  const kept = await host.once('backend-before', async () => {
    // Links again: a directory of the repository may be one.
    inside(await files.realPath(root), await files.realPath(directory), 'the directory');
    return (await contentBefore(files, path, name))?.toString('base64') ?? null;
  });
  const before = kept === null ? undefined : Buffer.from(kept, 'base64');
  context.onClose(async () => {
    try {
      if (before === undefined) await files.remove(path);
      else await files.write(path, before, mode);
    } catch (error: unknown) {
      host.log(`Can't put back what was in ${name}, error: ${messageOf(error)}`);
    }
  });
  await host.once('backend', async () => {
    try {
      await files.write(path, content, mode);
    } catch (error: unknown) {
      throw new TaskProblem('prepare', `the backend file ${name} cannot be written: ${messageOf(error)}`);
    }
    return true;
  });
}

async function contentBefore(files: TaskFiles, path: string, name: string): Promise<Buffer | undefined> {
  const kind = await files.kindOf(path, 'tell');
  if (kind === undefined) return undefined;
  if (kind !== 'file') {
    throw new TaskProblem(
      'prepare',
      `the backend file ${name} is a symbolic link or a directory in the repository and is not replaced`,
      'Choose another name for it in the template.',
    );
  }
  try {
    const before = await files.read(path);
    // Left behind by a runner that was killed.
    return before?.equals(Buffer.from(content)) ? undefined : before;
  } catch (error: unknown) {
    throw new TaskProblem('prepare', `the backend file ${name} cannot be replaced: ${messageOf(error)}`);
  }
}
