#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the live tests (the role contracts on the real plugins, and more) in a lab of their own.
# Usage: live.sh TEST_PROGRAM [ITS ARGUMENTS]
set -euo pipefail
here=$(dirname "$(realpath "$0")")
state=$(mktemp -d "${TMPDIR:-/tmp}/vmferry-live.XXXXXX")
trap '"$here/lab" stop --state "$state"; rm -rf "$state"' EXIT
"$here/lab" start --state "$state" --apps 2 --haproxies 2 --disk2 app1=16
VMFERRY_LAB_ENV=$state/env "$@"
