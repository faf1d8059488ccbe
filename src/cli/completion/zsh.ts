import type { CompletionFlag, CompletionNode } from './model.ts';

/** A completion script for zsh, as a file in \`fpath\` or sourced. */
export function zshCompletion(nodes: readonly CompletionNode[]): string {
  return `#compdef semaphore
# zsh completion for semaphore; load it with: source <(semaphore completion zsh)
_semaphore() {
  local id="" word
  local -i depth=1
  local -a children
  while (( depth + 1 < CURRENT )); do
    word="\${words[depth+1]}"
    [[ $word == -* ]] && break
    id="\${id:+$id }$word"
    (( depth++ ))
  done
  # What _arguments sees begins with the command.
  words=("$id" "\${(@)words[depth+1,-1]}")
  (( CURRENT -= depth - 1 ))
  case "$id" in
${nodes.map(nodeCase).join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _semaphore "$@"; else compdef _semaphore semaphore; fi
`;
}

function nodeCase({ words, children, flags, args, takesFile }: CompletionNode): string {
  const specs = flags.map((flag) => `        ${quote(flagSpec(flag))}`);
  const rows = children.map(({ word, summary }) => quote(`${escapeColons(word)}:${summary}`));
  const describe = `      if (( CURRENT == 2 )) && [[ \${words[2]} != -* ]]; then children=(${rows.join(' ')}); _describe command children; return; fi\n`;
  const kind = args.length > 0 ? `(${args.join(' ')})` : takesFile ? '_files' : undefined;
  const position = kind === undefined ? [] : [`        ${quote(`1:argument:${kind}`)}`];
  return `    ${quote(words.join(' '))})
${rows.length > 0 ? describe : ''}      _arguments \\
${[...specs, ...position].join(' \\\n')}
      ;;`;
}

function flagSpec({ name, description, value }: CompletionFlag): string {
  const text = description.replaceAll(/[[\]]/g, '');
  switch (value.kind) {
    case 'none':
      return `${name}[${text}]`;
    case 'file':
      return `${name}=[${text}]:file:_files`;
    case 'words':
      return `${name}=[${text}]:value:(${value.words.join(' ')})`;
    default:
      return `${name}=[${text}]:value: `;
  }
}

function escapeColons(text: string): string {
  return text.replaceAll(':', String.raw`\:`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
