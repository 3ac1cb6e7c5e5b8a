# SPDX-License-Identifier: Apache-2.0
# Monitoring: Prometheus, an Alertmanager, and what they watch and tell (../monitored.py). Where there are load balancers,
# the applications have visitors (../visitors.py), and they and the guests on the target are watched too. Sourced by lab.
#
# Everything is quick: scrapes and evaluations twice a second, no grouping of alerts.

start_prometheus() {
  need_command prometheus; need_command prometheus-alertmanager; need_command python3
  local place=$state/prometheus name
  declare -gA watch_port
  for name in monitored prometheus alertmanager visitors nobody; do take_port; watch_port[$name]=$port; done
  mkdir -p "$place/signals"
  prometheus_config > "$place/prometheus.yml"
  prometheus_rules > "$place/rules.yml"
  alertmanager_config > "$place/alertmanager.yml"
  launch monitored python3 "$here/monitored.py" "${watch_port[monitored]}" "$place/signals"
  wanted haproxy && start_visitors
  launch alertmanager prometheus-alertmanager --config.file="$place/alertmanager.yml" --storage.path="$place/alerts" \
    --web.listen-address="127.0.0.1:${watch_port[alertmanager]}" --cluster.listen-address=
  launch prometheus prometheus --config.file="$place/prometheus.yml" --storage.tsdb.path="$place/tsdb" \
    --web.listen-address="127.0.0.1:${watch_port[prometheus]}"
}

prometheus_config() {
  cat <<YAML
global: {scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms}
rule_files: [rules.yml]
alerting:
  alertmanagers: [{static_configs: [{targets: ['127.0.0.1:${watch_port[alertmanager]}']}]}]
scrape_configs:
  - {job_name: shop, metrics_path: /app, static_configs: [{targets: ['127.0.0.1:${watch_port[monitored]}']}]}
  - {job_name: signals, metrics_path: /signals, static_configs: [{targets: ['127.0.0.1:${watch_port[monitored]}']}]}
  - {job_name: dead, static_configs: [{targets: ['127.0.0.1:${watch_port[nobody]}']}]}
YAML
  wanted haproxy || return 0
  echo "  - {job_name: visitors, static_configs: [{targets: ['127.0.0.1:${watch_port[visitors]}']}]}"
  echo "  - {job_name: guests, scrape_interval: 2s, scrape_timeout: 2s, metrics_path: /cgi-bin/metrics, static_configs: ["
  local app
  for app in $(app_names); do
    echo "      {targets: ['127.0.0.1:${kvm_port[$app]}'], labels: {application: $app}},"
  done
  echo "    ]}"
}

# An hour at most, should the lab be forgotten.
start_visitors() {
  local app urls=()
  for app in $(app_names); do urls+=("$app=http://127.0.0.1:${app_port[$app]}"); done
  launch visitors python3 "$here/visitors.py" "${watch_port[visitors]}" 3600 "${urls[@]}"
}

# The rules of the application, and one for each way in which an alert gets lost.
prometheus_rules() {
  cat <<'YAML'
groups:
  - name: shop
    rules:
      - {alert: ShopSlow, expr: 'vector(1) == 2'}
      - {alert: ShopTrial, expr: 'vmferry_alert_trial == 1', labels: {severity: page}}
      - {alert: ShopLateTrial, expr: 'vmferry_alert_trial == 1', for: 4s}
      - {alert: ShopPendingTrial, expr: 'vmferry_alert_trial == 1', for: 1h}
      - {alert: ShopElsewhereTrial, expr: 'vmferry_alert_trial == 1', labels: {route: elsewhere}}
      - {alert: ShopDeafTrial, expr: 'vmferry_alert_trial == 2'}
      - {alert: ShopBluntTrial, expr: 'sum(vmferry_alert_trial) > 0'}
  - name: applications
    rules:
      - alert: ApplicationDown
        expr: >
          sum by (application) (rate(http_requests_total{code!="200"}[10s]))
          / sum by (application) (rate(http_requests_total[10s])) > 0.5
        for: 2m
      - alert: ApplicationSlow
        expr: histogram_quantile(0.95, sum by (application, le) (rate(http_request_duration_seconds_bucket[10s]))) > 2
        for: 2m
      - {alert: ApplicationAlertTrial, expr: 'vmferry_alert_trial == 1', labels: {severity: page}}
YAML
}

alertmanager_config() {
  cat <<YAML
route:
  receiver: pager
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  routes: [{receiver: elsewhere, matchers: ['route="elsewhere"']}]
receivers:
  - {name: pager, webhook_configs: [{url: 'http://127.0.0.1:${watch_port[monitored]}/alerts'}]}
  - {name: elsewhere, webhook_configs: [{url: 'http://127.0.0.1:${watch_port[nobody]}/alerts'}]}
YAML
}

answers() { curl -sf -m 2 "$1" > /dev/null 2>&1; }

monitoring_up() {
  local name
  for name in monitored prometheus alertmanager $(wanted haproxy && echo visitors); do
    ours "$state/pids/$name" || die "$name ended: $(tail -n 3 "$state/log/$name.log")"
  done
  answers "http://127.0.0.1:${watch_port[monitored]}/received" &&
    answers "http://127.0.0.1:${watch_port[alertmanager]}/-/ready" &&
    answers "http://127.0.0.1:${watch_port[prometheus]}/-/ready"
}

await_prometheus() {
  await 60 prometheus monitoring_up
  put PROMETHEUS_URL "http://127.0.0.1:${watch_port[prometheus]}"
  put ALERTMANAGER_URL "http://127.0.0.1:${watch_port[alertmanager]}"
  put MONITORED_URL "http://127.0.0.1:${watch_port[monitored]}"
  put SIGNALS_DIR "$state/prometheus/signals"
}

stop_prometheus() { end prometheus; end alertmanager; end visitors; end monitored; }
