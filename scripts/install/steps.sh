# shellcheck shell=bash
# Sourced by install.sh: steps that are announced, done only if this is no dry run, and undone if
# a later one fails.

step="" number=0 undo=() scratch=""

say() { printf '%s\n' "$*"; }
bold() { if [ -t 1 ]; then printf '\033[1m%s\033[0m\n' "$*"; else say "$*"; fi; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

# begin STEP: names the step, also for the message if it fails.
begin() {
  step=$1 number=$((number + 1))
  bold "[$number/$STEPS] $step"
}

# change WHAT COMMAND...: says what it changes, and changes it unless this is a dry run.
change() {
  if $dry_run; then
    say "  would $1"
  else
    say "  $1"
    "${@:2}"
  fi
}

# on_failure COMMAND...: to be run should anything fail from here on; the last one first.
on_failure() { undo+=("$(printf '%q ' "$@")"); }

# keep PATH: a failure puts the file or link back, or removes it if there is none now.
keep() {
  local copy=$scratch/${#undo[@]}
  if [ -e "$1" ] || [ -L "$1" ]; then
    cp -a "$1" "$copy"
    on_failure cp -aT --remove-destination "$copy" "$1"
  else
    on_failure rm -f "$1"
  fi
}

# place MODE GROUP PATH < CONTENT: makes a file, whole or not at all.
place() {
  keep "$3"
  on_failure rm -f "$3.new"
  install -m "$1" -g "$2" /dev/stdin "$3.new"
  mv "$3.new" "$3"
}

# link TARGET PATH: makes a symbolic link, or turns it, in one go.
link() {
  keep "$2"
  on_failure rm -f "$2.new"
  ln -sfn "$1" "$2.new"
  mv -T "$2.new" "$2"
}

# folder PATH: makes a folder if there is none.
folder() {
  if [ -d "$1" ]; then return; fi
  mkdir "$1"
  on_failure rmdir "$1"
}

# The last thing that is run, whatever ends the installation.
finish() {
  local status=$? index
  trap - EXIT
  set +e
  if [ "$status" != 0 ] && [ -n "$step" ]; then
    say "install.sh: step $number of $STEPS failed: $step. The lines above tell why." >&2
    for ((index = ${#undo[@]} - 1; index >= 0; index--)); do
      eval "${undo[index]}" || say "install.sh: this could not be undone: ${undo[index]}" >&2
    done
    if [ -n "$former" ]; then say "install.sh: the version from before is still in use." >&2; fi
    say "install.sh: mend the cause and run this again." >&2
  fi
  rm -rf "$scratch"
  exit "$status"
}
