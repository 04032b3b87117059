"""A household whose door, family and server are in networks of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from playwright.async_api import Playwright

from ..authority import Authority
from .conftest import Household
from .household import ROOM, Door, Family, Program, Server, launch_chromium, until
from .network import NAME, SERVER, Network

PORT = 8443


class FarServer(Server):
    """The signaling server on the router, with TLS."""

    def __init__(self, folder: Path, network: Network, authority: Authority, *flags: str) -> None:
        cert, key = authority.issue(SERVER, NAME)
        self.port = PORT
        tls = ("--tls-cert", str(cert), "--tls-key", str(key))
        where = ("--host", SERVER, "--port", str(PORT))
        Program.__init__(self, folder, "server", "serve", *where, *tls, *flags)
        self.prefix = network.router.prefix

    @property
    def link(self) -> str:
        return f"https://{SERVER}:{PORT}/?room={ROOM}"

    async def ready(self) -> None:
        await until("the server listens", lambda: "serving https" in self.fresh_output)


class Apart(Household):
    """A door, a server and one page, which verify each other's certificates in earnest.

    Args:
        folder: an empty one.
        beeps: what the page's microphone hears; None for Chromium's own beeps.
        ice: the section `[ice]` in the configurations of door and server.
    """

    family: Family

    def __init__(self, folder: Path, beeps: Path | None = None, *, ice: str = "") -> None:
        self.folder = folder
        self.network = Network()
        self.authority = Authority(folder)
        self._flags = [f"--use-file-for-fake-audio-capture={beeps}"] if beeps else []
        config = folder / "ice.toml"
        config.write_text(f"[ice]\n{ice}")
        self._config = ("--config", str(config))
        self.server: FarServer = FarServer(folder, self.network, self.authority, *self._config)
        self.programs: list[Program] = []
        self.families: list[Family] = []

    async def start(self, playwright: Playwright, *door_flags: str) -> None:  # type: ignore[override]
        """Has all of them wait for a ring."""
        await self.start_programs(*door_flags)
        self._browser = await launch_chromium(
            playwright, *self._flags, wrapper=self._write_wrapper()
        )
        self.family = await self.waiting_page()

    async def start_programs(self, *door_flags: str) -> None:
        """Door and server alone."""
        await super().start(*door_flags)

    async def talk(self) -> None:
        """Rings, and answers."""
        await self.ring_and_answer(self.family)

    async def flows(self) -> None:
        """Returns when the page shows moving pictures, and the visitor hears it."""
        await self.family.sees_moving_pictures()
        before = self.door.status.audio_samples
        await until("the visitor hears", lambda: self.door.status.audio_samples > before)

    async def close(self) -> None:
        """Ends everything."""
        await super().close()
        if self.families:
            await self._browser.close()
        self.network.close()

    def make_door(self, *flags: str) -> Door:
        where = ("--server", f"wss://{SERVER}:{PORT}/signal")
        door = super().make_door(*where, *self._config, *flags)
        door.prefix = self.network.door.prefix
        door.environment["SSL_CERT_FILE"] = str(self.authority.file)
        return door

    def _write_wrapper(self) -> Path:
        """Starts Chromium in the page's network, with a store that trusts the authority."""
        store = self.folder / ".pki" / "nssdb"
        store.mkdir(parents=True)
        certutil = ["certutil", "-d", f"sql:{store}"]
        subprocess.run([*certutil, "-N", "--empty-password"], check=True)
        trusted = ["-A", "-n", "authority", "-t", "C,,", "-i", str(self.authority.file)]
        subprocess.run([*certutil, *trusted], check=True)
        prefix = " ".join(self.network.page.prefix)
        wrapper = self.folder / "chromium"
        wrapper.write_text(f'#!/bin/sh\nHOME={self.folder} exec {prefix} chromium "$@"\n')
        wrapper.chmod(0o755)
        return wrapper
