#!/usr/bin/env bash
# Measures speed and memory against what people use today, all in one run on one machine, and prints a table of ratios.
# Usage: bench.sh [KEYS]       5000000 keys by default: a 960 MB RDB, some ten minutes, 6 GB of memory and disk
# The data set is the folder REDIS_OPS_BENCH_DATA (load.sh PORT KEYS); without it a simpler one is made.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install-tools.sh cc redis-server python3 zstd
cargo build --profile dist --locked

tools=$PWD/target/bench-tools
# An S3 protocol server on a folder, and the client that people pipe into.
[ -x "$tools/bin/s3s-fs" ] || cargo install -q --root "$tools" --locked --version 0.14.1 --features binary s3s-fs
[ -x "$tools/aws/bin/aws" ] || { python3 -m venv "$tools/aws" && "$tools/aws/bin/pip" install -q awscli; }

export REDIS_OPS_BENCH_DATA=${REDIS_OPS_BENCH_DATA:-$PWD/../shared/bench}
export PATH=$tools/bin:$tools/aws/bin:$PATH
exec python3 scripts/bench.py "${1:-5000000}"
