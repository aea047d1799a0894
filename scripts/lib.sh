# shellcheck shell=bash
# Shared by the scripts here. Source it; it changes to the repository's folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

# Installs those of the given Debian packages that are missing.
need() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  # A mirror that stumbles, or another apt that is at work, is not the end.
  local patient=(-qq -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300)
  "${root[@]}" apt-get "${patient[@]}" update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get "${patient[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# What building takes.
need_build() {
  command -v swift >/dev/null || die "no swift on the PATH" "install a Swift 6.3 toolchain: https://www.swift.org/install"
  need libfuse3-dev fuse3 libssl-dev libsqlite3-dev pkg-config
}

# A Python of our own with the given packages from PyPI, in .build-python.
need_python() {
  need python3 python3-venv
  [ -x .build-python/bin/python ] || python3 -m venv .build-python
  .build-python/bin/pip install --quiet --retries 10 --disable-pip-version-check "$@"
}

# What one machine needs, optimised, in .build/release. The shim is built apart: it has no standard library to link.
build_commands() {
  say "building (release)"
  swift build -c release --static-swift-stdlib --product secretfs
  swift build -c release --product secretfs-env
}

# All programs; the server and the nodes' take most of the time.
build_release() {
  build_commands
  swift build -c release --static-swift-stdlib --product secretfs-server
  swift build -c release --static-swift-stdlib --product secretfs-node
  swift build -c release --static-swift-stdlib --product secretfs-provider
}
