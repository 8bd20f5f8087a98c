#!/usr/bin/env bash
# Everything that must hold: formatting, lints, and the tests against real servers and real S3 protocol servers.
# Installs what is missing (redis-server through the package manager; moto into a virtual environment under target/).
# Arguments go on to `cargo test`: `scripts/test.sh restore` runs the tests whose names hold "restore".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

command -v cargo >/dev/null || { echo "error: there is no cargo; see https://rustup.rs" >&2; exit 1; }
scripts/install-tools.sh cc redis-server python3

# Servers of several versions, where the folder beside the project brings them (it leaves alone what is there already, so that a
# version that it has learnt of since comes along); else the one that is installed.
export REDIS_OPS_SERVERS=${REDIS_OPS_SERVERS:-$HOME/.cache/redis-ops-servers}
install=$root/../shared/servers/install.sh
if [ -f "$install" ]; then
  bash "$install" "$REDIS_OPS_SERVERS" >&2 || echo "some server versions could not be had; testing with those that are there" >&2
fi

# moto, a second opinion on the S3 protocol.
moto=
finish() { [ -z "$moto" ] || kill "$moto" 2>/dev/null || true; }
trap finish EXIT
venv=$root/target/moto
if [ ! -x "$venv/bin/moto_server" ]; then
  { python3 -m venv "$venv" && "$venv/bin/pip" install -q 'moto[server,s3]'; } >&2 || echo "moto could not be installed" >&2
fi
if [ -x "$venv/bin/moto_server" ]; then
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >/dev/null 2>&1 &
  moto=$!
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then export REDIS_OPS_MOTO_ENDPOINT=http://127.0.0.1:$port; break; fi
    sleep 0.1
  done
fi

cargo fmt --all --check
cargo clippy --locked --all-targets -- -D warnings
# Licences, advisories, two versions of one crate: where the tool for it is at hand. CI has it always.
if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check; fi
# Most tests wait for servers most of the time.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))}
mkdir -p "$root/target" && log=$root/target/tests.log
cargo test --locked --no-fail-fast "$@" 2>&1 | tee "$log" && exit 0

# A second look, alone, at the few that failed beside a thousand others: a fault of the code shows again, a machine that was too busy does
# not. What passes only now is still a defect of the test: it is named here, and what it said the first time stands above.
mapfile -t failed < <(sed -n 's/^test \([a-z0-9_:]*\) \.\.\. FAILED$/\1/p' "$log" | sort -u)
counted=$(sed -n 's/^test result: FAILED\..* \([0-9]*\) failed;.*/\1/p' "$log" | awk '{ all += $1 } END { print all + 0 }')
if [ "${#failed[@]}" -gt 3 ] || [ "${#failed[@]}" -ne "$counted" ] || [ "${#failed[@]}" -eq 0 ] ||
  grep -q "process didn't exit successfully" "$log"; then
  exit 1
fi
printf '\nonce more, alone: %s\n' "${failed[*]}"
RUST_TEST_THREADS=1 cargo test --locked --lib --test it -- --exact "${failed[@]}"
printf 'failed beside the others, passed alone: %s\n' "${failed[@]}"
