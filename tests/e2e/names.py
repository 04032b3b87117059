"""A name server that knows one name, or none.

    python -m tests.e2e.names HOST [NAME ADDRESS]

It says `ready` when it listens.
"""

from __future__ import annotations

import asyncio
import sys

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer(asyncio.DatagramProtocol):
    """Answers by UDP."""

    def __init__(self, known: dict[str, str]) -> None:
        self._known = {f"{name}.": address for name, address in known.items()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        (question,) = query.question
        address = self._known.get(str(question.name))
        if address is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(question.name, 0, "IN", "A", address))
        self._transport.sendto(response.to_wire(), addr)  # type: ignore[attr-defined]


async def main(host: str, *known: str) -> None:
    """Runs one until it is ended."""
    names = dict(zip(known[::2], known[1::2], strict=True))
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: NameServer(names), local_addr=(host, 53))
    print("ready", flush=True)
    await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
