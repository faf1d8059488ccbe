/**
 * What `ShellLooker` has run beside a shell that is not on this machine: it answers lines with lines. Only words of bash itself are used,
 * because an image may have no other tools, and none newer than bash 4.
 *
 *     look <n> <pid of the shell, or ->   →  <n> prompt | reading <group> <1 when the shell reads> <ticks> | busy | unknown
 *     hangup <n> <group>                  →  <n> done
 *     end <n> <pid of the shell, or ->    →  <n> done          stops the shell, and tells all others to end
 *     left <n> <pid of the shell, or ->   →  <n> left <pid> …  those of them that are still there
 *
 * `look` knows what `lookAtForeground` knows, by the same signs: whether the leader of the terminal waits as a line editor does, and whether
 * a process of the foreground group is blocked in a read of the terminal.
 */
export const lookerScript = String.raw`
LC_ALL=C
case $HOSTTYPE in
x86_64) reads=0 selects=' 23 270 ' ;;
aarch64) reads=63 selects=' 72 ' ;;
*) reads=none selects= ;;
esac
stat() {
  local line
  fields=()
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  line=${'$'}{line##*) }
  fields=($line)
  [[ ${'$'}{#fields[@]} -gt 12 ]]
}
find_shell() {
  local path pid
  shell=
  if [[ $1 != - ]]; then
    stat "$1" && shell=$1
    return
  fi
  for path in /proc/[0-9]*; do
    pid=${'$'}{path#/proc/}
    stat "$pid" && [[ ${'$'}{fields[3]} = "$pid" && ${'$'}{fields[4]} != 0 ]] || continue
    shell=$pid
    return
  done
}
is_terminal() {
  [[ /proc/$1/fd/$2 -ef $terminal || /proc/$1/fd/$2 -ef /dev/tty ]]
}
waits() {
  local thread call a b c d e rest
  way=
  for thread in "/proc/$1/task/"*; do
    { read -r call a b c d e rest <"$thread/syscall"; } 2>/dev/null || continue
    [[ $call = running || $call = -1 ]] && continue
    if [[ $call = "$reads" ]] && is_terminal "$1" $((a)); then way=read; return; fi
    [[ $selects = *" $call "* ]] && ((a == 1 && e == 0)) && is_terminal "$1" 0 && { way=select; return; }
  done
}
look() {
  local path pid group work=0 reader= is_leader=0 first
  find_shell "$1"
  [[ -n $shell && $reads != none ]] && stat "$shell" || { seen=unknown; return; }
  { read -r first <"/proc/$shell/syscall"; } 2>/dev/null || { seen=unknown; return; }
  group=${'$'}{fields[5]}
  ((group > 0)) || { seen=unknown; return; }
  terminal=/dev/pts/$(((fields[4] & 255) | (fields[4] >> 12 & 1048320)))
  for path in /proc/[0-9]*; do
    pid=${'$'}{path#/proc/}
    stat "$pid" && [[ ${'$'}{fields[2]} = "$group" ]] || continue
    ((work += fields[11] + fields[12]))
    waits "$pid"
    [[ $pid = "$shell" && $way = select ]] && { seen=prompt; return; }
    [[ -n $way && -z $reader ]] && reader=$pid
  done
  [[ -n $reader ]] || { seen=busy; return; }
  [[ $reader = "$shell" ]] && is_leader=1
  seen="reading $group $is_leader $work"
}
others() {
  local path pid
  find_shell "$1"
  found=()
  for path in /proc/[0-9]*; do
    pid=${'$'}{path#/proc/}
    [[ $pid = 1 || $pid = "$shell" || $pid = $$ ]] && continue
    stat "$pid" && [[ ${'$'}{fields[0]} != [ZX] ]] && found+=("$pid")
  done
}
while read -r word number argument; do
  case $word in
  look) look "$argument"; answer=$seen ;;
  hangup) kill -HUP -- "-$argument"; kill -CONT -- "-$argument"; answer=done ;;
  end)
    find_shell "$argument"
    [[ -n $shell ]] && kill -STOP "$shell"
    others "$argument"
    for pid in "${'$'}{found[@]}"; do kill -TERM "$pid"; done
    for pid in "${'$'}{found[@]}"; do kill -CONT "$pid"; done
    answer=done ;;
  left) others "$argument"; answer="left ${'$'}{found[*]}" ;;
  *) continue ;;
  esac
  printf '%s %s\n' "$number" "$answer"
done 2>/dev/null
`;
