#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures the engine and writes tests/bench/RESULTS.md: ratios of what ran side by side in one run, never against a
# clock of yesterday. Takes some five minutes; the machine should have nothing else to do.
#   tests/bench/run.sh [FOLDER]     journals are written to FOLDER (a disk, not a tmpfs; standard: a new one in /var/tmp)
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../.."
command -v ansible-playbook >/dev/null || { echo "run.sh: needs ansible-playbook (package ansible-core)" >&2; exit 1; }
folder=${1:-$(mktemp -d /var/tmp/vmferry-bench.XXXXXX)}
[[ $# -gt 0 ]] || trap 'rm -rf "$folder"' EXIT

cmake --preset release >/dev/null
cmake --build --preset release --target bench_engine bench_journal >/dev/null
bench() { build/release/tests/bench_engine "$@" --folder "$folder"; }
# killed COMMAND...: one that ends itself by SIGKILL, as its users' process may.
killed() { { bench "$@" 2>/dev/null || true; } 2>/dev/null; }

echo "the journal" >&2
TMPDIR=$folder build/release/tests/bench_journal --benchmark_format=json >"$folder/journal.json" 2>/dev/null
echo "one application" >&2
one=$(bench one --steps 500)
one_effects=$(bench one --steps 500 --effects)
echo "1,000 applications" >&2
for i in 1 2 3 4 5; do bench many --applications 1000 --at-once 64; done >"$folder/many.jsonl"
for i in 1 2 3; do bench many --applications 1000 --at-once 64 --effects; done >"$folder/effects.jsonl"
echo "10,000 applications that wait" >&2
# resumed NAME: the journal that `wait` left, taken up five times anew, into NAME.jsonl. A killed engine's journal was
# synced; the first commit behind a copy of it would have to write all of that once more.
resumed() {
  local name=$1
  mkdir "$folder/left"
  cp "$folder"/engine.db* "$folder/left/"
  for i in 1 2 3 4 5; do
    rm "$folder"/engine.db*
    cp "$folder"/left/* "$folder/"
    sync "$folder"/engine.db*
    killed resume
  done >"$folder/$name.jsonl"
  rm -r "$folder/left"
}
waiting=$(killed wait --applications 10000 --waits-at 1)
resumed resumed
waiting_ten=$(killed wait --applications 10000 --waits-at 10 --rest 1)
resumed resumed_ten

echo "ansible-playbook" >&2
tasks=100
{
  printf -- '- hosts: localhost\n  gather_facts: false\n  tasks:\n'
  for ((i = 0; i < tasks; ++i)); do printf '    - command: /bin/true\n'; done
} >"$folder/playbook.yaml"
seconds() { local from=$EPOCHREALTIME; "$@" >/dev/null 2>&1; awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN {print b - a}'; }
ours() {
  for i in 1 2 3; do bench many --applications 1 --steps $tasks --program /bin/true; done >>"$folder/spawning.jsonl"
  for i in 1 2 3; do bench many --applications 1 --steps $tasks; done >>"$folder/nothing.jsonl"
}
ours
ansible=$(seconds ansible-playbook -i localhost, -c local "$folder/playbook.yaml")
ours

echo "growth" >&2
# The long runs between the short ones, so that an hour in which the machine becomes slower is no growth.
for applications in 100 1000 10000 100 1000 10000 100000 100 1000 10000 100000 100 1000 10000 100000 100 1000 10000; do
  bench many --applications $applications --steps 4 --at-once 64
done >"$folder/growth.jsonl"

python3 tests/bench/table.py "$folder" "$one" "$one_effects" "$waiting" "$waiting_ten" \
  "$tasks" "$ansible" >tests/bench/RESULTS.md
cat tests/bench/RESULTS.md
