# SPDX-License-Identifier: Apache-2.0
# Finding a kernel and its modules. Sourced by make-guest.sh.

guest_modules=(virtio_pci virtio_blk virtio_net virtio_scsi vmw_pvscsi mptspi ahci ata_piix sd_mod vmxnet3 e1000 e1000e
               vfat nls_cp437 nls_ascii button evdev virtio_console)

# Debian's linux-image-amd64 and Ubuntu's linux-image-generic are empty packages that depend on the real one.
kernel_package() {
  local meta name
  for meta in linux-image-amd64 linux-image-generic; do
    name=$(apt-cache depends "$meta" 2>/dev/null | awk '/Depends: linux-image-[0-9]/ {print $2; exit}')
    if [[ -n $name ]]; then echo "$name"; return; fi
  done
  return 1
}

# Unpacks a kernel with its modules under $1/kernel. Ubuntu keeps modules in packages of their own.
fetch_kernel() {
  local work=$1 image part
  image=$(kernel_package) || { take_running_kernel "$work"; return; }
  (
    cd "$work"
    apt-get download -q "$image" >/dev/null 2>&1
    for part in linux-modules linux-modules-extra; do
      apt-get download -q "${image/linux-image/$part}" >/dev/null 2>&1 || true
    done
    for part in ./*.deb; do dpkg-deb -x "$part" kernel; done
  )
}

# Without a package archive the kernel this machine runs will do, if we may read it.
take_running_kernel() {
  local work=$1 release; release=$(uname -r)
  [[ -r /boot/vmlinuz-$release && -d /lib/modules/$release ]] ||
    { echo "make-guest.sh: no linux-image package in apt's lists (apt-get update?), no readable /boot/vmlinuz-$release" >&2; return 1; }
  mkdir -p "$work/kernel/boot" "$work/kernel/lib/modules"
  cp "/boot/vmlinuz-$release" "$work/kernel/boot/"
  cp -r "/lib/modules/$release" "$work/kernel/lib/modules/"
}

# Copies the modules and what they depend on to $2, numbered in load order. Busybox loads plain files only.
copy_modules() {
  local work=$1 into=$2 release module file name n=100
  release=$(basename "$work"/kernel/lib/modules/*)
  depmod -b "$work/kernel" "$release"
  for module in "${guest_modules[@]}"; do
    for file in $(modprobe -d "$work/kernel" -S "$release" --show-depends "$module" 2>/dev/null | awk '$1 == "insmod" {print $2}'); do
      name=$(basename "$file"); name=${name%%.ko*}.ko
      compgen -G "$into/*_$name" >/dev/null && continue
      unpack_module "$file" > "$into/${n}_$name"; n=$((n + 1))
    done
  done
}

unpack_module() {
  case $1 in
    *.zst) zstd -qdc "$1" ;;
    *.xz) xz -dc "$1" ;;
    *.gz) gzip -dc "$1" ;;
    *) cat "$1" ;;
  esac
}
