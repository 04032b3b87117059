"""In processes of their own: here, others have loaded everything already."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_daemon_does_without_the_resolver_until_a_page_has_a_name():
    assert run("""
import sys
import homecall_pi.app
from aioice import ice

def loaded():
    return any(name.startswith("dns.") for name in sys.modules)

print(loaded(), ice.mdns.is_mdns_hostname("192.0.2.1"), loaded())
print(ice.mdns.is_mdns_hostname("5b0f8a4e.local"), loaded())
""").split() == ["False", "False", "False", "True", "True"]


def test_a_name_is_resolved_by_aioice_as_ever():
    assert (
        run("""
import asyncio, sys
from homecall_pi.webrtc import mdns
from aioice import ice

async def main():
    assert "dns.message" not in sys.modules
    await asyncio.to_thread(mdns.load)
    assert "dns.message" in sys.modules
    protocol = await ice.get_or_create_mdns_protocol(main)
    print(await protocol.resolve("5b0f8a4e.local", timeout=0.01))
    await ice.unref_mdns_protocol(main)

asyncio.run(main())
""")
        == "None"
    )


def test_whoever_was_there_before_keeps_it():
    assert run("import aioice.mdns, homecall_pi.webrtc; print(aioice.mdns.MDNS_PORT)") == "5353"


def test_an_answer_that_makes_no_sense_costs_nothing():
    run("""
import asyncio, struct
from homecall_pi.webrtc import mdns

async def main():
    header = struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0)
    record = b"\\4door\\5local\\0" + struct.pack("!HHIH", 1, 0x8001, 120, 3) + b"\\1\\2\\3"
    mdns.load().MDnsProtocol().datagram_received(header + record, ("192.0.2.9", 5353))

asyncio.run(main())
""")  # an IPv4 address of three bytes
