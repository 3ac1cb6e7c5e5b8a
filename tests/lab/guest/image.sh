# SPDX-License-Identifier: Apache-2.0
# Putting kernel and root file system on a bootable disk. Sourced by make-guest.sh.

build_initrd() {
  local work=$1 root=$1/root
  mkdir -p "$root"/{bin,proc,sys,dev,data,modules}
  cp -r "$here/guest/root/." "$root/"
  cp "$(command -v busybox)" "$root/bin/busybox"
  copy_modules "$work" "$root/modules"
  find "$root" -type f ! -path '*/modules/*' ! -name 'healthz' -exec chmod 755 {} +
  (cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -9) > "$work/initrd.gz"
}

boot_menu() {
  cat <<MENU
SERIAL 0
DEFAULT linux
LABEL linux
  KERNEL vmlinuz
  APPEND initrd=initrd.gz console=ttyS0 quiet panic=5$1
MENU
}

build_image() {
  local work=$1 image=$2 mib=$3
  fetch_kernel "$work"
  build_initrd "$work"
  boot_menu '' > "$work/syslinux.cfg"
  cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
  truncate -s "${mib}M" "$work/disk"
  mformat -i "$work/disk" -v APP ::
  syslinux --install "$work/disk"
  mcopy -i "$work/disk" "$work/vmlinuz" "$work/initrd.gz" "$work/syslinux.cfg" ::
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
