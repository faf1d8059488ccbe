import type { CompletionFlag, CompletionNode } from './model.ts';

/** A completion script for fish 3 and newer. */
export function fishCompletion(nodes: readonly CompletionNode[]): string {
  return `# fish completion for semaphore; load it with: semaphore completion fish | source
function __semaphore_at
    set -l words (commandline -opc)[2..-1]
    set -l id
    for word in $words
        string match -q -- '-*' $word; and break
        set -a id $word
    end
    test "$id" = "$argv[1]"
end
complete -c semaphore -f
${nodes.flatMap(nodeLines).join('\n')}
`;
}

function nodeLines({ words, children, flags, args, takesFile }: CompletionNode): string[] {
  const at = `-n ${quote(`__semaphore_at ${quote(words.join(' '))}`)}`;
  return [
    ...children.map(({ word, summary }) => `complete -c semaphore ${at} -a ${word} -d ${quote(summary)}`),
    ...(takesFile ? [`complete -c semaphore ${at} -F`] : []),
    ...args.map((word) => `complete -c semaphore ${at} -a ${word}`),
    ...flags.map(
      (flag) => `complete -c semaphore ${at} -l ${flag.name.slice(2)}${valueOf(flag)} -d ${quote(flag.description)}`,
    ),
  ];
}

function valueOf({ value }: CompletionFlag): string {
  switch (value.kind) {
    case 'none':
      return '';
    case 'file':
      return ' -r -F';
    case 'words':
      return ` -x -a ${quote(value.words.join(' '))}`;
    default:
      return ' -x';
  }
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
}
