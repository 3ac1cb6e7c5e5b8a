#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves that the lab works on this machine: starts one of its own, drives every part, stops it and looks for leftovers.
# Usage: selftest.sh [STATE-DIR]
set -euo pipefail
here=$(dirname "$(realpath "$0")")
state=${1:-$(mktemp -d "${TMPDIR:-/tmp}/vmferry-selftest.XXXXXX")}
trap '"$here/lab" stop --state "$state"' EXIT

"$here/lab" start --state "$state" --apps 2 --duplicate app1 --disk2 app1=8 --folder app2=Team-A --haproxies 2
python3 "$here/selftest/check.py" "$state/env"
"$here/selftest/kvm.sh" "$state/env" "$("$here/make-guest.sh")" "$("$here/make-guest.sh" --sick-on-kvm)"

# Parts that died, guests that still run: stop must cope, and nothing may be left.
run=$(readlink "$state/run")
kill -KILL "$(cut -d' ' -f1 "$state/pids/labvc")" "$(cut -d' ' -f1 "$state/pids/libvirtd")"
"$here/lab" stop --state "$state"
[[ ! -e $run && ! -e $state/pids ]]
left=$(grep -als "$run" /proc/[0-9]*/cmdline || true)
[[ -z $left ]] || { echo "left running: $left" >&2; exit 1; }
echo "ok nothing is left after stop"

"$here/lab" start --state "$state" --only vcenter --vc "-esx -nfc-host * -api-version 6.5"
python3 "$here/selftest/check.py" "$state/env"
