# SPDX-License-Identifier: Apache-2.0
# Backups: a restic repository of the lab's own, with a first backup of each application's data. Sourced by lab.
#
# `lab backup` is the nightly job of the source: the disks of its VMs, running or not.

make_restic_repository() {
  need_command restic
  local app
  mkdir -p "$state/restic/work"
  (umask 077; od -An -N12 -tx1 /dev/urandom | tr -d ' \n' > "$state/restic/password")
  ask_restic init >/dev/null
  for app in $(app_names); do
    make_application_data "$state/restic/$app"
    ask_restic backup --quiet --host "$app" --tag lab "$state/restic/$app"
    put "${app^^}_DATA" "$state/restic/$app"
  done
  put RESTIC_REPOSITORY "$state/restic/repository"
  put RESTIC_PASSWORD_FILE "$state/restic/password"
  put RESTIC_WORK "$state/restic/work"
}

back_up_sources() {
  [[ -f $state/restic/password && -f $state/env ]] || die "there is no repository: start with --only ...,vcenter,restic"
  local app disk
  . "$state/env"
  for app in $(seq -f 'app%g' "$LAB_APPS"); do
    disk=${app^^}_SOURCE_DISK
    ask_restic backup --quiet --host "$app" --tag nightly "${!disk}"
    echo "lab: $app has a backup of ${!disk}"
  done
}

ask_restic() {
  restic --repo "$state/restic/repository" --password-file "$state/restic/password" --no-cache "$@"
}

# Some small files and one of 3 MiB that cannot be compressed, which is what a test damages.
make_application_data() {
  mkdir -p "$1/orders"
  seq 100 | sed 's/^/order /' > "$1/orders/2026.txt"
  echo "settings of $(basename "$1")" > "$1/settings"
  head -c $((3 << 20)) /dev/urandom > "$1/blob"
}
