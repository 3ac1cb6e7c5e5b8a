#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes what is needed to run the seed runbook, word for word, in the lab: DIR/seed-runbook.yaml and
# DIR/seed-policy.yaml as they are, and DIR/site.yaml, which supplies every parameter of the runbook's bare names.
# Usage: write-seed.sh LAB_STATE DIR       a lab started with `--only vcenter,libvirt,haproxy,bind,prometheus,restic`
set -euo pipefail
here=$(dirname "$(realpath "$0")")
state=$(realpath "$1") out=$2
mkdir -p "$out"
. "$state/env"

# Over the seconds before now, of the application's visitors; `window` below must not be shorter.
seconds=6s of='application="app1"'
p95="histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{$of}[$seconds])))"
count="sum(increase(http_requests_total{$of}[$seconds]))"
# Without a failed request there is no series of failures, hence `or vector(0)`.
errors="(sum(rate(http_requests_total{$of,code!=\"200\"}[$seconds])) or vector(0)) / sum(rate(http_requests_total{$of}[$seconds]))"

cp "$here"/../data/seed-runbook.yaml "$here"/../data/seed-policy.yaml "$out/"
cat > "$out/site.yaml" <<YAML
apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: lab}
spec:
  journal: journal.db

  # The runbook says vmware-vsphere and pextra-cloud; here these are a vCenter and a libvirt host.
  platforms:
    vmware:
      plugin: vsphere
      aliases: [vmware-vsphere]
      zone: zone-a
      url: $VC_URL
      user: $VC_USER
      password: file:$VC_PASSWORD_FILE
      caFile: $VC_CA
    pextra:
      plugin: libvirt
      aliases: [pextra-cloud]
      zone: zone-b
      uri: $LIBVIRT_URI
      domainType: $LIBVIRT_DOMAIN_TYPE

  services:
    front:
      plugin: haproxy
      instances: ["unix:$HAPROXY_SOCKET"]
      persist: {stateFile: $HAPROXY_STATE_FILE}
    names:
      plugin: rfc2136
      servers: ['$BIND', '$BIND2']
      zones: [lab.test]
      keyName: $BIND_KEY_NAME
      keySecret: file:$BIND_SECRET_FILE
    prometheus: {plugin: prometheus, url: "$PROMETHEUS_URL"}
    alertmanager: {plugin: alertmanager, url: "$ALERTMANAGER_URL"}
    signals: {plugin: textfile, directory: $SIGNALS_DIR}
    vault:
      plugin: restic
      repository: $RESTIC_REPOSITORY
      password: file:$RESTIC_PASSWORD_FILE
      workDirectory: $RESTIC_WORK
    guests: {plugin: libguestfs, emulate: true${INSPECTION_KERNEL:+, kernel: $INSPECTION_KERNEL}}
    flows: {plugin: tcp}
    web: {plugin: http}

  networks: {$VC_NETWORK: user}
  storage: {$VC_DATASTORE: $POOL}

  # For every application of this site.
  defaults:
    quiesce_application: {onRefusal: rollBack, guestShutdownDeadline: 20s, drainDeadline: 5s, probe: web}
    attach_target_storage_profile: {storagePools: [$POOL], cache: none, io: native, discard: unmap}
    # The lab's guest is no distribution that could be recognised; smoke_test shows whether it has its drivers.
    validate_guest_tools_and_drivers: {inspector: guests, whenUnknown: accept}
    smoke_test: {probe: web, body: ok, maxLatency: 3s, deadline: 90s}
    app_health_check_failure: {probe: web}
    alerting_signals_present:
      alertsService: alertmanager
      signalService: signals
      signalMetric: vmferry_alert_trial
      probe: web

  applications:
    customer-analytics-api:
      workloads:
        - name: app1
          vm: $APP1_VM_PATH
          extraDomainXml: |
$(sed 's/^/            /' "$APP1_EXTRA_DOMAIN_XML_FILE")

      # Flat: for every step and criterion that has a parameter of this name.
      loadBalancer: front
      pool: app1
      sourceServer: vmware
      targetServer: kvm
      sourceHealthUrl: http://127.0.0.1:$APP1_VMWARE_PORT/healthz
      url: http://127.0.0.1:$APP1_KVM_PORT/healthz
      healthUrl: $APP1_URL/healthz
      backup: vault
      targetHost: app1-target
      metricsService: prometheus

      # Nested: for this step alone.
      backup_success_last_24h: {sourceHost: app1, sourcePaths: [$APP1_SOURCE_DISK], integrity: checksum}
      target_monitoring_ready:
        targets: [visitors, signals]
        maxScrapeAge: 30s
        plannedTargets: ['guests/127.0.0.1:$APP1_KVM_PORT']
        metrics: ['http_requests_total{$of}']
        alertRules: [ApplicationDown, ApplicationSlow, ApplicationAlertTrial]
      target_network_policy_validated:
        flowProbe: flows
        allow: ["tcp $BIND", "tcp 127.0.0.1:$APP1_PORT"]
        deny: ["tcp 127.0.0.1:$APP1_KVM_PORT"]
        refusedIs: denied # loopback filters nothing: nobody has the target's address yet
      dns_ttl_lowered: {dns: names, records: [app1.lab.test], maxTtl: 1s}
      p95_latency_within_slo:
        query: '$p95'
        samplesQuery: '$count'
        minSamples: 5
        window: $seconds
        slo: 2s
      error_rate_below_threshold:
        query: '$errors'
        samplesQuery: '$count'
        minSamples: 5
        window: $seconds
        threshold: 10%
      backup_job_succeeds: {targetPaths: [$POOL_DIR], verify: restore}
      alerting_signals_present:
        alertName: ApplicationAlertTrial
        receiverUrl: $MONITORED_URL/received
      sustained_latency_regression:
        query: '$p95'
        samplesQuery: '$count'
        minSamples: 5
        slo: 2s
      target_backup_failure: {maxAge: 26h}
YAML
