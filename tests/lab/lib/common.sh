# SPDX-License-Identifier: Apache-2.0
# What every part of the lab uses. Sourced by lab.

die() { echo "lab: $*" >&2; exit 1; }

# Adds a variable to DIR/env: NAME='value', one line each, no quotes inside, so that anything can read it.
put() { printf "%s='%s'\n" "$1" "$2" >> "$state/env.part"; }

# Sockets live in a directory with a short name: a Unix socket's path ends at 108 characters, and libvirt and QEMU
# add some 60 of their own.
make_run_dir() {
  run=$(mktemp -d /tmp/vmfl.XXXXXX)
  ln -sfn "$run" "$state/run"
}

# await SECONDS NAME COMMAND...: until the command succeeds. NAME is the server's log.
await() {
  local limit=$((SECONDS + $1)) name=$2; shift 2
  until "$@"; do
    ((SECONDS < limit)) || die "$name did not become ready ($*): $(tail -n 3 "$state/log/$name.log")"
    sleep 0.05
  done
}

# launch NAME COMMAND...: runs a server in the background and remembers its process by id and start time.
launch() {
  local name=$1; shift
  setsid "$@" > "$state/log/$name.log" 2>&1 < /dev/null 9>&- &
  remember "$name" $!
}

remember() { echo "$2 $(start_time "$2")" > "$state/pids/$1"; }

# Field 22 of /proc/PID/stat. The name in field 2 may hold blanks, so everything to its closing bracket goes first.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Whether the process of a pid file still runs: an id may have been given to another process since.
ours() {
  local pid began
  [[ -f $1 ]] && read -r pid began < "$1" && [[ -n $began && $(start_time "$pid") == "$began" ]]
}

# end NAME [SIGNAL]: ends a process we started, and waits until it is gone.
end() {
  local file=$state/pids/$1 pid
  if ours "$file"; then
    pid=$(cut -d' ' -f1 "$file")
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    await_gone "$file" 10 || kill -KILL "$pid" 2>/dev/null || true
    await_gone "$file" 10 || echo "lab: $1 (pid $pid) does not end" >&2
  fi
  rm -f "$file"
}

await_gone() {
  local limit=$((SECONDS + $2))
  while ours "$1"; do
    ((SECONDS < limit)) || return 1
    sleep 0.02
  done
}

has_command() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]; }
need_command() { has_command "$1" || die "$1 is missing: run 'lab install'"; }
