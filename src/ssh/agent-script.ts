import { captureTagVariable, companionVariable, taskTagVariable } from '../execution/index.ts';

/** Behind the name of a keeper file that was taken away, because the agent is about to end. */
export const takenSuffix = '.taken';

/** Between two looks whether the agent is still of use, seconds. */
const lookSeconds = 3;

/**
 * Runs beside an agent for as long as it lives: with a command, `ssh-agent` ends soon after that command, so that whatever ends
 * this one ends the agent. Its first act is to print both process ids; the agent listens by then. It ends when another
 * one has taken its place, and when nobody is left whom the agent could serve: neither the runner that is named in the
 * keeper file, nor any process of the task. Before that it takes the keeper file away, for a runner that comes at this moment:
 * either the name of that runner is in what was taken, or the runner finds that it was taken, and starts another agent.
 *
 * Arguments: socket, file with the process ids, keeper file.
 */
const keeperScript = String.raw`
  umask 077
  ids=$2
  keeper=$3
  echo "$SSH_AGENT_PID $$" >"$ids"
  echo "$SSH_AGENT_PID $$"
  exec >/dev/null 2>&1 </dev/null
  is_current() {
    read -r found <"$ids" && [ "$found" = "$SSH_AGENT_PID $$" ]
  }
  has_runner() {
    read -r pid start <"$1" || return 1
    [ -n "$start" ] || { ps -p "$pid"; return; }
    read -r stat <"/proc/$pid/stat" || return 1
    set -- "$start" ${'${stat##*) }'}
    [ "$2" != Z ] && [ "$1" = "${'${21}'}" ]
  }
  has_step() {
    for file in $(grep -lsaF "${taskTagVariable}=$${taskTagVariable}" /proc/[0-9]*/environ); do
      # The first grep found itself, too, and is gone by now.
      grep -qsaF ${companionVariable}= "$file" || [ ! -e "$file" ] || return 0
    done
    return 1
  }
  gives_up() {
    mv -f "$keeper" "$keeper${takenSuffix}" || return 0
    has_runner "$keeper${takenSuffix}" || return 0
    mv -f "$keeper${takenSuffix}" "$keeper"
    return 1
  }
  while sleep ${lookSeconds} && is_current; do
    has_runner "$keeper" || has_step || ! gives_up || break
  done
  kill "$SSH_AGENT_PID"
`;

/**
 * Starts an agent and its keeper in sessions of their own, with the task's tag but not as a process that the runner reads
 * from: they live on when it is killed. Prints the process ids. Arguments: those of the keeper.
 */
const startScript = `
  unset ${captureTagVariable}
  export ${companionVariable}=1
  for tool in ssh-agent setsid; do
    command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 127; }
  done
  [ ! -e "$1" ] || rm -f -- "$1"
  [ ! -e "$3${takenSuffix}" ] || rm -f -- "$3${takenSuffix}"
  said=$(setsid ssh-agent -a "$1" /bin/sh -c "$0" semaphore-agent "$@" 2>&1 </dev/null &)
  echo "$said"
`;

/** The command that starts an agent; what it prints on success is `<pid of the agent> <pid of the keeper>`. */
export function agentCommand(files: { socket: string; ids: string; keeper: string }): {
  command: string;
  args: string[];
} {
  return { command: '/bin/sh', args: ['-c', startScript, keeperScript, files.socket, files.ids, files.keeper] };
}
