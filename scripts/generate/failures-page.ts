import { knownCauses } from '../../src/tasks/causes.ts';

/** `docs/failures.md`: the common causes that the last line of a failed task's log names. */
export function failuresPage(): string {
  const rows = knownCauses.map(
    ({ id, tools, cause, hint }) =>
      `| \`${id}\` | ${tools.length === 0 ? 'any' : tools.join(', ')} | ${cell(cause.replaceAll('$1', '…'))} | ${cell(hint)} |`,
  );
  return `# Why a task failed

The log of a failed task ends with one line: the phase it failed in, what happened, why as far as the tool's own last words tell, and what
to do about it.

\`\`\`
Task failed in run: ansible-playbook exited with code 4 (one or more hosts were unreachable): a host refused the login. Check user and key of the inventory, and that the public key is on the host.
\`\`\`

Phases: \`prepare\` (what the server sent, directories), \`clone\` (git), \`inventory\`, \`requirements\` (roles, collections, \`init\`), \`run\`,
\`outputs\` (what a task of a workflow hands on, see [tasks.md](tasks.md#outputs)).

Whatever the tool, the line tells an executable that is missing or may not be executed (and where it was looked for), an argument list that
is too long, a process that was killed by a signal (\`SIGKILL\` that nobody sent usually means that the machine is out of memory), and the
exit code of everything else. In \`clone\` it tells authentication, host key, unknown branch, tag or commit, unknown repository, network, a
protocol that is refused, a damaged local copy that could not be repaired, and a full disk.

These causes are found in the last 16 KiB of a tool's output:

| cause | tool | the line says | and advises |
|---|---|---|---|
${rows.join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`);
}
