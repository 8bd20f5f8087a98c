#!/usr/bin/env bash
# Fuzzes the RDB engine: `scripts/fuzz.sh [SECONDS] [TARGET…]`, ten minutes for each target unless said otherwise.
# Seeds come from the fixtures; what is found is left in fuzz/artifacts. Needs a nightly toolchain and cargo-fuzz
# (`cargo install --locked cargo-fuzz`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
seconds=${1:-600}
shift || true
targets=("$@")
[ $# -gt 0 ] || targets=(scanner values packed lzf dump census stream)
rdb_folders=("$root/tests/fixtures")
collection=${REDIS_OPS_FIXTURES:-$root/../shared/fixtures}
[ ! -d "$collection" ] || rdb_folders+=("$collection")

cargo +nightly run --quiet --manifest-path fuzz/Cargo.toml --example seeds -- fuzz/corpus "${rdb_folders[@]}"
for target in "${targets[@]}"; do
  # A length believed too early shows as memory, time that is more than linear as a slow unit. Nothing here is `unsafe`: the
  # address sanitizer would only be slow.
  cargo +nightly fuzz run --sanitizer none "$target" -- \
    -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0
done
