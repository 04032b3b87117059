# shellcheck shell=bash
# Sourced by install.sh: what has to hold before anything is changed.

check_system() {
  local ID="" VERSION_ID="" PRETTY_NAME="an unknown system" processor
  # shellcheck source=/dev/null
  . /etc/os-release
  processor=$(dpkg --print-architecture 2>/dev/null || uname -m)
  case $processor in
    arm64 | amd64) ;;
    arm* | i?86) die "this system is a 32-bit one; install Raspberry Pi OS (64-bit)" ;;
    *) die "this is a processor of kind $processor; a 64-bit ARM or PC is needed" ;;
  esac
  case $ID-$VERSION_ID in
    debian-12 | debian-13) bold "Installing on $PRETTY_NAME, $processor" ;;
    *) die "this is $PRETTY_NAME; Raspberry Pi OS or Debian, version 12 or 13, is needed" ;;
  esac
  [ "$(id -u)" = 0 ] || die "this has to be run as root: sudo $0"
  [ -d /run/systemd/system ] || die "systemd does not run here, and the door is started by it"
}

check_wishes() {
  local host='([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])'
  if [ -z "$server" ]; then
    $with_server || die "which signaling server? Give --server wss://HOST/signal, or --with-server" \
      "to have one here"
    server=wss://$(uname -n).local:8443/signal
  fi
  [[ $server =~ ^wss://$host(:([1-9][0-9]{0,4}))?(/[A-Za-z0-9_.~-]+)+$ ]] &&
    [ "${BASH_REMATCH[4]:-443}" -le 65535 ] ||
    die "--server $server is no address of a signaling server; give wss://HOST[:PORT]/signal"
  if $with_server && [[ ! $server =~ :([1-9][0-9]{3,4})/signal$ || ${BASH_REMATCH[1]} -lt 1024 ]]; then
    die "--server $server: the server here needs a port from 1024 up and the path /signal, as in" \
      "wss://door.example.org:8443/signal; to have port 443, put a proxy in front of it"
  fi
  if [ -n "$room" ] && [[ ! $room =~ ^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$ ]]; then
    die "--room is no UUID; leave it out to get a new one"
  fi
  if [ -z "$name" ] || [[ $name == *[[:cntrl:]]* ]]; then
    die '--name has to be one line of text, as in --name "Front door"'
  fi
  if [ "$(printf %s "$name" | LC_ALL=C.UTF-8 wc -m)" -gt 64 ]; then
    die "--name has more than 64 characters; give a shorter one"
  fi
}

check_certificate() {
  local file of_cert of_key
  if [ -z "$cert$key" ]; then return; fi
  $with_server || die "--cert and --key are the server's; give --with-server, too"
  if [ -z "$cert" ] || [ -z "$key" ]; then die "--cert and --key go together; give both"; fi
  for file in "$cert" "$key"; do
    grep -qs -e '^-----BEGIN ' "$file" || die "$file is no readable PEM file"
  done
  if ! command -v openssl >/dev/null; then return; fi # it comes later, and the server looks, too
  of_cert=$(openssl x509 -in "$cert" -noout -pubkey 2>/dev/null) || die "$cert holds no certificate"
  of_key=$(openssl pkey -in "$key" -passin pass: -pubout 2>/dev/null) ||
    die "$key holds no key, or one with a passphrase: openssl pkey -in $key -out NEW"
  [ "$of_cert" = "$of_key" ] || die "the key $key does not belong to the certificate $cert"
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

knows_packages() { compgen -G "/var/lib/apt/lists/*_Packages*" >/dev/null; }

is_known() { apt-cache show "$1" >/dev/null 2>&1; }

find_missing() {
  local package
  # The name of a machine at home, NAME.local, is announced by avahi and found by libnss-mdns.
  if $with_server && [[ $host == *.local ]]; then NEEDED+=(avahi-daemon libnss-mdns); fi
  for package in "${NEEDED[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  for package in "${OPTIONAL[@]}"; do
    # Before the first installation, apt may not know yet what there is.
    is_installed "$package" ||
      { [ ${#missing[@]} = 0 ] && knows_packages && ! is_known "$package"; } ||
      missing+=("$package")
  done
}

check_space() {
  local folder=/opt free
  [ -d /opt ] || folder=/
  free=$(df --output=avail -BM "$folder" | tail -n 1 | tr -dc 0-9)
  [ "$free" -ge $NEEDED_MB ] ||
    die "the disk of $folder has $free MB free and needs $NEEDED_MB MB; make room, or take a larger card"
}

# What is installed already needs no network, nor do packages on a disk of this machine.
check_network() {
  local address
  if [ ${#missing[@]} = 0 ] && [ -n "${PIP_NO_INDEX:-}" ]; then return; fi
  address=$(apt-get --print-uris update 2>/dev/null |
    sed -n "s,^'\(https\?://[^']*\)'.*,\1,p") || true
  address=${address%%$'\n'*} # the first; a pipe that ends early would fail
  if [ -z "$address" ]; then return; fi
  timeout 60 /usr/lib/apt/apt-helper -o Acquire::Retries=0 -o APT::Sandbox::User=root \
    download-file "$address" "$scratch/index" >/dev/null 2>&1 ||
    die "no network: $address cannot be fetched; look at the cable or the Wi-Fi (\`ip address\`) and" \
      "at the clock (\`date\`)"
}
