# shellcheck shell=bash
# Sourced by the other scripts, from the project's root: brings in what they need, once.

VENV=$PWD/.venv

# Where nft and ip are; a user who has sudo may not look there.
PATH=$PATH:/usr/sbin:/sbin

# The tests start Python hundreds of times: it is to keep what it has compiled.
unset PYTHONDONTWRITEBYTECODE

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# apt_install PACKAGE...: installs Debian packages, as root or through sudo.
apt_install() {
  command -v apt-get >/dev/null || die "install these by hand, there is no apt-get here: $*"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "run this as root once, it has to install: $*"
  say "installing $*"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# as_root COMMAND...: runs it as root, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need COMMAND PACKAGE...: makes sure that COMMAND is there.
need() {
  command -v "$1" >/dev/null || apt_install "${@:2}"
}

# set_up_venv EXTRA: a virtual environment with the project, editable, and its EXTRA (door or dev).
set_up_venv() {
  local extra=$1 wanted
  need python3 python3
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "Python 3.11 or newer is needed, this is $(python3 --version)"
  # The same whether or not the environment is activated.
  wanted="$(python3 -c 'import sys; print(sys.base_prefix, sys.version)') $(sha256sum pyproject.toml)"
  if [ "$(cat "$VENV/wanted$extra" 2>/dev/null)" = "$wanted" ]; then return; fi
  # The voice's codec is a C library that no Python package brings along.
  [[ $(/sbin/ldconfig -p) == *libopus.so.0* ]] || apt_install libopus0
  # PyAudio, which the tests need, is on PyPI as source alone.
  if [ "$extra" = dev ]; then
    [ -e /usr/include/portaudio.h ] || apt_install portaudio19-dev gcc python3-dev
  fi
  say "setting up the virtual environment .venv"
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
  python3 -m venv "$VENV"
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check -e ".[$extra]"
  echo "$wanted" >"$VENV/wanted$extra"
}

# set_up_sound: what a sound card without hardware is made of.
set_up_sound() {
  need pulseaudio pulseaudio pulseaudio-utils
  compgen -G "/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so" >/dev/null ||
    apt_install libasound2-plugins
}

# set_up_turn: a TURN server for the tests alone; the package would have it serve everybody.
set_up_turn() {
  need ss iproute2
  if command -v turnserver >/dev/null; then return; fi
  apt_install coturn
  # There may be no systemd, or none that runs.
  as_root systemctl disable --quiet --now coturn 2>/dev/null || true
}

# set_up_network: what networks without hardware are made of.
set_up_network() {
  need ip iproute2
  need nft nftables
  need conntrack conntrack
  need certutil libnss3-tools
  compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" >/dev/null || apt_install libfaketime
  set_up_turn
}

# set_up_machines: what boots a bare Debian in a container.
set_up_machines() {
  need systemd-nspawn systemd-container
  need mmdebstrap mmdebstrap
  need zstd zstd
}

# set_up_browser: Chromium, with a font for the page's signs.
set_up_browser() {
  need chromium chromium fonts-dejavu-core fonts-noto-color-emoji
}
