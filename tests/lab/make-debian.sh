#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a small disk that libguestfs takes for a Debian with one kernel: packages, modules, an initramfs. It does not
# boot, and the modules are names alone: only what looks into disks is shown it.
# Usage: make-debian.sh [OPTION WORDS]... OUT.raw
#   --builtin "MODULE..."       what the kernel has in itself
#   --initramfs "MODULE..."     what it finds there before its root
#   --loadable "MODULE..."      what it finds on the disk later
#   --packages "NAME=VERSION..."
# Needs: cpio, e2fsprogs.
set -euo pipefail
kernel=6.1.0-18-amd64 builtin='' initramfs='' loadable='' packages=''
while (($# > 1)); do
  case $1 in
    --builtin) builtin=$2 ;;
    --initramfs) initramfs=$2 ;;
    --loadable) loadable=$2 ;;
    --packages) packages=$2 ;;
    *) echo "make-debian.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
out=$(realpath -m "${1:?make-debian.sh: where to?}")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
tree=$work/tree
modules=$tree/lib/modules/$kernel
early=$work/initramfs/usr/lib/modules/$kernel/kernel
mkdir -p "$tree"/{bin,boot,dev,etc,home,proc,root,sys,tmp,var/lib/dpkg} "$modules" "$early"

echo 12.5 > "$tree/etc/debian_version"
echo 'LABEL=root / ext4 defaults 0 1' > "$tree/etc/fstab"
echo web1 > "$tree/etc/hostname"
for package in $packages; do
  printf 'Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\n\n' \
    "${package%%=*}" "${package#*=}"
done > "$tree/var/lib/dpkg/status"

for name in $builtin; do echo "kernel/$name.ko"; done > "$modules/modules.builtin"
for name in $loadable; do echo "kernel/$name.ko:"; done > "$modules/modules.dep"
for name in $initramfs; do echo module > "$early/$name.ko"; done
(cd "$work/initramfs" && find . | cpio -o -H newc --quiet | gzip) > "$tree/boot/initrd.img-$kernel"

rm -f "$out"; truncate -s 32M "$out"
PATH=$PATH:/usr/sbin mke2fs -q -t ext4 -L root -d "$tree" "$out"
