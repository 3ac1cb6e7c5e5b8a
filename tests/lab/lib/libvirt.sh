# SPDX-License-Identifier: Apache-2.0
# The KVM side. Sourced by lab.
#
# A session daemon of our own on a socket of our own: nothing of the machine's libvirt is touched and several labs can
# run at once. As root libvirtd would be the system's daemon, so there it runs in a user namespace in which root is an
# ordinary user (daemon, which every Debian knows); files of root's remain its own.

start_libvirt() {
  need_command libvirtd; need_command virsh; need_command qemu-system-x86_64
  mkdir -p "$run"/{r,c/libvirt,d} "$(capabilities)" "$state/pool"
  # virtlogd would be one more daemon to care for.
  echo 'stdio_handler = "file"' > "$run/c/libvirt/qemu.conf"
  cp -pr "$cache/libvirt-capabilities/." "$(capabilities)" 2>/dev/null || true
  spawn_libvirtd
}

# What libvirtd found out about QEMU, which takes it some seconds; it checks by itself whether that is still true.
capabilities() { echo "$run/h/libvirt/qemu/cache/capabilities"; }

spawn_libvirtd() {
  local namespace=()
  if ((EUID == 0)); then
    namespace=(unshare --user --map-user=1 --map-group=1)
    "${namespace[@]}" true || die "user namespaces are not allowed here: start the lab as an ordinary user"
  fi
  launch libvirtd env -u DISPLAY HOME="$run" XDG_RUNTIME_DIR="$run/r" XDG_CONFIG_HOME="$run/c" XDG_CACHE_HOME="$run/h" \
    XDG_DATA_HOME="$run/d" PATH="$PATH:/usr/sbin" "${namespace[@]}" libvirtd -p "$run/libvirtd.pid"
}

libvirt_uri() { echo "qemu:///session?socket=$run/r/libvirt/libvirt-sock"; }
ask_libvirt() { virsh -q -c "$(libvirt_uri)" "$@"; }

libvirt_up() {
  ours "$state/pids/libvirtd" || die "libvirtd ended: $(tail -n 3 "$state/log/libvirtd.log")"
  [[ -S $run/r/libvirt/libvirt-sock ]] && ask_libvirt version >/dev/null 2>&1
}

await_libvirt() {
  await 30 libvirtd libvirt_up
  ask_libvirt pool-define-as vmferry dir --target "$state/pool" >/dev/null
  ask_libvirt pool-start vmferry >/dev/null
  ask_libvirt pool-autostart vmferry >/dev/null
  mkdir -p "$cache/libvirt-capabilities"
  cp -pr "$(capabilities)/." "$cache/libvirt-capabilities" 2>/dev/null || true
  put LIBVIRT_URI "$(libvirt_uri)"
  put POOL vmferry
  put POOL_DIR "$state/pool"
  put LIBVIRT_DOMAIN_TYPE qemu
  put INSPECTION_KERNEL "$(readable_kernel || true)"
  local app
  mkdir -p "$state/extra"
  for app in $(app_names); do
    extra_domain_xml "${kvm_port[$app]}" > "$state/extra/$app.xml"
    put "${app^^}_EXTRA_DOMAIN_XML_FILE" "$state/extra/$app.xml"
  done
}

# What a domain with <interface type='user'> needs besides, so that its port 80 is reached on loopback: a second user
# network with the forwarding, and the first card (alias net0) moved to it. The MAC stays where libvirt has it.
extra_domain_xml() {
  cat <<XML
<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <qemu:arg value='-netdev'/>
  <qemu:arg value='user,id=lab0,hostfwd=tcp:127.0.0.1:$1-:80'/>
</qemu:commandline>
<qemu:override xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <qemu:device alias='net0'>
    <qemu:frontend>
      <qemu:property name='netdev' type='string' value='lab0'/>
    </qemu:frontend>
  </qemu:device>
</qemu:override>
XML
}

# The guests outlive the daemon, so each is ended by the id in its own pid file.
stop_libvirt() {
  end libvirtd
  local file pid
  for file in "$run"/r/libvirt/qemu/run/*.pid; do
    [[ -e $file ]] || continue
    pid=$(cat "$file")
    if [[ -n $pid ]] && grep -qaF "$run/" "/proc/$pid/cmdline" 2>/dev/null; then
      remember domain "$pid"; end domain KILL
    fi
  done
}

restart_libvirt() {
  run=$(readlink "$state/run")
  end libvirtd KILL
  rm -f "$run/libvirtd.pid"
  spawn_libvirtd
  await 30 libvirtd libvirt_up
}
