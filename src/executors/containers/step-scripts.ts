/**
 * What runs inside of a container around the processes of a task, for POSIX shells (dash, busybox, bash): the tools a script needs are
 * `cat`, `head`, `tail`, `mkdir`, `rm`, `sleep`, `env` and `setsid`. No script has a secret in its text or its arguments.
 *
 * A process of a task has a directory of its own below /workspace:
 *
 *     output   what it wrote, both streams in their order (of a capture: standard output alone)
 *     errors   standard error of a capture
 *     input.N  what it is given to read, in this order; `input.N.end` ends it
 *     record   what happened, a line each; only whole lines count:
 *
 *         supervisor <pid>           leads a session of its own, in which nothing of the task runs
 *         tool <pid>                 leads the session of the tool
 *         keeper <pid>               the `cat` that writes `output`
 *         attached <pid>             somebody who reads it
 *         incomplete                 what is to be run did not come as a whole: nothing was started
 *         unstartable <why>          `cwd`, `ENOENT` or `EACCES`
 *         ready                      the tool is about to run
 *         code <n>                   it has ended
 *         drained                    somebody else held on to the pipe of `output`
 *         unlogged <why>             `output` cannot be written
 *         over                       nothing more comes
 */

/** More output than this from a short process means something is wrong; it is ended. */
export const captureBytes = 16 * 1024 * 1024;

/** Functions that the scripts below share. */
const common = String.raw`
  # Not every "sleep" knows fractions.
  nap() { sleep "$1" 2>/dev/null || sleep 1; }

  # The numbers of /proc/PID/stat from the third on: state, parent, group, session. The name before them may hold anything.
  stat_of() {
    stat=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null
    stat=${'${stat##*) }'}
  }

  # A dead process may wait for a parent that does not look.
  lives() {
    kill -0 "$1" 2>/dev/null || return 1
    stat_of "$1"
    case $stat in Z* | X*) return 1 ;; esac
  }

  # Reads the record in $dir.
  look() {
    supervisor= tool= keeper= attached= ready= incomplete= code= drained= unlogged= over=
    while read -r word rest; do
      case $word in
        supervisor) supervisor=$rest ;;
        tool) tool=$rest ;;
        keeper) keeper=$rest ;;
        attached) attached="$attached $rest" ;;
        ready) ready=yes was_ready=yes ;;
        incomplete) incomplete=yes ;;
        code) code=$rest ;;
        drained) drained=yes ;;
        unlogged) unlogged=yes ;;
        over) over=over ;;
      esac
    done <"$dir/record"
  }
`;

/** How a step is told apart from the end of its text; see `launchText`. */
export const endMark = '# all of it';

/**
 * Becomes the tool. The text on descriptor 9 says where, with which environment, and what to run; it is read into memory and nowhere
 * else. Arguments: how many bytes it has.
 */
const toolScript = String.raw`
  echo "tool $$" >&3
  text=$(head -c "$1" <&9)
  exec 9<&-
  case $text in *'${endMark}') ;; *) echo incomplete >&3; exit 75 ;; esac
  umask 022
  unset PATH OLDPWD SHLVL
  # The rest is in the text, too: from here on every variable is the tool's.
  eval "$text"
`;

/** What the text above ends with, once the arguments are those of the tool; see `which` for the rules. */
export const becomeTool = String.raw`
semaphore_find() (
  case $1 in
    */*) [ -e "$1" ] || exit 127; [ -f "$1" ] && [ -x "$1" ] || exit 126; printf '%s' "$1"; exit ;;
    '') exit 127 ;;
  esac
  set -f; IFS=:; denied=127
  for place in $PATH; do
    [ -n "$place" ] && [ -e "$place/$1" ] || continue
    [ -f "$place/$1" ] && [ -x "$place/$1" ] || { denied=126; continue; }
    printf '%s' "$place/$1"; exit
  done
  exit "$denied"
)
semaphore_path=$(semaphore_find "$1") || { case $? in 126) echo unstartable EACCES ;; *) echo unstartable ENOENT ;; esac >&3; exit 127; }
shift; set -- "$semaphore_path" "$@"; unset semaphore_path
echo ready >&3
exec "$@" 3>&-
`;

/**
 * Stays beside the tool from its start to its end, whatever becomes of those who read. Arguments: directory, bytes of the text, kind, the
 * script of the tool. The kind is `log`, `log-input` (it is given something to read) or `capture`.
 */
const superviseScript = String.raw`
  ${common}
  umask 077
  exec 9<&0 </dev/null >/dev/null 2>/dev/null
  place=$1 bytes=$2 kind=$3 tool_script=$4
  cd "$place" || exit
  # Not by its name: when it has been removed, another step may have a directory of that name.
  dir=.
  exec 3>>record
  # Unlike ignored signals, traps are not inherited by the tool.
  trap : HUP INT QUIT TERM
  echo "supervisor $$" >&3

  # Between the tool and its log there is a pipe: a script's "echo … >/dev/stderr" would open the file itself, and truncate it. What
  # the tool says while it is being stopped is kept, too. Where it cannot be written, it is read all the same, so that the tool does
  # not die of a broken pipe.
  keep() {
    trap '' HUP INT QUIT TERM
    exec 9<&- 5>>output
    case $kind in capture) set -- head -c ${captureBytes + 1} ;; *) set -- cat ;; esac
    why=$(/bin/sh -c 'echo "keeper $$" >&3; exec "$@" 3>&-' semaphore-keeper "$@" 2>&1 >&5) && exit
    look
    [ -z "$drained" ] || exit
    echo "unlogged $why" >&3
    exec cat >/dev/null 3>&- 5>&-
  }

  # In a session of its own, and in the foreground: what a shell starts in the background ignores INT.
  run_tool() {
    trap : HUP INT QUIT TERM
    set -- setsid env -i PATH="$PATH" /bin/sh -c "$tool_script" semaphore-tool "$bytes"
    case $kind in capture) "$@" 2>>errors ;; *) "$@" 2>&1 ;; esac
    echo "code $?" >&3
    exec >/dev/null 9<&-
    drain
  }

  # What the tool has left behind in its group ends with it, a moment later; nobody else who holds the pipe is waited for either.
  drain() {
    look
    if [ -n "$tool" ] && kill -0 -"$tool" 2>/dev/null; then
      nap 0.25
      kill -KILL -"$tool"
    fi
    { nap 0.25; look; [ -n "$over" ] || [ -z "$keeper" ] || { echo drained >&3; kill -KILL "$keeper"; }; } &
  }

  feed() {
    exec 9<&-
    number=1
    while :; do
      if [ -e "input.$number" ]; then
        cat "input.$number" || return 0
        number=$((number + 1))
        continue
      fi
      look
      [ -z "$code" ] && [ ! -e "input.$number.end" ] || return 0
      nap 0.1
    done
  }

  case $kind in
    log-input) feed | run_tool | keep ;;
    *) run_tool | keep ;;
  esac
  look
  [ -z "$tool" ] || kill -KILL -"$tool"
  if [ -n "$incomplete" ]; then rm -rf "$place"; else echo over >&3; fi
`;

/** How long one exec reads at most, in rounds of at least a tenth of a second: an exec that nobody reads must end by itself. */
const attachRounds = 2000;

/**
 * Starts a step, when it has not been started and there is a text, and reads what it writes: `output` from an offset as it grows, then
 * `errors`; at last, the record to standard error, with the size of `errors`. Arguments: directory, offset, bytes of the text on
 * standard input (0: only read), kind, the script of the supervisor, that of the tool. The last line on standard error is its own:
 *
 *     end over         all of the step is over and was given out
 *     end absent       it was never started
 *     end again        it goes on: ask again
 *     end lost         what stood beside the tool was killed, and nobody knows what became of the tool
 *     end lacks <x>    a program is not in the image
 *     end refused      the directory cannot be made
 */
const attachText = String.raw`
  ${common}
  dir=$1 offset=$2 bytes=$3 kind=$4 started= was_ready=
  leave() {
    echo "end ${'${1:-absent}'}" >&2
    # The shell that started the step would wait for it.
    [ -z "$started" ] || [ "$1" = over ] || kill -KILL $$
    exit
  }
  follow() {
    until [ -s "$dir/record" ] && [ -e "$dir/output" ]; do
      [ -d "$dir" ] || leave absent
      nap 0.02
    done
    stat_of $$
    set -- $stat
    echo "attached $4" >>"$dir/record"
    # Opened once: each "cat" goes on where the one before met the end.
    exec 4<"$dir/output"
    tail -c "+$((offset + 1))" <&4 || exit
    rounds=0 end=
    while :; do
      look
      if [ -n "$over" ]; then end=over
      elif [ ! -d "$dir" ]; then leave "${'${was_ready:+lost}'}"
      elif [ -n "$supervisor" ] && ! lives "$supervisor"; then look; end=${'${over:-lost}'}
      elif [ "$rounds" -ge ${attachRounds} ] || [ -n "$unlogged" ]; then end=again
      fi
      cat <&4 || exit
      [ -z "$end" ] || break
      rounds=$((rounds + 1))
      # Many a process is over at once.
      case $rounds in ?) nap 0.02 ;; *) nap 0.1 ;; esac
    done
    if [ "$end" = over ] && [ -e "$dir/errors" ]; then
      cat "$dir/errors" || exit
      echo "errors $(wc -c <"$dir/errors")" >&2
    fi
    cat "$dir/record" >&2
    # Once given out, what a short process has printed is of no use any more.
    [ "$end" != over ] || [ "$kind" != capture ] || rm -rf "$dir"
    leave "$end"
  }
  if [ "$bytes" -gt 0 ]; then
    umask 077
    for need in cat env head mkdir rm setsid sleep tail wc; do
      command -v "$need" >/dev/null || leave "lacks $need"
    done
    mkdir -p "${'${dir%/*}'}" || leave refused
    # Whoever makes the directory starts the step: nobody else ever does.
    if mkdir "$dir" 2>/dev/null; then
      : >"$dir/output"
      case $kind in capture) : >"$dir/errors" ;; esac
      # Not in the background, see above.
      started=yes
      setsid /bin/sh -c "$5" semaphore-step "$dir" "$bytes" "$kind" "$6" 2>/dev/null >/dev/null | follow </dev/null
      exit
    fi
    [ -d "$dir" ] || { mkdir "$dir"; leave refused; }
  fi
  follow
`;

/** Arguments of an exec that starts or reads a step. */
export function attachCommand(step: {
  directory: string;
  offset: number;
  textBytes: number;
  kind: 'log' | 'log-input' | 'capture';
}): string[] {
  const { directory, kind, offset, textBytes } = step;
  const scripts = textBytes === 0 ? [] : [superviseScript, toolScript];
  return [
    '/bin/sh',
    '-c',
    attachText,
    'semaphore-read',
    directory,
    String(offset),
    String(textBytes),
    kind,
    ...scripts,
  ];
}

/**
 * Ends a step and, when asked to, everything else that its container runs. Arguments: directory; `group` or `all`; the signal; tenths of
 * a second until KILL.
 */
const stopText = String.raw`
  ${common}
  dir=$1 whom=$2 signal=$3 left=$4
  look 2>/dev/null
  stat_of 1
  set -- $stat
  init_session=$4
  stat_of "$$"
  set -- $stat
  own_session=$4

  # The groups of all processes but init and its like, those who stand beside a step or read it, and us.
  groups() {
    for place in /proc/[0-9]*; do
      stat_of "${'${place#/proc/}'}"
      set -- $stat
      case $1 in '' | Z | X) continue ;; esac
      [ "$4" != "$init_session" ] || continue
      case " $own_session $supervisor $attached $companions " in *" $4 "*) continue ;; esac
      echo "$3"
    done
  }
  send() {
    sent=' '
    for group in $tool $([ "$whom" = group ] || groups); do
      case $sent in *" $group "*) continue ;; esac
      sent="$sent$group "
      kill "-$1" "-$group" 2>/dev/null
      [ "$1" = KILL ] || kill -CONT "-$group" 2>/dev/null
    done
  }
  # One that ends in the middle of the way down is told no more.
  is_left() {
    if [ "$whom" = all ] && [ -n "$init_session" ]; then [ -n "$(groups)" ]; else kill -0 "-$tool" 2>/dev/null; fi
  }

  companions=
  for place in "${'${dir%/*}'}"/companion.*; do companions="$companions ${'${place##*/companion.}'}"; done
  send "$signal"
  told=
  while [ "$left" -gt 0 ] && is_left; do
    # What a shell starts in the background ignores INT: it is told when the tool itself has ended.
    [ "$signal" != INT ] || [ -n "$told" ] || lives "$tool" || { send TERM; told=yes; }
    nap 0.1
    left=$((left - 1))
  done
  # While it is killed, something may start something else.
  for round in 1 2 3 4 5; do
    is_left || break
    send KILL
  done
`;

/** Arguments of an exec that ends a step; it lasts as long as that takes. */
export function stopCommand(step: {
  directory: string;
  whom: 'group' | 'all';
  signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL';
  graceMs: number;
}): string[] {
  const { directory, graceMs, signal, whom } = step;
  const tenths = String(Math.ceil(graceMs / 100));
  return ['/bin/sh', '-c', stopText, 'semaphore-stop', directory, whom, signal.slice(3), tenths];
}

/** Hands bytes on standard input to a step: whole, and once, also when it is tried twice. Arguments: file, number of bytes. */
const inputText = String.raw`
  umask 077
  [ ! -e "$1" ] || exit 0
  head -c "$2" >"$1.part" && mv "$1.part" "$1"
`;

/** Arguments of an exec that hands on piece `number` (from 1) of what a step reads; undefined `bytes` for the end. */
export function inputCommand(directory: string, number: number, bytes: number | undefined): string[] {
  const file = `${directory}/input.${number}${bytes === undefined ? '.end' : ''}`;
  return ['/bin/sh', '-c', inputText, 'semaphore-input', file, String(bytes ?? 0)];
}

/** Kills the short processes that an earlier runner read from: nobody does any more. Argument: directory of the steps. */
export const endCapturesScript = String.raw`
  ${common}
  for dir in "$1"/c*; do
    [ -e "$dir/record" ] || continue
    look
    [ -z "$tool" ] || kill -KILL -"$tool"
    [ -z "$supervisor" ] || kill -KILL -"$supervisor"
    rm -rf "$dir"
  done 2>/dev/null
  :
`;
