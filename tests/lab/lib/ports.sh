# SPDX-License-Identifier: Apache-2.0
# Loopback ports. Sourced by lab.
#
# Guests listen long after start, so a port must stay ours while nothing listens on it. Each lab owns a block of ports
# below the range from which the kernel takes ports for outgoing connections; owning is a directory made atomically.

port_blocks=/tmp/vmferry-lab-ports block_size=64 first_port=20000 block_count=190

reserve_ports() {
  ((apps >= 1 && apps <= 15)) || die "--apps must be 1 to 15"
  mkdir -p -m 1777 "$port_blocks" 2>/dev/null || true
  local try block
  for try in $(seq 200); do
    block=$port_blocks/$((first_port + (RANDOM % block_count) * block_size))
    forget_abandoned "$block"
    mkdir "$block" 2>/dev/null || continue
    ln -s "$state" "$block/owner"
    echo "$block" > "$state/ports"
    next_port=$(basename "$block")
    block_is_quiet "$next_port" && return
    release_ports
  done
  die "no free block of ports"
}

# A block whose owner's state directory no longer names it was left behind.
forget_abandoned() {
  local owner; owner=$(readlink "$1/owner" 2>/dev/null) || return 0
  [[ $(cat "$owner/ports" 2>/dev/null) == "$1" ]] || { rm -f "$1/owner"; rmdir "$1" 2>/dev/null || true; }
}

block_is_quiet() {
  local from=$1 to=$(($1 + block_size))
  ! awk -v from="$from" -v to="$to" '{split($2, at, ":"); p = strtonum("0x" at[2]); if (p >= from && p < to) found = 1} END {exit !found}' \
    /proc/net/tcp 2>/dev/null
}

# Gives the next port of our block in $port.
take_port() { port=$next_port; next_port=$((next_port + 1)); }

release_ports() {
  local block; block=$(cat "$state/ports" 2>/dev/null) || return 0
  rm -f "$block/owner" "$state/ports"; rmdir "$block" 2>/dev/null || true
}

# An application has its entry point at the load balancer, and a port for its guest on each side.
assign_app_ports() {
  declare -gA app_port vmware_port kvm_port
  local app
  for app in $(app_names); do
    take_port; app_port[$app]=$port
    take_port; vmware_port[$app]=$port
    take_port; kvm_port[$app]=$port
    put "${app^^}_URL" "http://127.0.0.1:${app_port[$app]}"
    put "${app^^}_PORT" "${app_port[$app]}"
    put "${app^^}_VMWARE_PORT" "${vmware_port[$app]}"
    put "${app^^}_KVM_PORT" "${kvm_port[$app]}"
  done
}

app_names() { seq -f 'app%g' "$apps"; }
