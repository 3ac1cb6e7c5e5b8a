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

# Puts the modules and what they depend on into the root file system $2. Without signature and type information they
# load quicker, and busybox loads plain files only.
copy_modules() {
  local work=$1 root=$2 release into module file copy
  release=$(basename "$work"/kernel/lib/modules/*); into=$root/lib/modules/$release
  mkdir -p "$into"
  depmod -b "$work/kernel" "$release"
  for module in "${guest_modules[@]}"; do
    for file in $(modprobe -d "$work/kernel" -S "$release" --show-depends "$module" 2>/dev/null | awk '$1 == "insmod" {print $2}'); do
      copy=$into/$(basename "${file%%.ko*}").ko
      [[ -e $copy ]] && continue
      unpack_module "$file" > "$copy"
      objcopy --strip-debug -R .BTF "$copy"
    done
  done
  depmod -b "$root" "$release" 2>/dev/null
  find "$into" -name 'modules.*' ! -name modules.dep ! -name modules.alias -delete
}

unpack_module() {
  case $1 in
    *.zst) zstd -qdc "$1" ;;
    *.xz) xz -dc "$1" ;;
    *.gz) gzip -dc "$1" ;;
    *) cat "$1" ;;
  esac
}

# Distributions compress their kernels with xz or zstd, and to unpack them takes QEMU seconds where it has no KVM. This
# makes of $1/vmlinuz the same kernel as LZ4, behind unpack.S. One that is not as we know it stays as it is.
# Offsets are of the header in Documentation/arch/x86/boot.rst of Linux.
repack_kernel() {
  local work=$1 from=$1/vmlinuz to=$1/vmlinuz.lz4 setup address unpacker size
  setup=$((($(header "$from" 0x1f1 1) + 1) * 512))
  address=$(header "$from" 0x258 8)  # pref_address
  kernel_payload "$from" "$setup" > "$work/vmlinux" || return
  [[ $(readelf -hW "$work/vmlinux" | awk '/Entry point/ {print $NF}') == $(printf '0x%x' "$address") ]] || return 1
  objcopy -O binary -R .init.scratch "$work/vmlinux" "$work/flat" && lz4 -lq12 "$work/flat" "$work/payload" || return
  build_unpacker "$work" || return
  unpacker=$(stat -c %s "$work/unpack"); size=$(((unpacker + $(stat -c %s "$work/payload") + 15) / 16))
  ((0x100000 + size * 16 <= address)) || return 1  # it must not overwrite itself

  head -c "$setup" "$from" > "$to"
  set_header "$to" 0x1f4 4 "$size"                               # syssize
  set_header "$to" 0x234 1 0                                     # relocatable_kernel
  set_header "$to" 0x236 2 0                                     # xloadflags: it has the 32-bit entry alone
  set_header "$to" 0x248 4 "$unpacker"                           # payload_offset
  set_header "$to" 0x24c 4 "$(stat -c %s "$work/payload")"       # payload_length
  set_header "$to" 0x264 4 0                                     # handover_offset
  cat "$work/unpack" "$work/payload" >> "$to"
  truncate -s $((setup + size * 16)) "$to"
  mv "$to" "$from"
}

# The ELF file in a kernel file; four bytes with its size follow it.
kernel_payload() {
  local payload=$(($2 + $(header "$1" 0x248 4))) length=$(($(header "$1" 0x24c 4) - 4)) unpack
  case $(header "$1" "$payload" 4) in
    $((0x587a37fd))) unpack='xz -dc' ;;
    $((0xfd2fb528))) unpack='zstd -qdc' ;;
    *) return 1 ;;
  esac
  head -c $((payload + length)) "$1" | tail -c "$length" | $unpack
}

build_unpacker() {
  gcc -O2 -m64 -ffreestanding -mgeneral-regs-only -fno-pic -fno-stack-protector -fcf-protection=none \
    -fno-tree-loop-distribute-patterns -nostdlib -static -no-pie -Wl,--build-id=none,-Ttext=0x100000,-e,start \
    "$here/guest/unpack.S" "$here/guest/unpack.c" -o "$1/unpack.elf" &&
    objcopy -O binary -j .text "$1/unpack.elf" "$1/unpack"
}

# header FILE OFFSET BYTES prints a number, set_header FILE OFFSET BYTES NUMBER writes it: little-endian, like od here.
header() { od -An "-tu$3" -j "$(($2))" -N "$3" "$1" | tr -d ' '; }
set_header() {
  local n bytes=''
  for ((n = 0; n < $3; n++)); do bytes+=$(printf '\\x%02x' $(($4 >> 8 * n & 255))); done
  printf '%b' "$bytes" | dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none
}
