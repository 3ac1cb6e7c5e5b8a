# SPDX-License-Identifier: Apache-2.0
# The vCenter side. Sourced by lab.

# The Go tool, new enough for the module: on PATH, or where Debian's and Ubuntu's versioned packages put it. An older
# one will do when it can fetch a newer toolchain through the module proxy.
find_go() {
  local go
  for go in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-1.{27,26,25,24,23}/bin/go; do
    [[ -x $go ]] && "$go" version | grep -Eq 'go1\.(2[3-9]|[3-9][0-9])' && { echo "$go"; return; }
  done
  for go in "$(command -v go || true)" /usr/lib/go-1.2{2,1}/bin/go; do
    [[ -x $go ]] && "$go" version | grep -Eq 'go1\.2[12]' && { echo "$go"; return; }
  done
  die "Go 1.23 or newer is missing: run 'lab install'"
}

# Builds labvc once per version of its sources; sets $labvc.
build_labvc() {
  local digest go
  digest=$(cd "$here/vcenter" && cat ./*.go go.mod go.sum | sha256sum | cut -c1-12)
  labvc=$cache/labvc-$digest
  [[ -x $labvc ]] && return
  mkdir -p "$cache"
  go=$(find_go)
  echo "lab: building labvc"
  (cd "$here/vcenter" && GOTOOLCHAIN=auto GOFLAGS=-buildvcs=false "$go" build -o "$labvc.part.$$" .)
  mv "$labvc.part.$$" "$labvc"
}

start_vcenter() {
  need_command qemu-system-x86_64; need_command qemu-img
  build_labvc
  mkdir -p "$state/vc"
  (umask 077; od -An -N12 -tx1 /dev/urandom | tr -d ' \n' > "$state/password")
  vm_arguments
  local more; read -ra more <<< "$vc_args"
  launch labvc "$labvc" -state "$state/vc" -run "$run" -user lab -password-file "$state/password" "${vms[@]}" "${more[@]}"
}

# Sets $vms, the -vm arguments.
vm_arguments() {
  local app image; vms=()
  for app in $(app_names); do
    image=$(guest_image "${variant[$app]:-}")
    vms+=(-vm "name=$app,guest=$image,port=${vmware_port[$app]},cbt=on${folder[$app]:+,folder=${folder[$app]}}$(disk2_argument "$app")")
    put "${app^^}_VM_PATH" "$(inventory_root)/vm/${folder[$app]:+${folder[$app]}/}$app"
  done
  for app in "${duplicates[@]}"; do
    vms+=(-vm "name=$app,guest=$(guest_image ''),folder=Duplicates")
    put "${app^^}_DUPLICATE_VM_PATH" "$(inventory_root)/vm/Duplicates/$app"
  done
}

guest_image() {
  local kind flags=()
  for kind in ${1//+/ }; do flags+=("--$kind"); done
  "$here/make-guest.sh" --size "$guest_size" "${flags[@]}" | tail -n 1
}

# The second disk, when asked for: a file of ours, or a made one with random and zero regions.
disk2_argument() {
  local want=${disk2[$1]:-} file
  [[ -n $want ]] || return 0
  file=$want
  if [[ $want =~ ^[0-9]+$ ]]; then
    file=$state/disk2/$1.raw
    mkdir -p "$state/disk2"
    make_patchy_disk "$file" "$want"
  fi
  echo ",disk2=$(realpath "$file")"
}

# Every fourth MiB is random, beginning with the second; the rest are holes.
make_patchy_disk() {
  local at
  truncate -s "${2}M" "$1"
  for ((at = 1; at < $2; at += 4)); do
    dd if=/dev/urandom of="$1" bs=1M count=1 seek="$at" conv=notrunc status=none
  done
}

inventory_root() { if [[ " $vc_args " == *' -esx '* ]]; then echo /ha-datacenter; else echo /DC0; fi; }

vcenter_up() {
  ours "$state/pids/labvc" || die "labvc ended: $(tail -n 3 "$state/log/labvc.log")"
  [[ -s $state/vc/control-url && -s $state/vc/url ]]
}

await_vcenter() {
  await 30 labvc vcenter_up
  put VC_URL "$(cat "$state/vc/url")"
  put VC_USER lab
  put VC_PASSWORD_FILE "$state/password"
  put VC_CA "$state/vc/ca.pem"
  put VC_THUMBPRINT "$(cat "$state/vc/thumbprint")"
  put VC_CONTROL "$(cat "$state/vc/control-url")"
  put VC_DATACENTER "$(basename "$(inventory_root)")"
  put VC_DATASTORE LocalDS_0
  put VC_NETWORK "VM Network"
  put_source_disks
}

# Where the first disk of each application's VM really lies: what a backup product of the source reads.
put_source_disks() {
  curl -sf -m 10 "$(cat "$state/vc/control-url")/vms" | python3 -c '
import json, os, sys
for vm in json.load(sys.stdin):
    if os.path.dirname(vm["path"]).rsplit("/", 1)[-1] != "Duplicates":
        print(vm["name"].upper() + "_SOURCE_DISK", vm["disks"][0]["path"])' |
    while read -r variable path; do put "$variable" "$path"; done
}

stop_vcenter() { end labvc; }  # its guests end with it
