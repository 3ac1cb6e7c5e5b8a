# SPDX-License-Identifier: Apache-2.0
# Packages. Sourced by lab.

# Debian 12's own Go is too old for labvc; its backports have 1.23.
lab_packages() {
  echo qemu-system-x86 qemu-utils libvirt-daemon libvirt-daemon-system libvirt-clients haproxy
  echo bind9 bind9-dnsutils
  echo restic borgbackup
  echo openssh-client openssh-server
  echo busybox-static cpio syslinux mtools kmod zstd xz-utils lz4 gcc curl python3 util-linux ca-certificates
  echo prometheus prometheus-alertmanager
  echo iproute2 iptables e2fsprogs guestfs-tools libguestfs-tools
  # libguestfs starts a kernel of this machine; where there is none, the distribution's small one.
  compgen -G '/boot/vmlinuz*' >/dev/null && return
  if apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1; then echo linux-image-cloud-amd64; else echo linux-image-virtual; fi
}

install_packages() {
  local missing=() package sudo=''
  has_command apt-get || die "this machine has no apt: install by hand: $(lab_packages | tr '\n' ' ')"
  for package in $(lab_packages); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((EUID == 0)) || sudo=sudo
  if ((${#missing[@]})); then
    echo "lab: installing ${missing[*]}"
    $sudo apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
  fi
  readable_kernel >/dev/null || keep_kernel "$sudo"
  install_go "$sudo"
  echo "lab: everything needed is installed"
}

# A kernel for libguestfs' machine whose modules are here: Ubuntu lets only root read those of /boot.
readable_kernel() {
  local kernel
  for kernel in /boot/vmlinuz-* "$cache"/vmlinuz-*; do
    if [[ -r $kernel && -d /lib/modules/${kernel##*/vmlinuz-} ]]; then echo "$kernel"; return; fi
  done
  return 1
}

# Keeps a copy that we may read.
keep_kernel() {
  local kernel
  mkdir -p "$cache"
  for kernel in /boot/vmlinuz-*; do
    [[ -d /lib/modules/${kernel##*/vmlinuz-} ]] || continue
    $1 install -m 644 "$kernel" "$cache/"
    return
  done
}

install_go() {
  local package
  (find_go) >/dev/null 2>&1 && return
  for package in golang-1.24-go golang-1.23-go; do
    if apt-cache show "$package" >/dev/null 2>&1; then
      echo "lab: installing $package"
      $1 env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$package" && return
    fi
  done
  install_go_from_backports "$1" || die "no Go 1.23 here: put a go >= 1.23 on PATH"
}

# Debian 12 has it in its backports. They are read from a source list of our own, on the mirror that apt uses already;
# the machine's own sources stay as they are.
install_go_from_backports() {
  local uri list options
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | sort -u | head -n 1)
  [[ -n $uri ]] || return 1
  list=$(mktemp); chmod 644 "$list"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri bookworm-backports main" > "$list"
  options=(-o "Dir::Etc::sourcelist=$list" -o APT::Get::List-Cleanup=0)
  echo "lab: installing golang-1.23-go from bookworm-backports"
  $1 apt-get -q "${options[@]}" -o Dir::Etc::sourceparts=- update >/dev/null
  $1 env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -q -y --no-install-recommends \
    -t bookworm-backports golang-1.23-go
  local code=$?
  rm -f "$list"
  return $code
}
