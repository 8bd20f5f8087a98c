#!/usr/bin/env bash
# From nothing to a proven restore: builds, starts a throwaway Redis, fills it, backs it up to a local folder, verifies the
# backup, restores it into a second Redis, proves both equal, and cleans up. Touches nothing outside its temporary folder
# but what it installs (redis-server, a C compiler) and target/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v cargo >/dev/null || { echo "error: there is no cargo; see https://rustup.rs" >&2; exit 1; }
scripts/install-tools.sh cc redis-server
cargo build --release --locked
redis_ops=$PWD/target/release/redis-ops

work=$(mktemp -d)
servers=()
finish() {
  for pid in ${servers[@]+"${servers[@]}"}; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

# start NAME : a Redis of its own on a unix socket, so that no port is taken
start() {
  mkdir "$work/$1"
  redis-server --port 0 --unixsocket "$work/$1/redis.sock" --dir "$work/$1" --save '' --appendonly no \
    --repl-diskless-sync yes --repl-diskless-sync-delay 0 --logfile "$work/$1/log" >/dev/null &
  servers+=($!)
  for _ in $(seq 100); do
    if [ "$(redis-cli -s "$work/$1/redis.sock" ping 2>/dev/null)" = PONG ]; then return; fi
    sleep 0.1
  done
  echo "error: redis-server did not start:" >&2; cat "$work/$1/log" >&2; exit 1
}
step() { printf '\n$ redis-ops %s\n' "$*" | sed "s#$work#…#g"; "$redis_ops" "$@"; }

# What the demonstration says comes from this folder and these servers alone, whatever is set on this machine.
export HOME=$work XDG_CONFIG_HOME=$work XDG_STATE_HOME=$work/state
unset REDIS_OPS_CONFIG REDIS_OPS_INSTANCE REDIS_OPS_REPOSITORY REDIS_OPS_USERNAME REDIS_OPS_PASSWORD REDISCLI_AUTH REDIS_OPS_FORMAT

start source
start target
redis-cli -s "$work/source/redis.sock" >/dev/null <<'LUA'
EVAL "for i = 1, 50000 do redis.call('SET', 'session:' .. i, redis.sha1hex(i), 'EX', 86400) redis.call('HSET', 'user:' .. i, 'name', 'user ' .. i, 'email', i .. '@example.com') end" 0
EVAL "for i = 1, 1000 do for j = 1, 20 do redis.call('ZADD', 'board:' .. i, j, 'player' .. j) redis.call('RPUSH', 'queue:' .. i, 'job' .. j) redis.call('XADD', 'events:' .. i, i .. '-' .. j, 'kind', 'click') end end" 0
LUA

repository=$work/backups
step backup -i "unix://$work/source/redis.sock" --name demo -r "$repository"
step list -r "$repository"
step verify --backup-id latest -r "$repository"
step restore --backup-id latest --target-instance "unix://$work/target/redis.sock" -r "$repository"
step verify --instance "unix://$work/target/redis.sock" -r "$repository"

printf '\nkeys in the source: %s, in the target: %s\n' \
  "$(redis-cli -s "$work/source/redis.sock" dbsize)" "$(redis-cli -s "$work/target/redis.sock" dbsize)"
