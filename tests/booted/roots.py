"""What a booted test needs from the network, fetched once and kept: bare Debian roots, and wheels.

A root holds, as an apt repository of its own, the packages that an installation adds to it, and
gets the wheels from a folder; so the installation itself runs without a network.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homecall-pi"
PYTHONS = {"trixie": "3.13", "bookworm": "3.11"}
BASE = ("systemd", "systemd-sysv", "dbus", "iproute2", "python3", "ca-certificates", "openssl")
"""What a Debian or Raspberry Pi OS has of itself, as far as it matters here."""
TOOLS = ("systemd-nspawn", "mmdebstrap", "zstd")

HOOK = r"""set -eu
cd "$1"
# Forcing every file to the disk takes longer than unpacking it.
echo force-unsafe-io >etc/dpkg/dpkg.cfg.d/fast
printf '127.0.0.1 localhost door\n::1 localhost\n' >etc/hosts
echo door >etc/hostname
wanted=""
for package in {packages}; do
  if chroot . apt-cache show $package >/dev/null 2>&1; then wanted="$wanted $package"; fi
done
chroot . apt-get install -y --download-only --no-install-recommends $wanted
mkdir srv/packages
mv var/cache/apt/archives/*.deb srv/packages
cd srv/packages
for deb in *.deb; do
  dpkg-deb -f $deb
  printf 'Filename: ./%s\nSize: %s\n' $deb $(stat -c %s $deb)
  printf 'SHA256: %s\n\n' $(sha256sum $deb | cut -d' ' -f1)
done >Packages
cd ../..
rm -f etc/apt/sources.list.d/*
echo 'Acquire::Languages "none";' >etc/apt/apt.conf.d/languages
echo 'deb [trusted=yes] file:/srv/packages ./' >etc/apt/sources.list
"""


def bare_root(suite: str) -> Path:
    """A minimal Debian with systemd, as .tar.zst."""
    hook = HOOK.replace("{packages}", " ".join(_packages()))
    return _cached(
        f"{suite}-{_digest(hook, *BASE)}.tar.zst", lambda path: _make_root(suite, hook, path)
    )


def unpack(root: Path, folder: Path) -> None:
    """Unpacks a root."""
    subprocess.run(["tar", "--zstd", "-C", folder, "-xf", root], check=True)


def wheels(suite: str) -> Path:
    """A folder with all that pip needs to install the program, for the Python of that Debian."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    needed = (*project["project"]["dependencies"], *extras["door"], *extras["pi"])
    wanted = [
        *project["build-system"]["requires"],
        *(each for each in needed if not _is_here_or_from_apt(each)),
    ]
    name = f"wheels-{PYTHONS[suite]}-{_digest(*wanted)}"
    return _cached(name, lambda path: _fetch_wheels(PYTHONS[suite], wanted, path))


def _is_here_or_from_apt(requirement: str) -> bool:
    """Whether PyPI has it not, or as source alone."""
    return requirement.startswith(("homecall-pi", "pyaudio", "systemd-python"))


def _packages() -> list[str]:
    script = (PROJECT / "scripts/install.sh").read_text()
    lists = re.findall(r"^(?:NEEDED|OPTIONAL)=\((.*)\)$", script, re.MULTILINE)
    return " ".join(lists).split()


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    """The file or folder of that name in the cache, made anew if it is not there."""
    kept = CACHE / name
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            made = Path(folder) / name
            make(made)
            made.rename(kept)
    return kept


def _make_root(suite: str, hook: str, path: Path) -> None:
    script = path.with_name("hook")
    script.write_text(f"#!/bin/sh\n{hook}")
    script.chmod(0o755)
    subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--customize-hook={script}"),
            *(f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "locale", "man")),
            f"--include={','.join(BASE)}",
            *(suite, str(path)),
        ],
        check=True,
    )


def _fetch_wheels(python: str, wanted: list[str], path: Path) -> None:
    platforms = [f"manylinux_2_{minor}_{platform.machine()}" for minor in range(28, 16, -1)]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q"),
            *("--only-binary=:all:", f"--python-version={python}"),
            *(f"--platform={each}" for each in platforms),
            *("-d", str(path), *wanted),
        ],
        check=True,
    )


def missing() -> str:
    """Why nothing can be booted here; empty if it can."""
    if os.geteuid() != 0:
        return "only root can boot a container"
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"not installed: {', '.join(lacking)}" if lacking else ""
