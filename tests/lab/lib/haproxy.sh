# SPDX-License-Identifier: Apache-2.0
# Load balancers. Sourced by lab.
#
# Instance 1 has the entry points of DIR/env; further instances have the same back ends and entry points of their own.

start_haproxies() {
  need_command haproxy
  local n
  mkdir -p "$state/haproxy"
  for n in $(seq "$haproxies"); do
    take_port
    put "$(instance_name "$n")_TCP" "127.0.0.1:$port"
    put "$(instance_name "$n")_SOCKET" "$run/haproxy$n.sock"
    put "$(instance_name "$n")_STATE_FILE" "$state/haproxy/$n.state"
    put "$(instance_name "$n")_CONFIG" "$state/haproxy/$n.cfg"
    touch "$state/haproxy/$n.state"
    haproxy_config "$n" "$port" > "$state/haproxy/$n.cfg"
    launch "haproxy$n" env PATH="$PATH:/usr/sbin" haproxy -W -db -f "$state/haproxy/$n.cfg"
  done
  put HAPROXIES "$haproxies"
}

# HAPROXY, HAPROXY2, HAPROXY3, ...
instance_name() { if (($1 == 1)); then echo HAPROXY; else echo "HAPROXY$1"; fi; }

haproxy_config() {
  local n=$1 admin=$2 app
  cat <<CONFIG
global
  stats socket $run/haproxy$n.sock mode 600 level admin
  stats socket ipv4@127.0.0.1:$admin level admin
  stats timeout 1h
  server-state-file $state/haproxy/$n.state
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  load-server-state-from-file global
  option httpchk GET /healthz
  http-check expect status 200
  default-server check inter 500ms fastinter 200ms downinter 500ms fall 2 rise 2
CONFIG
  for app in $(app_names); do
    if ((n > 1)); then take_port; app_port[$app]=$port; put "${app^^}_URL_$n" "http://127.0.0.1:$port"; fi
    cat <<CONFIG
frontend in_$app
  bind 127.0.0.1:${app_port[$app]}
  default_backend $app
backend $app
  server vmware 127.0.0.1:${vmware_port[$app]}
  server kvm 127.0.0.1:${kvm_port[$app]} disabled
CONFIG
  done
}

haproxy_up() {
  ours "$state/pids/haproxy$1" || die "haproxy ended: $(tail -n 3 "$state/log/haproxy$1.log")"
  [[ -S $run/haproxy$1.sock ]] && (exec 3<> "/dev/tcp/127.0.0.1/${app_port[app1]}") 2>/dev/null
}

await_haproxies() {
  local n
  for n in $(seq "$haproxies"); do await 10 "haproxy$n" haproxy_up "$n"; done
}

# A reload starts a new worker from the configuration: what was set at run time is lost unless it is in the state file.
reload_haproxies() {
  local file
  for file in "$state"/pids/haproxy*; do
    ours "$file" && kill -USR2 "$(cut -d' ' -f1 "$file")"
  done
}

stop_haproxies() {
  local file
  for file in "$state"/pids/haproxy*; do
    [[ ! -e $file ]] || end "$(basename "$file")"
  done
}
