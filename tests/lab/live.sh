#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the live tests (the role contracts on the real plugins, and more) in a lab of their own, which has what
# tests/live/vsphere_live.h asks for.
# Usage: live.sh TEST_PROGRAM [ITS ARGUMENTS]
set -euo pipefail
here=$(dirname "$(realpath "$0")")
state=$(mktemp -d "${TMPDIR:-/tmp}/vmferry-live.XXXXXX")
trap '"$here/lab" stop --state "$state"; rm -rf "$state"' EXIT
"$here/lab" start --state "$state" --only vcenter,libvirt,haproxy,bind --apps 3 --haproxies 2 \
  --disk2 app1=16 --disk2 app2=64 --duplicate app1 --folder app2=Team-A --vc "-page-size 1"
VMFERRY_LAB_ENV=$state/env "$@"
