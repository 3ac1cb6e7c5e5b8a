#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a tiny real guest disk (BIOS boot, FAT) that runs a record-keeping web application:
#   GET  /healthz            -> "ok"
#   GET  /cgi-bin/whoami     -> platform the guest runs on (from DMI), its MAC address, its disks and boot id
#   POST /cgi-bin/record     -> appends the body as one line to the disk, syncs, answers the line count
#   GET  /cgi-bin/records    -> all records
#   GET  /cgi-bin/metrics    -> the number of records, as Prometheus reads it
#   GET  /cgi-bin/disk2sum   -> SHA-256 of the second disk, when there is one
#   POST /cgi-bin/sick|well  -> makes /healthz answer 503, or ok again
# It answers guest-ping like a QEMU guest agent, and writes GUEST-READY on its first serial port when it is up.
# It carries VMware (pvscsi, vmxnet3, LSI) and KVM (virtio) drivers and powers off cleanly on the ACPI button.
#
# Usage: make-guest.sh [--deaf] [--sick-on-kvm] [--size MIB] [OUT.raw]
#   --deaf         ignores the ACPI power button
#   --sick-on-kvm  /healthz answers 503 unless the machine is VMware's
# Images are cached in ${VMFERRY_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmferry-lab}; the last line printed is the
# path of the cached image, and OUT.raw, when given, is a sparse copy of it.
# Needs: busybox-static cpio syslinux mtools kmod xz lz4 gcc binutils (zstd where the kernel or its modules are
# compressed so), apt for a kernel.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
cache=${VMFERRY_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmferry-lab}
size=48 flags='' out=''
while (($#)); do
  case $1 in
    --deaf) flags+=' labguest.deaf' ;;
    --sick-on-kvm) flags+=' labguest.sick-on-kvm' ;;
    --size) size=$2; shift ;;
    -*) echo "make-guest.sh: unknown option $1" >&2; exit 2 ;;
    *) out=$(realpath -m "$1") ;;
  esac
  shift
done
. "$here/guest/kernel.sh"
. "$here/guest/image.sh"

# The image depends on these files and options alone, so their digest names it.
digest=$(cat "$here"/make-guest.sh "$here"/guest/*.* <(find "$here/guest/root" -type f | sort | xargs cat) | sha256sum | cut -c1-12)
base=$cache/guest-$digest-$size.raw
image=$cache/guest-$digest-$size${flags// labguest./-}.raw

mkdir -p "$cache"
exec 9>"$cache/guest.lock"; flock 9  # two labs starting at once build one image
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
[[ -f $base ]] || build_image "$work" "$base" "$size"
[[ -f $image ]] || build_variant "$work" "$base" "$image" "$flags"
if [[ -n $out ]]; then rm -f "$out"; cp --sparse=always "$image" "$out"; fi
echo "$image"
