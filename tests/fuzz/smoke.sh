#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzzers with clang, on the libraries of the release build, and runs each for a short while from its seeds.
# SECONDS_EACH sets how long.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../.."
seconds=${SECONDS_EACH:-20}
clang=$(command -v clang++ || ls /usr/bin/clang++-[0-9]* | sort -V | tail -n 1)
cmake --preset release >/dev/null
cmake --build --preset release --target vmferry_steps
cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" -DCMAKE_CXX_COMPILER="$clang" \
  -DVMFERRY_FUZZ="$PWD/build/release" -DVMFERRY_SANITIZE=address,undefined,fuzzer-no-link >/dev/null
cmake --build build/fuzz --target fuzz_runbook
corpus=$(mktemp -d); trap 'rm -rf "$corpus"' EXIT
for seed in tests/data/*.yaml runbooks/examples/*.yaml; do cp "$seed" "$corpus/"; done
build/fuzz/tests/fuzz_runbook -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=20 -verbosity=0 \
  -dict=tests/fuzz/runbook.dict -artifact_prefix="$PWD/build/fuzz/" "$corpus" >build/fuzz/report 2>&1 ||
  { cat build/fuzz/report; exit 1; }
echo "fuzz_runbook: no findings in $seconds s"
