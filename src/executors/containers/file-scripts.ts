/**
 * Reading and writing files in a container, several at a time. What is to be done comes on standard input, as calls of these functions
 * (file names and contents are no arguments of a process then); each answer ends with a line of a mark, which no file has, and how
 * it went: `ok`, or the system's name for what is wrong. Arguments: how many bytes of calls there are, the mark.
 */
export const filesScript = String.raw`
  # Of the work of others: who must not be waited for, and what may be taken for a file.
  kind_of() {
    if [ "$2" = tell ] && [ -L "$1" ]; then echo link
    elif [ -d "$1" ]; then echo directory
    elif [ -f "$1" ]; then echo file
    elif [ -e "$1" ]; then echo other
    fi
  }
  read_file() {
    [ -e "$1" ] || { status=ENOENT; return; }
    [ ! -d "$1" ] || { status=EISDIR; return; }
    [ -r "$1" ] || { status=EACCES; return; }
    [ ! -p "$1" ] || return
    if [ "$2" = all ]; then cat "$1"; else head -c "$2" "$1"; fi || status=EIO
  }
  read_own() {
    if [ -L "$1" ]; then status=ELOOP
    elif [ ! -e "$1" ]; then status=ENOENT
    elif [ ! -f "$1" ]; then status=EINVAL
    elif [ ! -O "$1" ]; then status=EPERM
    else read_file "$@"
    fi
  }
  # write_file PATH MODE FORMAT...: what printf makes of it.
  write_file() {
    may_write "$1" || return
    [ -e "$1" ] || { : >"$1" && chmod "$2" "$1"; } || { status=EIO; return; }
    printf "$3" >"$1" || status=EIO
  }
  # The same, for ourselves, and at once as a whole.
  put_private() {
    case $1 in */*/*) mkdir -p "${'${1%/*}'}" ;; esac
    { : >"$1.new" && chmod 600 "$1.new" && printf "$2" >"$1.new" && mv -f "$1.new" "$1"; } || status=EIO
  }
  put_new() { [ -e "$1" ] || [ -L "$1" ] || put_private "$@"; }
  may_write() {
    if [ -L "$1" ]; then status=ELOOP
    elif [ -d "$1" ]; then status=EISDIR
    elif [ -e "$1" ]; then [ -w "$1" ] || status=EACCES
    elif [ ! -d "${'${1%/*}/'}" ]; then status=ENOENT
    elif [ ! -w "${'${1%/*}/'}" ]; then status=EACCES
    fi
    [ "$status" = ok ]
  }
  remove_file() { rm -f "$1" || status=EACCES; }
  make_directory() { mkdir -p "$1" && chmod 700 "$1" || status=EACCES; }
  list_directory() {
    for name in "$1"/* "$1"/.*; do
      case ${'${name##*/}'} in . | ..) continue ;; esac
      [ ! -e "$name" ] && [ ! -L "$name" ] || printf '%s\000' "${'${name##*/}'}"
    done
  }
  real_path() {
    [ -e "$1" ] || { status=ENOENT; return; }
    readlink -f "$1" || status=EIO
  }
  find_command() (
    cd "$3" 2>/dev/null || exit 0
    case $1 in
      */*) [ ! -f "$1" ] || [ ! -x "$1" ] || printf '%s' "$1" ;;
      *)
        set -f; IFS=:
        for place in $2; do
          [ -n "$place" ] && [ -f "$place/$1" ] && [ -x "$place/$1" ] || continue
          printf '%s' "$place/$1"; exit
        done ;;
    esac
  )
  umask 077
  mark=$2
  calls=$(head -c "$1")
  # One call ends with this.
  done_with() { printf '\n%s %s\n' "$mark" "$status"; status=ok; }
  status=ok
  eval "$calls"
`;
