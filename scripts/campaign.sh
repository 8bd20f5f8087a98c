#!/usr/bin/env bash
# Tries the tool against real servers under faults, for as many runs as it is told, and fails on the first kind of wrong answer.
#
#   scripts/campaign.sh poison   [RUNS] [--seed N]   RDB files that lie about their content: what `verify` calls good must load
#   scripts/campaign.sh backups  [RUNS] [--seed N]   backups while the server, the store or the tool itself fails; a store that refuses
#                                                    six requests before the first byte of a transfer may end a backup, as the help says
#   scripts/campaign.sh restores [RUNS] [--seed N]   restores while the target, the store or the tool itself fails
#   scripts/campaign.sh model    [RUNS] [--seed N]   restores of data, choices and disturbances drawn by chance, against a reference in memory
#
# Every run prints its seed when it fails; `--seed N RUNS=1` repeats it. The binary is `target/release/redis-ops`, or what REDIS_OPS_BINARY
# names. Servers are looked for in REDIS_OPS_SERVERS/bin, then on the PATH. Nothing but loopback is used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
kind=${1:-}
case $kind in
  poison | backups | restores | model) shift ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 3 ;;
esac
export REDIS_OPS_SERVERS=${REDIS_OPS_SERVERS:-$HOME/.cache/redis-ops-servers}
if [ -z "${REDIS_OPS_BINARY:-}" ]; then
  cargo build --release --locked --quiet
  export REDIS_OPS_BINARY=$PWD/target/release/redis-ops
fi
if [ "$kind" = model ]; then
  # The same test that the suite runs for seconds, with every server at hand.
  export REDIS_OPS_MODEL_CASES=1000 REDIS_OPS_MODEL_SEED=$(date +%s)
  while [ $# -gt 0 ]; do
    case $1 in
      --seed) REDIS_OPS_MODEL_SEED=${2:?a number}; shift 2 ;;
      *) REDIS_OPS_MODEL_CASES=$1; shift ;;
    esac
  done
  echo "seed $REDIS_OPS_MODEL_SEED, $REDIS_OPS_MODEL_CASES runs"
  exec cargo test --locked --quiet --lib --test it restore::model -- --nocapture
fi
exec python3 "scripts/campaign/$kind.py" "$@"
