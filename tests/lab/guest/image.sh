# SPDX-License-Identifier: Apache-2.0
# Putting kernel and root file system on a bootable disk. Sourced by make-guest.sh.

build_initrd() {
  local work=$1 root=$1/root
  mkdir -p "$root"/{bin,proc,sys,dev,data}
  cp -r "$here/guest/root/." "$root/"
  cp "$(command -v busybox)" "$root/bin/busybox"
  copy_modules "$work" "$root"
  find "$root" -type f ! -path '*/lib/modules/*' ! -name 'healthz' -exec chmod 755 {} +
  (cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet | lz4 -lq12) > "$work/initrd"
}

# What the kernel need not do here: look whether timers work (which fails when the machine is busy), test its own
# cryptography (0.7 s), protect its memory, read certificates (0.1 s each).
boot_menu() {
  local spare='no_timer_check cryptomgr.notests rodata=off initcall_blacklist=load_system_certificate_list'
  cat <<MENU
SERIAL 0
DEFAULT linux
LABEL linux
  KERNEL vmlinuz
  APPEND initrd=initrd console=ttyS0 quiet panic=5 $spare$1
MENU
}

build_image() {
  local work=$1 image=$2 mib=$3
  fetch_kernel "$work"
  build_initrd "$work"
  boot_menu '' > "$work/syslinux.cfg"
  cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
  repack_kernel "$work" || echo "make-guest.sh: this kernel stays compressed as it is, and boots more slowly" >&2
  truncate -s "${mib}M" "$work/disk"
  mformat -i "$work/disk" -v APP ::
  syslinux --install "$work/disk"
  mcopy -i "$work/disk" "$work/vmlinuz" "$work/initrd" "$work/syslinux.cfg" ::
  install_image "$work/disk" "$image"
}

# A variant differs from the base in its kernel command line alone.
build_variant() {
  local work=$1 from=$2 image=$3 flags=$4
  cp --sparse=always "$from" "$work/disk"
  boot_menu "$flags" > "$work/syslinux.cfg"
  mcopy -o -i "$work/disk" "$work/syslinux.cfg" ::
  install_image "$work/disk" "$image"
}

# Appears under its name only when it is complete.
install_image() { cp --sparse=always "$1" "$2.part" && mv "$2.part" "$2"; }
