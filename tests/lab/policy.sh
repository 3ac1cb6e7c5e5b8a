#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A WorkloadPolicy through the binary, in the embedded world: violations, overrides, approval and rejection, and an
# audit log that was tampered with.
# Usage: policy.sh VMFERRY
set -euo pipefail
vmferry=$1
place=$(mktemp -d "${TMPDIR:-/tmp}/vmferry-policy.XXXXXX")
trap 'rm -rf "$place"' EXIT
root=$(dirname "$(realpath "$0")")/../..
cp "$root"/runbooks/examples/embedded/* "$place"
cp "$root"/tests/data/seed-policy.yaml "$place"
cd "$place"
expect() {
  local wanted=$1 code=0; shift
  "$@" > out.txt 2>&1 || code=$?
  [[ $code == "$wanted" ]] || { cat out.txt; echo "exit $code instead of $wanted: $*" >&2; exit 1; }
}
says() { grep -qF -- "$1" out.txt || { cat out.txt; echo "does not say: $1" >&2; exit 1; }; }
last_run() { "$vmferry" --json status --site site.yaml | sed -n 's/.*"run":"\(r-[0-9a-f-]*\)".*/\1/p' | tail -n 1; }
here=(customer-analytics-api.yaml --site site.yaml --policy seed-policy.yaml)

# The seed's own document is right; in this site it is violated twice.
expect 0 "$vmferry" validate seed-policy.yaml
cp world.json before.json
expect 3 "$vmferry" validate customer-analytics-api.yaml site.yaml --policy seed-policy.yaml
says 'policy `regulated-tier-policy`, allowedPlatforms: platform `kvm` is not allowed'
says 'policy `regulated-tier-policy`, compliance.residency: the target `kvm` is in no zone'
expect 3 "$vmferry" plan "${here[@]}"
expect 3 "$vmferry" run "${here[@]}"
expect 2 "$vmferry" run "${here[@]}" --override-policy allowedPlatforms
expect 2 "$vmferry" run "${here[@]}" --override-policy requiresApproval --reason no
[[ ! -e journal.db ]] || { echo "a refused run began a journal" >&2; exit 1; }
cmp world.json before.json

# Overridden, it waits for approval; a resume approves nothing; rejected, nothing was touched.
overridden=("${here[@]}" --override-policy allowedPlatforms --override-policy compliance.residency)
expect 0 "$vmferry" plan "${overridden[@]}"
says 'approval: rests before the cutover until `vmferry approve` (policy regulated-tier-policy)'
says 'override: allowedPlatforms of policy regulated-tier-policy: platform `kvm` is not allowed'
expect 12 "$vmferry" run "${overridden[@]}" --reason 'change 4711'
cmp world.json before.json
run=$(last_run)
says "vmferry approve $run"
expect 12 "$vmferry" resume "$run" --site site.yaml
expect 0 "$vmferry" audit show "$run" --site site.yaml
says 'decision: override compliance.residency of policy regulated-tier-policy (the target `kvm` is in no zone) by '
says ': change 4711'
expect 2 "$vmferry" approve "$run" --site site.yaml
expect 0 "$vmferry" reject "$run" --site site.yaml --reason 'not today'
says 'aborted, nothing touched'
cmp world.json before.json
expect 3 "$vmferry" approve "$run" --site site.yaml --reason 'too late'

# Approved, it goes on; the site's own list of policies does as well as --policy.
sed -i 's/^spec:/spec:\n  policies: [seed-policy.yaml]/' site.yaml
there=(customer-analytics-api.yaml --site site.yaml --override-policy allowedPlatforms
  --override-policy compliance.residency)
expect 3 "$vmferry" validate customer-analytics-api.yaml site.yaml
expect 12 "$vmferry" run "${there[@]}" --reason 'change 4712'
expect 0 "$vmferry" approve "$(last_run)" --site site.yaml --reason 'the board agreed'
says soak
expect 0 "$vmferry" audit show "$(last_run)" --site site.yaml
says 'decision: approve by '
says ': the board agreed'
expect 0 "$vmferry" rollback "$(last_run)" --site site.yaml --reason test
expect 0 "$vmferry" audit verify --site site.yaml

# A journal that lets itself be changed begins no more runs under this policy.
python3 - <<'PYTHON'
import sqlite3
journal = sqlite3.connect("journal.db")
journal.execute("DROP TRIGGER events_are_not_removed")
journal.commit()
PYTHON
cp world.json before.json
expect 3 "$vmferry" run "${there[@]}" --reason 'change 4713'
says 'immutableAuditLog'
says 'trigger events_are_not_removed is missing or changed'
cmp world.json before.json
echo "policy: all as expected"
