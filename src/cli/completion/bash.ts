import type { CompletionFlag, CompletionNode } from './model.ts';

/** A completion script for bash 3.2 and newer; it needs no other package. */
export function bashCompletion(nodes: readonly CompletionNode[]): string {
  const valued = unique(nodes.flatMap(({ flags }) => flags.filter(({ value }) => value.kind !== 'none')));
  return `# bash completion for semaphore; load it with: source <(semaphore completion bash)
_semaphore() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" id="" word i
  # "--flag=value" arrives as three words.
  if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    [[ $word == -* ]] && break
    id="\${id:+$id }$word"
  done
  COMPREPLY=()
  case "$prev" in
${valued.map(valueCase).join('\n')}
  esac
  local words="" file=""
  case "$id" in
${nodes.map(nodeCase).join('\n')}
  esac
  if [[ $cur != -* ]]; then words=" $words"; words="\${words// -*/}"; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n $file && $cur != -* ]]; then compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -F _semaphore semaphore
# The executable agent is short for semaphore agent.
_semaphore_agent() { local -a COMP_WORDS=(semaphore agent "\${COMP_WORDS[@]:1}"); local COMP_CWORD=$((COMP_CWORD + 1)); _semaphore; }
complete -F _semaphore_agent agent
`;
}

function valueCase({ name, value }: CompletionFlag): string {
  switch (value.kind) {
    case 'words':
      return `    ${name}) COMPREPLY=($(compgen -W "${value.words.join(' ')}" -- "$cur")); return ;;`;
    case 'file':
      return `    ${name}) compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur")); return ;;`;
    default:
      return `    ${name}) return ;;`;
  }
}

/** Flags come last, so that the script can cut them off. */
function nodeCase({ words, children, flags, args, takesFile }: CompletionNode): string {
  const next = [...children.map(({ word }) => word), ...args, ...flags.map(({ name }) => name)];
  return `    "${words.join(' ')}") words="${next.join(' ')}"${takesFile ? '; file=1' : ''} ;;`;
}

function unique(flags: readonly CompletionFlag[]): CompletionFlag[] {
  return [...new Map(flags.map((flag) => [flag.name, flag])).values()];
}
