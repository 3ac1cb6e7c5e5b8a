# SPDX-License-Identifier: Apache-2.0
# What vmferry is built with, as Debian 12, Debian 13 and Ubuntu 24.04 package it. Sourced by quickstart.sh and test.sh.

build_packages() {
  echo g++ cmake ninja-build ccache pkg-config ca-certificates
  echo libboost-dev nlohmann-json3-dev libyaml-cpp-dev libsqlite3-dev libspdlog-dev libssl-dev
  echo libsimdjson-dev libpugixml-dev libcli11-dev libvirt-dev libldns-dev libcsv-dev libmimalloc-dev zlib1g-dev
}

test_packages() {
  echo libgtest-dev libgmock-dev libbenchmark-dev clang libclang-rt-dev llvm openssl sqlite3 jq
}

# install_missing PACKAGE...: says what it installs; uses sudo when it has to.
install_missing() {
  local missing=() package sudo=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "this machine has no apt; the packages needed are: $*" >&2
    return 1
  fi
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || sudo=(sudo)
  echo "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -q >/dev/null
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
}
