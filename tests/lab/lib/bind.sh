# SPDX-License-Identifier: Apache-2.0
# Name servers: a primary, and a secondary that follows it in lab.test and frozen.test. Sourced by lab.
#
# lab.test takes updates with the key vmferry.lab, frozen.test takes none, ruled.test only those of the A record of its
# `app`; of split.test both are primaries, so that they agree only when somebody changes both. Each zone has the name
# `app`, and one for each application with a TTL that is short enough to be waited out.

start_binds() {
  need_command named; need_command tsig-keygen
  local dir=$state/bind n zone
  mkdir -p "$dir/1" "$dir/2"; chmod 700 "$dir"
  # AppArmor binds /usr/sbin/named, by its path, to the system's own folders.
  cp "$(PATH=$PATH:/usr/sbin command -v named)" "$dir/named"
  (umask 077; PATH=$PATH:/usr/sbin tsig-keygen -a hmac-sha256 vmferry.lab > "$dir/key.conf"
    sed -n 's/.*secret "\(.*\)";/\1/p' "$dir/key.conf" > "$dir/secret")
  take_port; bind_port[1]=$port
  take_port; bind_port[2]=$port
  for zone in lab.test frozen.test ruled.test split.test; do bind_zone > "$dir/1/$zone.zone"; done
  bind_zone > "$dir/2/split.test.zone"
  for n in 1 2; do bind_config "$n" > "$dir/$n/named.conf"; done
  launch_bind 1
  put BIND "127.0.0.1:${bind_port[1]}"
  put BIND2 "127.0.0.1:${bind_port[2]}"
  put BIND_KEY_NAME vmferry.lab
  put BIND_KEY_FILE "$dir/key.conf"
  put BIND_SECRET_FILE "$dir/secret"
}

declare -gA bind_port=()

launch_bind() { launch "bind$1" "$state/bind/named" -g -n 1 -c "$state/bind/$1/named.conf"; }

bind_zone() {
  cat <<ZONE
\$TTL 300
@ IN SOA ns1 admin 1 60 5 3600 30
@ IN NS ns1
ns1 IN A 127.0.0.1
app 300 IN A 127.0.0.1
$(for app in $(app_names); do echo "$app 6 IN A 127.0.0.1"; done)
ZONE
}

# Every path inside the folder; no control channel.
bind_config() {
  local n=$1 dir=$state/bind/$1 zone primary=${bind_port[1]} notify="also-notify { 127.0.0.1 port ${bind_port[2]}; };"
  cat <<CONFIG
include "$state/bind/key.conf";
options {
  directory "$dir";
  pid-file "$dir/named.pid";
  session-keyfile "$dir/session.key";
  lock-file none;
  listen-on port ${bind_port[$n]} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
  allow-transfer { key vmferry.lab; };
  notify explicit;
  notify-delay 0;
  min-refresh-time 1;
};
controls { };
zone split.test { type primary; file "split.test.zone"; allow-update { key vmferry.lab; }; };
CONFIG
  if ((n == 1)); then
    echo "zone lab.test { type primary; file \"lab.test.zone\"; allow-update { key vmferry.lab; }; $notify };"
    echo 'zone ruled.test { type primary; file "ruled.test.zone";' \
      'update-policy { grant vmferry.lab name app.ruled.test. A; }; };'
    echo "zone frozen.test { type primary; file \"frozen.test.zone\"; $notify };"
  else
    for zone in lab.test frozen.test; do
      echo "zone $zone { type secondary; file \"$zone.zone\";" \
        "primaries { 127.0.0.1 port $primary key vmferry.lab; }; };"
    done
  fi
}

bind_up() {
  ours "$state/pids/bind$1" || die "named ended: $(tail -n 3 "$state/log/bind$1.log")"
  dig @127.0.0.1 -p "${bind_port[$1]}" +tcp +tries=1 +time=1 +noall +answer "$2" SOA 2>/dev/null | grep -q SOA
}

# The secondary starts when all of the primary answers: one that asks too early asks again only after a minute.
await_binds() {
  local zone
  for zone in lab.test frozen.test ruled.test split.test; do await 20 bind1 bind_up 1 "$zone"; done
  launch_bind 2
  for zone in lab.test frozen.test split.test; do await 20 bind2 bind_up 2 "$zone"; done
}

stop_binds() { local n; for n in 1 2; do end "bind$n"; done; }
