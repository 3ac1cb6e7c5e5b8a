#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One command from a fresh machine to a running application that was moved from a vCenter to KVM, by the runbook
# tests/data/seed-runbook.yaml and under the policy tests/data/seed-policy.yaml, as they are.
#   ./quickstart.sh              builds vmferry, starts the lab on loopback, moves an application and brings it back
#   ./quickstart.sh --keep       leaves the application on the target and the lab up; prints how to drive it by hand
#   ./quickstart.sh --embedded   a shorter runbook in an in-memory world: needs nothing but compiler and libraries
set -euo pipefail
root=$(dirname "$(realpath "$0")")
cd "$root"
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
# Shows the command without the folders, and runs it.
run() {
  local shown='' word
  for word in "$@"; do
    word=${word#"$root"/build/quickstart/}; word=${word//$place\//}
    [[ $word != *' '* ]] || word="\"$word\""
    shown+=" $word"
  done
  echo "\$$shown"
  "$@"
}

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
  cd "$root"
  if [[ $keep == yes && $code == 0 ]]; then return; fi
  [[ ! -d $place/lab ]] || "$root/tests/lab/lab" stop --state "$place/lab"
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

# The demonstration is a test too: who answers, with how many records, which server of the load balancer is in service,
# and what the DNS record's TTL is.
must_be() {
  local seen expected="$2 with 3 records; in service: $3; TTL $4 s"
  seen="$(platform "$APP1_URL") with $(ask "$APP1_URL" records | wc -l) records; in service: $(in_service); TTL $(ttl) s"
  bold "$1: $APP1_URL is answered by $seen"
  [[ $seen == "$expected" ]] || { echo "quickstart: expected $expected" >&2; exit 1; }
}
in_service() {
  exec 3<> "/dev/tcp/${HAPROXY_TCP/://}"
  echo 'show stat' >&3
  awk -F, '$1 == "app1" && $18 ~ /^UP/ && $2 != "BACKEND" {print $2}' <&3
  exec 3>&-
}
ttl() { dig "@${BIND%:*}" -p "${BIND#*:}" +tcp +noall +answer app1.lab.test A | awk '{print $2}'; }

# Runs a command that must end with this exit code.
ends_with() {
  local wanted=$1 code=0; shift
  run "$@" || code=$?
  [[ $code == "$wanted" ]] || { echo "quickstart: exit code $code instead of $wanted" >&2; exit 1; }
}

the_trail() {
  local id; id=$(last_run)
  step "the audit trail: every event has its actor, time and evidence"
  run "$vmferry" audit verify --site "$1"
  "$vmferry" audit show "$id" --site "$1" | sed -n 1,12p
  echo "  ... the rest: vmferry audit show $id"
}

go_back() {
  step "and back: the source, as it was"
  run "$vmferry" rollback "$(last_run)" --site "$1" --reason "quickstart shows the way back"
}

start_lab() {
  step "the lab on loopback: vCenter with a guest that runs, libvirt, HAProxy, BIND, Prometheus, Alertmanager, restic"
  tests/lab/lab start --state "$place/lab" --apps 1 --only vcenter,libvirt,haproxy,bind,prometheus,restic
  tests/lab/write-seed.sh "$place/lab" "$place"
  . "$place/lab/env"
  curl -fsS -X POST "$VC_CONTROL/vms/app1/power-on"
  wait_for answers "$APP1_URL"
  local i
  for i in 1 2 3; do ask "$APP1_URL" record -d "order $i" >/dev/null; done
  echo "the source is backed up, as every night:"
  tests/lab/lab backup --state "$place/lab"
}

lab_job() {
  start_lab
  cd "$place"
  local seed=(seed-runbook.yaml --site site.yaml --policy seed-policy.yaml)
  step "the runbook from the field, word for word"
  cat seed-runbook.yaml
  must_be before VMware vmware 6
  step "validate: the three documents, offline"
  run "$vmferry" validate seed-runbook.yaml seed-policy.yaml site.yaml
  step "the plan: read live from the systems, changes nothing"
  run "$vmferry" plan "${seed[@]}"
  step "the run: pre-checks, then it rests, since the policy wants an approval (exit code 12)"
  ends_with 12 "$vmferry" run "${seed[@]}" --reason "quickstart"
  local id; id=$(last_run)
  step "approved: cutover and post-checks; then it would soak for 90 minutes, which we do not stay for"
  run "$vmferry" approve "$id" --site site.yaml --reason "change 4711" --no-soak
  must_be after QEMU kvm 1
  step "every step, with how long it took"
  run "$vmferry" status "$id" --site site.yaml
  step "the soak: one sample of each rollback criterion"
  run "$vmferry" criteria "$id" --site site.yaml
  the_trail site.yaml
  if [[ $keep == yes ]]; then keep_lab "$id"; return; fi
  go_back site.yaml
  wait_for answers "$APP1_URL"
  must_be back VMware vmware 6
  run "$vmferry" audit verify --site site.yaml
}

keep_lab() {
  step "the lab stays up; drive it by hand"
  cat <<TEXT
  cd $place
  curl $APP1_URL/cgi-bin/whoami
  $vmferry status $1 --site site.yaml
  $vmferry criteria $1 --site site.yaml
  $vmferry rollback $1 --site site.yaml --reason "trying it"
  $vmferry commit $1 --site site.yaml
  $vmferry run seed-runbook.yaml --site site.yaml --policy seed-policy.yaml --reason "again"
  end it:  $root/tests/lab/lab stop --state $place/lab && rm -rf $place
TEXT
}

embedded_job() {
  cp runbooks/examples/embedded/* "$place/"
  step "the plan: read live from the platforms, changes nothing"
  run "$vmferry" plan "$place/customer-analytics-api.yaml" --site "$place/site.yaml"
  step "the run"
  run "$vmferry" run "$place/customer-analytics-api.yaml" --site "$place/site.yaml" --reason "quickstart"
  the_trail "$place/site.yaml"
  go_back "$place/site.yaml"
}

build
"${mode}_job"
step "done in $SECONDS s"
