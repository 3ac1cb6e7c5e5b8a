#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The documents of the embedded example, through the binary: plan, run, refusal, rollback, run again, commit, verify.
# Usage: embedded.sh VMFERRY
set -euo pipefail
vmferry=$1
place=$(mktemp -d "${TMPDIR:-/tmp}/vmferry-embedded.XXXXXX")
trap 'rm -rf "$place"' EXIT
cp "$(dirname "$(realpath "$0")")"/../../runbooks/examples/embedded/* "$place"
cd "$place"
expect() {
  local wanted=$1 code=0; shift
  "$@" > out.txt 2>&1 || code=$?
  [[ $code == "$wanted" ]] || { cat out.txt; echo "exit $code instead of $wanted: $*" >&2; exit 1; }
}
last_run() { "$vmferry" --json status --site site.yaml | sed -n 's/.*"run":"\(r-[0-9a-f-]*\)".*/\1/p' | tail -n 1; }

cp world.json before.json
expect 0 "$vmferry" plan customer-analytics-api.yaml --site site.yaml
cmp world.json before.json
expect 0 "$vmferry" run customer-analytics-api.yaml --site site.yaml
grep -q "vmferry rollback $(last_run) --site site.yaml" out.txt  # as it can be typed
expect 3 "$vmferry" run customer-analytics-api.yaml --site site.yaml
expect 0 "$vmferry" criteria "$(last_run)" --site site.yaml
grep -q 'no rollback criteria' out.txt
expect 0 "$vmferry" --journal journal.db criteria "$(last_run)"
expect 2 "$vmferry" criteria customer-analytics-api.yaml
grep -q 'a runbook or wave needs a site; add --site FILE' out.txt
for command in criteria status "audit show"; do
  # shellcheck disable=SC2086
  expect 3 "$vmferry" $command r-none --site site.yaml
  grep -q "journal $place/journal.db: run r-none: not found: no such run" out.txt
done
expect 0 "$vmferry" rollback "$(last_run)" --site site.yaml --reason test
expect 0 "$vmferry" run customer-analytics-api.yaml --site site.yaml
expect 0 "$vmferry" commit "$(last_run)" --site site.yaml
expect 3 "$vmferry" run customer-analytics-api.yaml --site site.yaml
grep -q 'already migrated' out.txt
expect 0 "$vmferry" audit verify --site site.yaml
expect 0 "$vmferry" audit show "$(last_run)" --site site.yaml
expect 1 bash -c "'$vmferry' audit show '$(last_run)' --site site.yaml > /dev/full"
grep -q 'not all could be written' out.txt
expect 3 "$vmferry" --journal . status
grep -q 'is not a file' out.txt

# Wrong words are named, and the shell knows the right ones.
expect 2 "$vmferry" statsu
grep -q 'unknown: statsu; did you mean status?' out.txt
expect 2 "$vmferry" run --hlep
grep -q 'unknown: --hlep; did you mean --help?' out.txt
expect 2 "$vmferry" --journal '' status
completes() {
  local wanted=$1; shift
  (
    COMP_WORDS=(vmferry "$@") COMP_CWORD=$#
    # shellcheck disable=SC1090
    . <("$vmferry" completion bash)
    _vmferry
    [[ " ${COMPREPLY[*]} " == *" $wanted "* ]] || { echo "$*: completed by ${COMPREPLY[*]}, not $wanted" >&2; exit 1; }
  )
}
completes status --journal j.db sta
completes --samples criteria test --s
completes --json status --js
completes zsh completion ''
completes smoke_test steps smo

# With everything around the application, on a world of its own; DNS is what it was once it is back.
mkdir full
cp *.yaml full
cp before.json full/world.json
cd full
dns() { tr -d ' \n' < world.json | grep -o '"name":"customer-analytics-api.example"[^}]*'; }
before=$(dns)
expect 0 "$vmferry" plan customer-analytics-api-in-full.yaml --site site.yaml
cmp world.json ../before.json
expect 0 "$vmferry" run customer-analytics-api-in-full.yaml --site site.yaml --no-soak
grep -q 'until caches forget the old DNS records' out.txt
[[ $(dns) == *10.0.0.2* ]]
expect 0 "$vmferry" criteria "$(last_run)" --site site.yaml  # held against the baseline that the run journaled
expect 0 "$vmferry" rollback "$(last_run)" --site site.yaml --reason test
[[ $(dns) == "$before" ]]
expect 0 "$vmferry" audit verify --site site.yaml
echo "embedded: all as expected"
