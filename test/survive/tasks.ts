/** What the tasks of this directory say that must be in no file and no log. */
export const secrets = ['open-sesame-93', 'correct horse battery'] as const;

/** For scripts: notes something about the tool itself, where the harness reads it. */
export const note = 'note() { echo "$1" >> "$OUTPUT_DIRECTORY/$SEMAPHORE_TASK_ID.marks"; }';

/** Notes that it was started and whatever signal reaches it. */
const watchful = `${note}
note started
for name in TERM INT HUP PIPE QUIT; do trap "note $name" $name; done`;

/**
 * Lines that nobody could put together again by chance: with numbers, on both ways out, with secrets, and no line end at
 * the end.
 */
export const quickScript = `#!/usr/bin/env bash
${watchful}
echo "the word is $WORD"
for ((n = 1; n <= 30; n++)); do
  if ((n % 3)); then echo "line $n"; else echo "line $n aside" >&2; fi
  sleep 0.01
done
echo "the words are $WORDS"
printf 'no line end'
note ended
`;

/** The secrets, as a variable group called \`secret\`. */
export const secretGroup = {
  name: 'secret',
  variables: {},
  secrets: [
    { name: 'WORD', type: 'env', value: secrets[0] },
    { name: 'WORDS', type: 'env', value: secrets[1] },
  ],
};

/** A template for a script in the repository, as often at a time as one likes. */
export function scriptTemplate(id: number, playbook: string) {
  return {
    id,
    name: playbook,
    app: 'bash',
    playbook,
    repository: 'main',
    variable_groups: ['secret'],
    allow_parallel_tasks: true,
  };
}

/** True when every point is to be tried instead of a few of each kind: `SURVIVE=all`. */
export const tryAll = process.env['SURVIVE'] === 'all';
