# shellcheck shell=bash
# Sourced by install.sh: the configuration file, made for this machine, and the certificate.

# Prints config/config.toml with what is known of this machine filled in.
configuration() {
  local line section="" key value room=${room:-$(</proc/sys/kernel/random/uuid)}
  while IFS= read -r line; do
    if [[ $line =~ ^\[([a-z]+)\] ]]; then section=${BASH_REMATCH[1]}.; fi
    if [[ $line =~ ^([a-z_]+)\ =\ (\"[^\"]*\"|[0-9]+|\[\])(.*)$ ]]; then
      key=${BASH_REMATCH[1]} value=$(known "$section${BASH_REMATCH[1]}")
      line="$key = ${value:-${BASH_REMATCH[2]}}${BASH_REMATCH[3]}"
    fi
    printf '%s\n' "$line"
  done <"$SOURCE/config/config.toml"
}

# known KEY: prints the value in TOML that this machine or a flag gives it, if any.
known() {
  case $1 in
    server) quoted "$server" ;;
    room) quoted "$room" ;;
    key) quoted "$("$new/bin/homecall-pi" new-key)" ;;
    name) quoted "$name" ;;
    panel.source) if is_raspberry_pi_os; then quoted gpio; fi ;;
    camera.source) if has_webcam; then quoted v4l2; elif is_raspberry_pi_os; then quoted picamera2; fi ;;
    camera.device) if has_webcam; then quoted "$(webcam)"; fi ;;
    microphone.source) if has_sound c; then quoted pyaudio; fi ;;
    speaker.source) if has_sound p; then quoted pyaudio; fi ;;
    serve.host) if $with_server; then quoted ::; fi ;;
    serve.port) if $with_server; then printf %s "$port"; fi ;;
    serve.tls_cert) if $with_server; then quoted $TLS/cert.pem; fi ;;
    serve.tls_key) if $with_server; then quoted $TLS/key.pem; fi ;;
    serve.rooms) if $with_server; then printf '[%s]' "$(quoted "$room")"; fi ;;
  esac
}

quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

is_raspberry_pi_os() { [ -e /etc/rpi-issue ]; }
webcam() { compgen -G '/dev/v4l/by-id/usb-*-video-index0' | head -n 1; }
has_webcam() { [ -n "$(webcam)" ]; }

# has_sound c: for capture, p: for playback. A Raspberry Pi may get its sound card later.
has_sound() { is_raspberry_pi_os || compgen -G "/dev/snd/pcmC*D*$1" >/dev/null; }

provide_certificate() {
  if [ -e $CONFIG ] && ! grep -qF "\"$TLS/cert.pem\"" $CONFIG; then
    if [ -n "$cert" ]; then say "  the certificate is not used: $CONFIG names none in $TLS"; fi
  elif [ -n "$cert" ]; then
    change "take over the certificate $cert" place_certificate "$cert" "$key"
    if [ -e $TRUSTED ]; then change "no longer trust the one of its own making" distrust; fi
  elif [ ! -e $TLS/cert.pem ] || { [ -e $TRUSTED ] && expires_soon; }; then
    change "make a certificate for $host, and have this machine trust it" make_certificate
  fi
}

expires_soon() { ! openssl x509 -in $TRUSTED -noout -checkend $((60 * 86400)) >/dev/null; }

make_certificate() {
  local kind=DNS
  if [[ $host =~ ^[0-9.]+$|^\[ ]]; then kind=IP; fi
  # A common name has 64 characters at most, and nobody looks for the host in there (RFC 9525).
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $CERT_DAYS \
    -subj "/CN=HomeCall Pi" -keyout "$scratch/key.pem" -out "$scratch/cert.pem" -config /dev/stdin <<EOF
[req]
distinguished_name = subject
x509_extensions = server
[subject]
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = $kind:${host//[\[\]]/}
EOF
  place_certificate "$scratch/cert.pem" "$scratch/key.pem"
  trust "$scratch/cert.pem"
}

place_certificate() {
  folder $TLS
  place 0644 homecall $TLS/cert.pem <"$1"
  place 0640 homecall $TLS/key.pem <"$2"
}

# trust FILE: has every program on this machine trust the certificate, the door among them.
trust() {
  on_failure update-ca-certificates --fresh
  place 0644 root $TRUSTED <"$1"
  update-ca-certificates --fresh >/dev/null
}

distrust() {
  on_failure update-ca-certificates --fresh
  keep $TRUSTED
  rm $TRUSTED
  update-ca-certificates --fresh >/dev/null
}
