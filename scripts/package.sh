#!/usr/bin/env bash
# Makes what is handed to users, in target/package: a Debian package, an archive for every other Linux, a list of all parts (SBOM,
# CycloneDX), and their SHA-256 sums.
# Usage: package.sh [PROFILE]      dist by default; `dev` makes the same files of the debug build, to try the packaging
# Missing tools (cargo-deb, cargo-cyclonedx) are installed into target/package-tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${1:-dist}
folder=$([ "$profile" = dev ] && echo debug || echo "$profile")
tools=$PWD/target/package-tools
export PATH=$tools/bin:$PATH

scripts/install-tools.sh cc
for tool in cargo-deb cargo-cyclonedx; do
  command -v "$tool" >/dev/null || cargo install -q --locked --root "$tools" "$tool"
done

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
machine=$(rustc -vV | sed -n 's/^host: //p')
out=$PWD/target/package
rm -rf "$out" && mkdir -p "$out"

# Where the target for musl is installed, the archive runs on any Linux.
target=
if [ "$profile" != dev ] && rustc --print target-libdir --target "${machine%%-*}-unknown-linux-musl" 2>/dev/null | xargs -r ls -d >/dev/null 2>&1 &&
  command -v musl-gcc >/dev/null; then
  target=${machine%%-*}-unknown-linux-musl
fi
cargo build --locked --profile "$profile" --bin redis-ops
binary=target/$folder/redis-ops
mkdir -p target/package-man && rm -f target/package-man/*
"$binary" man --to-dir target/package-man

# The paths of Cargo.toml name target/release: cargo-deb puts the folder of the profile there.
cargo deb --locked --no-build --no-strip --profile "$profile" --output "$out/" >/dev/null

if [ -n "$target" ]; then
  cargo build --locked --profile "$profile" --bin redis-ops --target "$target"
  binary=target/$target/$folder/redis-ops machine=$target
fi
name=redis-ops-$version-$machine
mkdir -p "$out/$name/completions" "$out/$name/man" "$out/$name/docs"
cp "$binary" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$out/$name/"
cp completions/* "$out/$name/completions/" && cp target/package-man/* "$out/$name/man/" && cp docs/*.md "$out/$name/docs/"
tar -C "$out" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name" && rm -rf "${out:?}/$name"

cargo cyclonedx --format json --override-filename sbom >/dev/null
mv sbom.json "$out/redis-ops-$version.cdx.json" && rm -f src/formats/sbom.json

(cd "$out" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
