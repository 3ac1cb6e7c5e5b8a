#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, and runs all tests; the last line says how it went.
#   ./test.sh            everything: release, sanitizers, the lab end to end
#   ./test.sh --quick    the release build and its tests, without the lab
set -euo pipefail
cd "$(dirname "$(realpath "$0")")"
. cmake/packages.sh

quick=no
case ${1:-} in
  '') ;;
  --quick) quick=yes ;;
  -h | --help) sed -n '3,5s/^# //p' "$0"; exit 0 ;;
  *) echo "test.sh: unknown option $1; see --help" >&2; exit 2 ;;
esac

began=$SECONDS
headline() { echo; echo "== $* ($((SECONDS - began)) s)"; }
# whole_programs PRESET FOLDER...: each folder's tests in one process, two at a time: a process a test, as ctest does
# it, takes twice as long under a sanitizer.
whole_programs() {
  local preset=$1; shift
  printf "build/$preset/tests/test_%s\n" "$@" | nice xargs -P 2 -I PROGRAM env PROGRAM --gtest_brief=1
}

lab=
ended() {
  local code=$?
  [[ -z $lab ]] || { echo "waiting until the lab is down"; wait "$lab" || cat build/lab.log; }
  ((code == 0)) || echo "TESTS FAILED (exit $code) after $((SECONDS - began)) s"
}
trap ended EXIT

headline "packages"
# shellcheck disable=SC2046
install_missing $(build_packages) $(test_packages)
[[ $quick == yes ]] || tests/lab/lab install

headline "release build"
cmake --preset release >/dev/null
if [[ $quick == yes ]]; then
  cmake --build --preset release
  headline "tests"
  ctest --preset release -LE "lab|long" -j 2
  exit
fi
cmake --build --preset release --target vmferry test_live

# The lab mostly waits for guests to boot and goes through its machines one lab after the other, which takes the longest
# of all: everything else goes on beside it; nice leaves the guests the CPU.
headline "the lab, end to end (its report comes later); beside it, the rest of the release build"
ctest --preset release -L lab -j 2 >build/lab.log 2>&1 &
lab=$!
# ctest asks the test programs for their lists as it starts: none may be linked meanwhile.
until grep -q "Start " build/lab.log || ! kill -0 "$lab" 2>/dev/null; do sleep 0.1; done
nice cmake --build --preset release --target test_orchestrator test_state test_matrices test_tidy simulate kills

headline "address and undefined-behaviour sanitizers"
cmake --preset asan >/dev/null
nice cmake --build --preset asan
whole_programs asan matrices orchestrator runbooks steps plugins contracts state
tests/lab/embedded.sh "$PWD/build/asan/vmferry"
tests/lab/policy.sh "$PWD/build/asan/vmferry"

headline "thread sanitizer over the engine and the journal"
cmake --preset tsan >/dev/null
nice cmake --build --preset tsan --target test_orchestrator test_state
# Without what has one thread alone; the matrices go the same ways through the engine as its own tests.
GTEST_FILTER='-StateTable.*:Chain.*:*PowerLoss*' whole_programs tsan orchestrator state

headline "fuzzers, for a short while"
nice tests/fuzz/smoke.sh

# Where threads, crashes and coroutines matter. The others went through the sanitizers and are not built once more.
headline "the engine and the journal, optimised: every point of the matrices, 10,000 random histories, 200 kills; the rest"
others='contracts|plugins|runbooks|steps'
nice ctest --preset release -LE lab -E "^(($others)\.|test_($others)_NOT_BUILT)" -j 2

headline "the lab's report"
wait "$lab" && code=0 || code=$?
lab=
cat build/lab.log
((code == 0)) || exit "$code"
echo "all tests passed in $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s"
