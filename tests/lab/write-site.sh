#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes the documents with which vmferry moves the lab's applications: DIR/site.yaml, a runbook for each application
# (DIR/APP.yaml) and DIR/wave.yaml for all of them.
# Usage: write-site.sh LAB_STATE DIR [APP=NAME...]     NAME: what an application is called instead of app1, app2 ...
set -euo pipefail
state=$(realpath "$1") out=$2; shift 2
mkdir -p "$out"
. "$state/env"
declare -A name
for app in $(seq -f 'app%g' "$LAB_APPS"); do name[$app]=$app; done
for pair in "$@"; do name[${pair%%=*}]=${pair#*=}; done

# The value of variable APPn_SUFFIX for an application.
of() { local variable=${1^^}_$2; printf '%s' "${!variable}"; }
indent() { sed "s/^/$1/"; }

site_head() {
  cat <<YAML
apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: lab}
spec:
  journal: journal.db
  platforms:
    vmware:
      plugin: vsphere
      aliases: [vmware-vsphere]
      url: $VC_URL
      user: $VC_USER
      password: file:$VC_PASSWORD_FILE
      caFile: $VC_CA
    kvm:
      plugin: libvirt
      uri: $LIBVIRT_URI
      domainType: $LIBVIRT_DOMAIN_TYPE
  services:
    front:
      plugin: haproxy
      instances:
        - unix:$HAPROXY_SOCKET
      persist: {stateFile: $HAPROXY_STATE_FILE}
    web:
      plugin: http
  networks:
    $VC_NETWORK: user
  storage:
    $VC_DATASTORE: $POOL
  defaults:
    quiesce_application: {onRefusal: rollBack, guestShutdownDeadline: 20s, drainDeadline: 5s, probe: web}
    smoke_test: {probe: web, deadline: 60s}
  applications:
YAML
}

site_application() {
  local app=$1
  cat <<YAML
    ${name[$app]}:
      workloads:
        - name: $app
          vm: $(of "$app" VM_PATH)
          extraDomainXml: |
$(indent '            ' < "$(of "$app" EXTRA_DOMAIN_XML_FILE)")
      loadBalancer: front
      pool: $app
      sourceServer: vmware
      targetServer: kvm
      sourceHealthUrl: http://127.0.0.1:$(of "$app" VMWARE_PORT)/healthz
      url: http://127.0.0.1:$(of "$app" KVM_PORT)/healthz
YAML
}

runbook() {
  cat <<YAML
application: ${name[$1]}
sourcePlatform: vmware-vsphere
targetPlatform: kvm
rollbackWindowMinutes: 90
preChecks:
  - vm_exists
  - target_capacity
  - target_name_free
cutoverSteps:
  - quiesce_application
  - final_data_sync
  - convert_image
  - power_on_target
  - smoke_test
  - update_load_balancer
YAML
}

wave() {
  cat <<YAML
apiVersion: vmferry.dev/v1
kind: Wave
metadata: {name: lab-wave}
spec:
  applicationsAtOnce: $LAB_APPS
  stopAfter: {failed: $LAB_APPS}
  runbooks:
YAML
  for app in $(seq -f 'app%g' "$LAB_APPS"); do echo "    - ${name[$app]}.yaml"; done
}

site_head > "$out/site.yaml"
for app in $(seq -f 'app%g' "$LAB_APPS"); do
  site_application "$app" >> "$out/site.yaml"
  runbook "$app" > "$out/${name[$app]}.yaml"
done
wave > "$out/wave.yaml"
