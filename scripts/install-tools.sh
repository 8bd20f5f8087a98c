#!/usr/bin/env bash
# Installs what the other scripts need and this machine lacks, through the system's package manager.
# Usage: install-tools.sh TOOL…      redis-server | cc | python3 | zstd | curl
set -euo pipefail

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
  echo "error: \`$*\` needs root, and there is no sudo" >&2; exit 1; fi; }

# package MANAGER TOOL : the name of the package that brings the tool
package() {
  case "$1:$2" in
    apt-get:redis-server) echo redis-server ;;
    *:redis-server) echo redis ;;
    apt-get:cc) echo gcc libc6-dev ;;
    pacman:python3) echo python ;;
    apt-get:python3) echo python3 python3-venv ;;
    *:cc) echo gcc ;;
    *) echo "$2" ;;
  esac
}

missing=()
for tool in "$@"; do command -v "$tool" >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -gt 0 ] || exit 0

for manager in apt-get dnf apk pacman brew; do command -v "$manager" >/dev/null && break; manager=; done
[ -n "$manager" ] || { echo "error: no package manager known to this script; please install: ${missing[*]}" >&2; exit 1; }

packages=()
for tool in "${missing[@]}"; do read -ra names <<<"$(package "$manager" "$tool")"; packages+=("${names[@]}"); done
echo "installing ${packages[*]} with $manager" >&2
case $manager in
  # A service that the package starts by itself would take port 6379: nobody asked for it.
  apt-get)
    as_root apt-get -qq update >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null ;;
  dnf) as_root dnf -q -y install "${packages[@]}" >/dev/null ;;
  apk) as_root apk add -q "${packages[@]}" ;;
  pacman) as_root pacman -Sy --noconfirm "${packages[@]}" >/dev/null ;;
  brew) brew install -q "${packages[@]}" >/dev/null ;;
esac
for tool in "${missing[@]}"; do
  command -v "$tool" >/dev/null || { echo "error: $manager installed ${packages[*]}, but there is still no \`$tool\`" >&2; exit 1; }
done
