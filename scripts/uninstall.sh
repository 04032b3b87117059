#!/usr/bin/env bash
# Takes the doorbell off this machine.
#
#   sudo scripts/uninstall.sh           program, units and command; configuration, room and
#                                       certificate are kept, so that the family's link works again
#                                       after another installation
#   sudo scripts/uninstall.sh --purge   everything, with the user homecall and the Debian packages
#                                       that install.sh added and nothing else needs

set -euo pipefail

PROGRAM=/opt/homecall-pi
COMMAND=/usr/local/bin/homecall-pi
SETTINGS=/etc/homecall-pi
TRUSTED=/usr/local/share/ca-certificates/homecall-pi.crt
STATE=/var/lib/homecall-pi
UNITS=/etc/systemd/system

say() { printf '%s\n' "$*"; }
die() {
  printf 'uninstall.sh: %s\n' "$*" >&2
  exit 1
}

remove_units() {
  local unit
  for unit in homecall-pi.service homecall-pi-server.service; do
    if [ -e "$UNITS/$unit" ]; then
      say "stop and remove $unit"
      systemctl -q disable --now "$unit"
      rm "$UNITS/$unit"
    fi
  done
  systemctl daemon-reload
  systemctl reset-failed homecall-pi.service homecall-pi-server.service 2>/dev/null || true
}

remove_trust() {
  if [ ! -e $TRUSTED ]; then return; fi
  say "trust the certificate of its own making no more"
  rm $TRUSTED
  update-ca-certificates --fresh >/dev/null
}

# The packages that nobody asked for and nothing needs now; to be suggested is no need.
unneeded() {
  apt-get -s -o APT::AutoRemove::SuggestsImportant=false autoremove |
    sed -n 's/^Remv \([^ ]*\).*/\1/p' | sort
}

# What install.sh added is marked as not asked for; then all that becomes unneeded by that is ours.
# It is asked for first, since an attempt before this one may have got that far.
remove_packages() {
  local package before added=() ours
  if [ ! -e $SETTINGS/packages ]; then return; fi
  while read -r package; do
    if dpkg-query -W "$package" >/dev/null 2>&1; then added+=("$package"); fi
  done < <(sort -u $SETTINGS/packages)
  if [ ${#added[@]} = 0 ]; then return; fi
  apt-mark manual "${added[@]}" >/dev/null
  before=$(unneeded)
  apt-mark auto "${added[@]}" >/dev/null
  mapfile -t ours < <(comm -13 <(printf '%s\n' "$before") <(unneeded))
  if [ ${#ours[@]} = 0 ]; then return; fi
  say "remove these packages: ${ours[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    purge "${ours[@]}" >/dev/null
}

case ${1:-} in
  "" | --purge) ;;
  -h | --help)
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
    exit
    ;;
  *) die "unknown argument: $1; see --help" ;;
esac
[ "$(id -u)" = 0 ] || die "this has to be run as root: sudo $0 $*"

remove_units
if [ "${1:-}" = --purge ]; then
  remove_trust
  remove_packages
  say "remove $SETTINGS, $STATE and the user homecall"
  rm -rf $SETTINGS $STATE "$UNITS"/homecall-pi{,-server}.service.d
  if getent passwd homecall >/dev/null; then userdel homecall; fi
  # It outlives its user where somebody else was put into it, to command the door.
  if getent group homecall >/dev/null; then groupdel homecall; fi
fi
say "remove $PROGRAM and $COMMAND"
rm -rf $PROGRAM $COMMAND
if [ -e $SETTINGS ]; then say "kept: $SETTINGS and the user homecall; --purge removes them, too"; fi
