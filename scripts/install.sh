#!/usr/bin/env bash
# Makes this machine a doorbell, from this checkout. Run again, it upgrades and keeps the
# configuration. When a step fails, it is undone, and the version that ran before goes on.
#
#   sudo scripts/install.sh --server wss://call.example.org/signal   with a server elsewhere
#   sudo scripts/install.sh --with-server                            with server and page here
#   sudo scripts/install.sh                                          upgrade
#
# On the first installation, for the configuration:
#   --server URL   the signaling server; with --with-server, this machine's name and the port
#                  [wss://HOSTNAME.local:8443/signal]
#   --room UUID    the room, which only door and family may know [a new one]
#   --name NAME    what the family sees as the caller ["Front door"]
# At any time:
#   --with-server  install the signaling server and the family page as well
#   --cert FILE --key FILE   their certificate chain and key, PEM [a certificate of its own making]
#   --dry-run      print every change and make none
#   --help

set -euo pipefail
umask 022

PROGRAM=/opt/homecall-pi # versions/TIME are virtual environments, venv links to the one in use
COMMAND=/usr/local/bin/homecall-pi
CONFIG=/etc/homecall-pi/config.toml
PACKAGES=/etc/homecall-pi/packages # what was added, for uninstall.sh
TLS=/etc/homecall-pi/tls
TRUSTED=/usr/local/share/ca-certificates/homecall-pi.crt
STATE=/var/lib/homecall-pi
UNITS=/etc/systemd/system
DOOR=homecall-pi.service
SERVER=homecall-pi-server.service

STEPS=6
NEEDED_MB=900
CERT_DAYS=825 # Apple's devices accept none that is good for longer
NEEDED=(python3-venv libopus0 ca-certificates openssl)
# Raspberry Pi OS has all of these, Debian most.
OPTIONAL=(python3-picamera2 python3-lgpio python3-gpiozero python3-pyaudio python3-systemd)

SOURCE=$(cd "$(dirname "$0")/.." && pwd)
server="" room="" name="Front door" with_server=false cert="" key="" dry_run=false
host="" port="" missing=() added=() active=() started=false former="" new=""

. "$SOURCE/scripts/install/steps.sh"
. "$SOURCE/scripts/install/checks.sh"
. "$SOURCE/scripts/install/configuration.sh"

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --server | --room | --name | --cert | --key)
        [ $# -gt 1 ] || die "$1 needs a value; see --help"
        printf -v "${1#--}" %s "$2"
        shift
        ;;
      --with-server) with_server=true ;;
      --dry-run) dry_run=true ;;
      -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        exit
        ;;
      *) die "unknown argument: $1; see --help" ;;
    esac
    shift
  done
}

# take_configuration: what is configured already is kept, so wishes for it come too late.
take_configuration() {
  if $with_server && ! grep -qE '^(tls_cert = "/|behind_proxy = true)' $CONFIG; then
    die "$CONFIG is kept as it is, and is for a server elsewhere. For one here, set in it" \
      "server = \"wss://$(uname -n).local:8443/signal\", and in [serve] host = \"::\"," \
      "tls_cert = \"$TLS/cert.pem\", tls_key = \"$TLS/key.pem\" and rooms = [\"ROOM\"]" \
      "with your room; then run this again"
  fi
  if [ -n "$server$room" ]; then say "$CONFIG is kept: change server and room there"; fi
  server=$(sed -n 's/^server = "\(.*\)".*/\1/p' $CONFIG)
}

remember_what_runs() {
  local unit
  former=$(readlink $PROGRAM/venv || true)
  for unit in $SERVER $DOOR; do
    if systemctl -q is-active "$unit"; then active+=("$unit"); fi
  done
}

install_packages() {
  begin "Debian packages"
  if [ ${#missing[@]} = 0 ]; then
    say "  all are there"
    return
  fi
  change "update the lists of packages" apt_get update
  change "note in $PACKAGES which of these this system has: ${missing[*]}" note_missing
  change "install those" install_missing
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Before they are installed: what a failure leaves behind of them is not missing any more.
note_missing() {
  local package
  for package in "${missing[@]}"; do
    if [[ " ${OPTIONAL[*]} " != *" $package "* ]] || is_known "$package"; then
      added+=("$package")
    fi
  done
  if [ ${#added[@]} = 0 ]; then return; fi
  mkdir -p /etc/homecall-pi
  printf '%s\n' "${added[@]}" >>$PACKAGES
}

install_missing() {
  if [ ${#added[@]} = 0 ]; then return; fi
  apt_get install -y --no-install-recommends "${added[@]}"
}

build() {
  begin "The program; on a small board this takes minutes"
  new=$PROGRAM/versions/$(date -u +%Y%m%dT%H%M%SZ)
  change "make the virtual environment $new" make_environment
  change "install the program and its libraries there" install_program
  change "try whether it starts" "$new/bin/python" -P -c 'import homecall_pi.app, homecall_pi.serve'
}

make_environment() {
  folder $PROGRAM
  folder $PROGRAM/versions
  on_failure rm -rf "$new"
  /usr/bin/python3 -m venv --system-site-packages "$new"
}

install_program() {
  mkdir "$new/tmp" # /tmp may be in memory, and too small
  TMPDIR=$new/tmp "$new/bin/python" -m pip --no-cache-dir --disable-pip-version-check \
    install --progress-bar off "${SOURCE}[pi]"
  rm -r "$new/tmp"
}

make_user() {
  local group
  begin "The user homecall"
  if ! getent passwd homecall >/dev/null; then
    change "add the user and the group homecall" add_user
  fi
  for group in video audio gpio render; do
    if getent group $group >/dev/null && [[ " $(id -nG homecall 2>/dev/null) " != *" $group "* ]]; then
      change "put homecall into the group $group" join_group $group
    fi
  done
}

add_user() {
  on_failure userdel homecall
  on_failure rm -rf $STATE # which systemd makes
  local group=(--user-group)
  if getent group homecall >/dev/null; then group=(--gid homecall); fi
  useradd --system "${group[@]}" --no-create-home --home-dir $STATE --shell /usr/sbin/nologin homecall
}

join_group() {
  on_failure gpasswd -d homecall "$1"
  usermod -aG "$1" homecall
}

configure() {
  begin "The configuration"
  if [ -e $CONFIG ]; then
    say "  $CONFIG is kept as it is"
    change "check it" check_configuration $CONFIG
  else
    change "write $CONFIG, for $server" write_configuration
  fi
  if $with_server; then provide_certificate; fi
}

check_configuration() { "$new/bin/homecall-pi" link --config "$1" >/dev/null; }

write_configuration() {
  configuration >"$scratch/config.toml"
  check_configuration "$scratch/config.toml"
  folder /etc/homecall-pi
  place 0640 homecall $CONFIG <"$scratch/config.toml"
}

units() { if $with_server; then say "$SERVER $DOOR"; else say "$DOOR"; fi; }

switch() {
  local unit
  begin "The switch to this version"
  on_failure return_to_former
  change "let $PROGRAM/venv be $new" link "versions/${new##*/}" $PROGRAM/venv
  change "make the command $COMMAND" link $PROGRAM/venv/bin/homecall-pi $COMMAND
  for unit in $(units); do
    change "write $UNITS/$unit" place 0644 root "$UNITS/$unit" <"$SOURCE/systemd/$unit"
  done
}

return_to_former() {
  systemctl daemon-reload
  if $started && [ ${#active[@]} -gt 0 ]; then systemctl restart "${active[@]}"; fi
}

start() {
  local unit
  begin "The start"
  change "tell systemd of the units" systemctl daemon-reload
  for unit in $(units); do
    change "start $unit, now and at each boot" start_unit "$unit"
  done
}

start_unit() {
  systemctl -q is-enabled "$1" 2>/dev/null || on_failure systemctl -q disable --now "$1"
  started=true
  systemctl -q enable "$1"
  systemctl reset-failed "$1" 2>/dev/null || true # it may have been given up
  if ! systemctl restart "$1"; then
    journalctl --unit="$1" --lines=10 --output=cat --no-pager
    return 1
  fi
}

remove_former() {
  local version
  step="" # all is done, and nothing undone any more
  for version in "$PROGRAM"/versions/*; do
    if [ -e "$version" ] && [ "$version" != "$new" ]; then
      change "remove the former version $version" rm -r "$version"
    fi
  done
}

report() {
  bold "Done. The family's link; whoever has it can answer the door:"
  $COMMAND link
  if $with_server && [ -e $TRUSTED ]; then warn_of_certificate; fi
  bold "How the door is, as \`homecall-pi doctor\` tells at any time:"
  $COMMAND doctor || say "What needs your hand is named above."
}

warn_of_certificate() {
  bold "The certificate is of this machine's own making, so each browser warns of it, once:"
  say "  Chrome, Edge: \"Your connection is not private\": Advanced, Proceed"
  say "  Firefox: \"Potential Security Risk Ahead\": Advanced, Accept the Risk"
  say "  Safari: \"This Connection Is Not Private\": Show Details, visit this website. iPhones and"
  say "  iPads may refuse the line to the door even then, and need a certificate that they know."
  say "There is no way without one: browsers open the microphone for encrypted pages alone."
  say "Its fingerprint: $(openssl x509 -in $TRUSTED -noout -fingerprint -sha256 | cut -d= -f2)"
  say "It is good until $(openssl x509 -in $TRUSTED -noout -enddate | cut -d= -f2); each upgrade in the"
  say "last 60 days renews it. To have one that browsers know: --cert FILE --key FILE."
}

parse "$@"
check_system
if [ -e "$UNITS/$SERVER" ]; then with_server=true; fi
check_certificate
if [ -e $CONFIG ]; then take_configuration; else check_wishes; fi
if [[ $server =~ ^wss://(\[.*\]|[^:/]*)(:([0-9]+))?/ ]]; then
  host=${BASH_REMATCH[1]} port=${BASH_REMATCH[3]:-443}
fi
scratch=$(mktemp -d)
trap finish EXIT
trap 'exit 130' INT HUP TERM
find_missing
check_space
check_network
remember_what_runs

install_packages
build
make_user
configure
switch
start
remove_former
if $dry_run; then say "This was a dry run: nothing is changed."; else report; fi
