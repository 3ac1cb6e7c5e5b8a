#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The KVM target and the load balancer of a started lab. Usage: kvm.sh DIR/env GUEST.raw SICK-GUEST.raw
set -euo pipefail
. "$1"
image=$2 sick_image=$3 name=app2 mac=00:0c:29:aa:bb:cc
virsh() { command virsh -q -c "$LIBVIRT_URI" "$@"; }
until_true() {
  local limit=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < limit)) || { echo "not in time: $*" >&2; exit 1; }; sleep 0.1; done
}
is_sick() { [[ $(curl -s -m 3 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$APP2_KVM_PORT/healthz") == 503 ]]; }
is_off() { [[ $(virsh domstate "$name") == 'shut off'* ]]; }
balancer_says_down() { ! curl -fs -m 2 -o /dev/null "$APP2_URL/cgi-bin/whoami"; }
balancer() { python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode() + b"\n")
while data := s.recv(65536): sys.stdout.write(data.decode())' "$HAPROXY_SOCKET" "$1"; }
balancer_tcp() { exec 3<> "/dev/tcp/${HAPROXY_TCP/://}"; echo "$1" >&3; cat <&3; exec 3>&-; }

qemu-img convert -O qcow2 "$image" "$POOL_DIR/$name.qcow2"
command virsh -q -c "$LIBVIRT_URI" define /dev/stdin <<XML
<domain type='$LIBVIRT_DOMAIN_TYPE'>
  <name>$name</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$POOL_DIR/$name.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <interface type='user'><mac address='$mac'/><model type='virtio'/></interface>
  </devices>
$(cat "$APP2_EXTRA_DOMAIN_XML_FILE")
</domain>
XML
virsh start "$name"
until_true 60 curl -fs -o /dev/null -m 2 "http://127.0.0.1:$APP2_KVM_PORT/healthz"
curl -fs "http://127.0.0.1:$APP2_KVM_PORT/cgi-bin/whoami" | grep "vendor=QEMU.* mac=$mac" >/dev/null
echo "ok the guest runs on KVM with its MAC"

! curl -fs -m 2 "$APP2_URL/healthz" >/dev/null
balancer 'show servers state app2' | grep ' kvm ' >/dev/null
balancer_tcp 'set server app2/kvm state ready' >/dev/null
until_true 10 curl -fs -m 2 -o /dev/null "$APP2_URL/healthz"
curl -fs "$APP2_URL/cgi-bin/whoami" | grep vendor=QEMU >/dev/null
curl -fs -X POST -d '' "$APP2_URL/cgi-bin/sick" >/dev/null
until_true 10 is_sick
until_true 10 balancer_says_down
curl -fs -X POST -d '' "http://127.0.0.1:$APP2_KVM_PORT/cgi-bin/well" >/dev/null
until_true 10 curl -fs -m 2 -o /dev/null "$APP2_URL/healthz"
echo "ok the load balancer sends to it, and not when it is sick"

virsh shutdown "$name"
until_true 20 is_off
echo "ok it shuts down on request"

qemu-img convert -O qcow2 "$sick_image" "$POOL_DIR/$name.qcow2"
virsh start "$name"
until_true 60 is_sick
echo "ok a guest can be sick on KVM only"  # and is left running, for stop to end
