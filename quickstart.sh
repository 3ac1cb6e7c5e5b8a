#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One command from a fresh machine to a running application that was moved from a vCenter to KVM.
#   ./quickstart.sh              builds vmferry, starts the lab on loopback, moves an application, shows how to go back
#   ./quickstart.sh --keep       leaves the lab up and prints how to drive it by hand
#   ./quickstart.sh --embedded   the same runbook in an in-memory world: needs nothing but compiler and libraries
set -euo pipefail
cd "$(dirname "$(realpath "$0")")"
. cmake/packages.sh

mode=lab keep=no
for argument in "$@"; do
  case $argument in
    --keep) keep=yes ;;
    --embedded) mode=embedded ;;
    -h | --help) sed -n '3,7s/^# //p' "$0"; exit 0 ;;
    *) echo "quickstart: unknown option $argument; see --help" >&2; exit 2 ;;
  esac
done

bold() { if [[ -t 1 && -z ${NO_COLOR:-} ]]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi; }
step() { echo; bold "== $*"; }
run() { echo "\$ ${*//$PWD\//}"; "$@"; }

build() {
  step "packages"
  # shellcheck disable=SC2046
  install_missing $(build_packages)
  [[ $mode == embedded ]] || tests/lab/lab install
  step "building vmferry"
  cmake --preset release -DVMFERRY_TESTS=OFF -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -B build/quickstart >/dev/null
  cmake --build build/quickstart --target vmferry
  vmferry=$PWD/build/quickstart/vmferry
}

# Everything is made below $place and removed with it.
place=$(mktemp -d "${TMPDIR:-/tmp}/vmferry-quickstart.XXXXXX")
finish() {
  local code=$?
  trap - EXIT
  if [[ $keep == yes && $code == 0 ]]; then return; fi
  [[ ! -d $place/lab ]] || tests/lab/lab stop --state "$place/lab"
  rm -rf "$place"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

ask() { curl -sS --max-time 10 "$1/cgi-bin/$2" "${@:3}"; }
platform() { case $(ask "$1" whoami) in *vendor=VMware*) echo VMware ;; *vendor=QEMU*) echo QEMU ;; *) echo nobody ;; esac; }
answers() { curl -fsS --max-time 2 "$1/healthz" >/dev/null 2>&1; }
wait_for() { local i; for i in $(seq 1200); do "$@" && return; read -rt 0.1 <> <(:) || true; done; echo "gave up waiting: $*" >&2; return 1; }

# The id of the journal's last run.
last_run() { "$vmferry" --json --journal "$place/journal.db" status | sed -n 's/.*"run":"\(r-[0-9a-f-]*\)".*/\1/p' | tail -n 1; }

# The demonstration is a test too: who answers, with how many records.
must_be() {
  [[ $(platform "$APP1_URL") == "$1" && $(ask "$APP1_URL" records | wc -l) == "$2" ]] && return
  echo "quickstart: expected $1 with $2 records" >&2
  exit 1
}

main_job() {
  local site=$1 runbook=$2
  step "the plan: read live from the platforms, changes nothing"
  run "$vmferry" plan "$runbook" --site "$site"
  step "the run"
  run "$vmferry" run "$runbook" --site "$site" --reason "quickstart"
}

the_trail() {
  local id; id=$(last_run)
  step "the audit trail: every event has its actor, time and evidence"
  run "$vmferry" audit verify --site "$1"
  "$vmferry" audit show "$id" --site "$1" | cut -c1-150 | sed -n 1,12p
  echo "  ... the rest: vmferry audit show $id"
}

go_back() {
  step "and back: the source, as it was"
  run "$vmferry" rollback "$(last_run)" --site "$1" --reason "quickstart shows the way back"
}

lab_job() {
  step "the lab: a vCenter with a guest that runs, libvirt, HAProxy, on loopback"
  tests/lab/lab start --state "$place/lab" --apps 1
  tests/lab/write-site.sh "$place/lab" "$place" app1=customer-analytics-api
  . "$place/lab/env"
  curl -fsS -X POST "$VC_CONTROL/vms/app1/power-on"
  wait_for answers "$APP1_URL"
  local i
  for i in 1 2 3; do ask "$APP1_URL" record -d "order $i" >/dev/null; done
  bold "before: $APP1_URL is answered by $(platform "$APP1_URL"), with $(ask "$APP1_URL" records | wc -l) records"
  main_job "$place/site.yaml" "$place/customer-analytics-api.yaml"
  bold "after: $APP1_URL is answered by $(platform "$APP1_URL"), with $(ask "$APP1_URL" records | wc -l) records"
  must_be QEMU 3
  the_trail "$place/site.yaml"
  if [[ $keep == yes ]]; then keep_lab; return; fi
  go_back "$place/site.yaml"
  wait_for answers "$APP1_URL"
  bold "back: $APP1_URL is answered by $(platform "$APP1_URL"), with $(ask "$APP1_URL" records | wc -l) records"
  must_be VMware 3
}

keep_lab() {
  step "the lab stays up; drive it by hand"
  cat <<TEXT
  cd $place
  curl $APP1_URL/cgi-bin/whoami
  $vmferry status --site site.yaml
  $vmferry rollback $(last_run) --site site.yaml --reason "trying it"
  $vmferry commit $(last_run) --site site.yaml
  $vmferry run customer-analytics-api.yaml --site site.yaml
  end it:  $PWD/tests/lab/lab stop --state $place/lab && rm -rf $place
TEXT
}

embedded_job() {
  cp runbooks/examples/embedded/* "$place/"
  main_job "$place/site.yaml" "$place/customer-analytics-api.yaml"
  the_trail "$place/site.yaml"
  go_back "$place/site.yaml"
}

build
"${mode}_job"
step "done in $SECONDS s"
