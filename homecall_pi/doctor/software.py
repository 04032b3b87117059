"""The libraries: whether those that the configuration needs are there, new enough, and whole."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata

import msgspec

from .. import __version__
from ..config.schema import Config
from .finding import Finding, fail, ok, warn

DEBIAN = ("python3-", "lib")


class Library(msgspec.Struct, frozen=True):
    """A library that the program imports."""

    module: str
    package: str
    """Its name on PyPI, or that of Debian's package if it begins as one of `DEBIAN`."""
    least: tuple[int, ...] = ()
    distribution: str = ""
    """Under what name its version is found, if there is one to look at."""
    imported: bool = True
    """Whether importing it is a fair test. lgpio makes files where it is imported."""
    needed: bool = True
    """Whether the part it is for does not work without it."""


ALWAYS = (
    Library("aiortc", "aiortc", (1, 16), "aiortc"),
    Library("av", "av", (17, 1), "av"),
    Library("homecall_pi.webrtc.opus", "libopus0"),  # which it loads
    Library("uvloop", "uvloop", (0, 21), "uvloop"),
    Library("websockets", "websockets", (17,), "websockets"),
)
CAMERA = (Library("picamera2", "python3-picamera2", (0, 3, 32), "picamera2"),)
PINS = (
    Library("gpiozero", "python3-gpiozero", (2, 0), "gpiozero"),
    Library("lgpio", "python3-lgpio", imported=False),
)
SOUND = (Library("pyaudio", "python3-pyaudio"),)
JOURNAL = (Library("systemd.journal", "python3-systemd", needed=False),)
"""Without it the log lacks its fields."""
ECHO = (Library("pywebrtc_audio", "pywebrtc-audio", (0, 2), "pywebrtc-audio"),)


def needed(config: Config) -> Iterator[Library]:
    """What this configuration needs."""
    yield from (*ALWAYS, *JOURNAL)
    if config.camera.source == "picamera2":
        yield from CAMERA
    if config.panel.source == "gpio":
        yield from PINS
    if "pyaudio" in {config.microphone.source, config.speaker.source}:
        yield from SOUND
    if config.microphone.source == "pyaudio" and config.microphone.echo_canceller:
        yield from ECHO


def check(libraries: Iterable[Library]) -> Finding:
    """Python, this program, and its libraries."""
    libraries = list(libraries)
    versions = ((library.package, _version(library)) for library in libraries)
    known = [f"{package} {version}" for package, version in versions if version]
    own = [f"homecall-pi {__version__}", f"Python {platform.python_version()}"]
    found = ", ".join(own + known)
    faults = {library: text for library in libraries if (text := _fault(library))}
    if not faults:
        return ok(found)
    finding = fail if any(library.needed for library in faults) else warn
    return finding(f"{found}; {'; '.join(faults.values())}", "; ".join(_cures(faults)))


def _version(library: Library) -> str:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(library.distribution) if library.distribution else ""
    return ""


def _fault(library: Library) -> str:
    """What is wrong with it, if anything."""
    version = _version(library)
    if version and _numbers(version) < library.least:
        least = ".".join(map(str, library.least))
        return f"{library.module} {version} is too old, {least} is needed"
    try:
        _import(library)
    except Exception as error:  # a broken library raises whatever it likes
        if isinstance(error, ModuleNotFoundError) and library.module.startswith(error.name or "?"):
            return f"{library.module} is not installed"
        return f"{library.module} cannot be imported ({type(error).__name__}: {error})"
    return ""


def _import(library: Library) -> None:
    if library.imported:
        importlib.import_module(library.module)
    elif importlib.util.find_spec(library.module) is None:
        raise ModuleNotFoundError(name=library.module)


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version; without any, it counts as new."""
    return tuple(int(part) for part in re.findall(r"\d+", version)) or (sys.maxsize,)


def _cures(libraries: Iterable[Library]) -> Iterator[str]:
    packages = [library.package for library in libraries]
    if debian := [name for name in packages if name.startswith(DEBIAN)]:
        yield (
            f"sudo apt install {' '.join(debian)}, "
            "and a virtual environment with --system-site-packages"
        )
    if pypi := [name for name in packages if not name.startswith(DEBIAN)]:
        yield f"sudo {sys.executable} -m pip install --upgrade {' '.join(pypi)}"
