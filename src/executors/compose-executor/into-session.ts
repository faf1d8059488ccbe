import type { JobFile } from '../../protocol/ci/index.ts';
import { decodeBase64 } from '../host-executor/base64.ts';
import { quoteWord } from '../host-executor/quote-word.ts';
import type { JobEvents } from '../job-executor.ts';
import type { ShellSession } from '../shell-session/index.ts';
import type { ComposeDirectory } from './job-directory.ts';
import { placeFile } from './place-file.ts';

/** Has the shell in the container take over variables, and debug sessions as well. Resolves with an exit code. */
export async function sourceInto(session: ShellSession, directory: ComposeDirectory, script: Buffer): Promise<number> {
  const word = quoteWord(directory.writeShared('env', script));
  // What the shell says of them may quote them: it is not for any log.
  const { exitCode } = await session.evaluate(`\\builtin . ${word}`);
  // A home that cannot be written to is no reason to fail.
  await session.evaluate(`\\builtin echo ${quoteWord(`source ${word}`)} >>~/.bash_profile`);
  return exitCode;
}

/** Puts a file of the job into the container, with what is shown of that (spec CI 6.2). Resolves with an exit code. */
export async function injectInto(
  session: ShellSession,
  directory: ComposeDirectory,
  file: JobFile,
  events: Pick<JobEvents, 'output'>,
): Promise<number> {
  events.output(`Injecting ${file.path} with file mode ${file.mode}\n`);
  const content = decodeBase64(file.content);
  if (!content) {
    events.output('Failed to decode the content of the file.\n');
    return 1;
  }
  const source = directory.writeShared('file', content);
  try {
    for (const { directive, failure } of placeFile(file, source)) {
      const { exitCode } = await session.evaluate(directive);
      if (exitCode === 0) continue;
      events.output(failure);
      return exitCode;
    }
    return 0;
  } finally {
    directory.removeShared(source);
  }
}
