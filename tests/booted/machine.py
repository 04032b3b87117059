"""A machine with a really booted systemd: a container with a network of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from . import roots

PATIENCE_S = 60.0
ADDRESS = "192.0.2.1"
"""Its own address, of TEST-NET-1 (RFC 5737): nothing else is in its network."""
CHECKOUT = "/srv/homecall-pi"
WHEELS = "/srv/wheels"
CONSOLE_END = 4000
"""Characters of the console that are told when it does not boot."""
HIERARCHIES = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd")]

NSPAWN = [
    *("setpriv", "--pdeathsig=KILL"),  # if the test is killed, nobody else would end it
    *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--private-network"),
    *("--link-journal=no", "--console=pipe", "--suppress-sync=yes"),
    # Without these, systemd in the container ignores DeviceAllow= and IPAddressDeny=.
    *("--capability=CAP_BPF,CAP_SYS_RESOURCE", "--system-call-filter=bpf"),
]


def until(what: str, condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Waits until `condition()` is true and returns its value; `what` names it in the failure."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {patience_s:g} s in vain for: {what}")


class Machine:
    """A Debian of that suite, with a checkout of this project. Leaves nothing behind."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        roots.CACHE.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="homecall-booted-", dir=roots.CACHE))
        self.root = self._folder / "root"
        self._wheels = roots.wheels(suite)
        self._console = (self._folder / "console").open("wb")
        self._groups = _Groups(self._folder.name)
        self._nspawn: subprocess.Popen[bytes] | None = None
        self.root.mkdir()
        roots.unpack(roots.bare_root(suite), self.root)
        copy_checkout(self.path(CHECKOUT))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if self._nspawn is not None:
                self.power_off()
        finally:
            self._console.close()
            shutil.rmtree(self._folder)

    def path(self, inside: str) -> Path:
        """A path of the machine, from outside."""
        return self.root / inside.lstrip("/")

    def boot(self) -> None:
        """Returns when systemd has started everything."""
        command = [*NSPAWN, f"--directory={self.root}", f"--bind-ro={self._wheels}:{WHEELS}"]
        with self._groups:
            self._nspawn = subprocess.Popen(
                [*command, *self._groups.flags],
                stdin=subprocess.DEVNULL,
                stdout=self._console,
                stderr=self._console,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        try:
            until("systemd runs", self._is_up)
        except AssertionError as error:
            said = Path(self._console.name).read_text(errors="replace")[-CONSOLE_END:]
            raise AssertionError(f"the machine does not boot: {error}\n{said}") from None
        for words in (
            "ip link add veth0 type veth peer name veth1",
            f"ip address add {ADDRESS}/24 dev veth0",
            "ip link set veth0 up",
            "ip link set veth1 up",
        ):
            self.run(*words.split())

    def _is_up(self) -> bool:
        if not self._leader():
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout
        return state.strip() in {"running", "degraded"}

    def _leader(self) -> int | None:
        """Its first process, seen from outside; None before there is one.

        Raises:
            AssertionError: the machine has ended.
        """
        assert self._nspawn is not None
        if (code := self._nspawn.poll()) is not None:
            raise AssertionError(f"it has ended with {code}")
        children = psutil.Process(self._nspawn.pid).children()
        return children[0].pid if children else None

    def inside(self, *command: str, network_only: bool = False) -> list[str]:
        """The command as it is run from outside, in all the machine's namespaces."""
        spaces = ["--net"] if network_only else ["--all", "--wdns=/"]
        return ["nsenter", f"--target={self._leader()}", *spaces, *command]

    def run(
        self,
        *command: str,
        check: bool = True,
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command of the machine, with standard error in standard output."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        clean = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"} | (environment or {})
        done = subprocess.run(
            self.inside(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
        return done

    def tells(self, *command: str) -> str:
        """What a command prints."""
        return self.run(*command).stdout.strip()

    def power_off(self) -> None:
        """Ends it as a person does, and by force if that takes too long."""
        assert self._nspawn is not None
        try:
            if self._nspawn.poll() is None and (leader := self._leader()):
                os.kill(leader, signal.SIGRTMIN + 4)
                self._nspawn.wait(PATIENCE_S)
        finally:
            self._nspawn.kill()
            self._nspawn.wait()
            self._nspawn = None
            self._groups.remove()


class _Groups:
    """Control groups of its own, where no systemd of the host's makes them.

    In the block, this process is in them, so that what it starts there is as well.
    """

    def __init__(self, name: str) -> None:
        host_has_systemd = Path("/run/systemd/system").is_dir()
        self.flags = [] if host_has_systemd else ["--keep-unit"]
        parents = [] if host_has_systemd else [each for each in HIERARCHIES if each.is_dir()]
        self._paths = [parent / name for parent in parents]

    def __enter__(self) -> None:
        for path in self._paths:
            path.mkdir(exist_ok=True)
            (path / "cgroup.procs").write_text(str(os.getpid()))

    def __exit__(self, *_: object) -> None:
        for path in self._paths:
            (path.parent / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self) -> None:
        """Removes them, with those that were made below."""
        for path in self._paths:
            for below, _, _ in os.walk(path, topdown=False):
                os.rmdir(below)


def copy_checkout(to: Path, names: Sequence[str] = ()) -> None:
    """Copies what an installation takes from this checkout."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in names or ("homecall_pi", "scripts", "systemd", "config"):
        shutil.copytree(roots.PROJECT / name, to / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(roots.PROJECT / name, to)
