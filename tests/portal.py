"""What may answer in the signaling server's place: a network's login page, or something else.

    python -m tests.portal KIND HOST PORT [CERT KEY]

As a program it says `ready` when it listens.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PAGE = b"<html><h1>Welcome to our Wi-Fi!</h1></html>"
_CONTENT = b"Content-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE)
KINDS = {
    "page": b"HTTP/1.1 200 OK\r\n" + _CONTENT,
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n" + _CONTENT,
    "login-required": b"HTTP/1.1 511 Network Authentication Required\r\n" + _CONTENT,
    "banner": b"220 mail.example.org ESMTP\r\n",
    "hang-up": b"",
    "silent": None,
}
"""What it says, whatever it is asked; None: nothing, for as long as it is listened to."""


@asynccontextmanager
async def portal(
    kind: str, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[asyncio.Server]:
    """One that runs."""
    said = KINDS[kind]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if said is None:
                while await reader.read(4096):
                    pass
            elif said.startswith(b"HTTP"):
                await reader.readuntil(b"\r\n\r\n")
            writer.write(said or b"")
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, host, port, ssl=tls) as server:
        yield server


def security(cert: str, key: str) -> ssl.SSLContext:
    """For a portal that speaks TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


@asynccontextmanager
async def old_tls(cert: str, key: str) -> AsyncIterator[asyncio.Server]:
    """One that speaks TLS 1.1 alone, which takes some persuasion.

    Unlike asyncio's, it sends its alert before it hangs up, as other programs do.
    """
    context = security(cert, key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        more = True
        while more and (heard := await reader.read(4096)):
            incoming.write(heard)
            try:
                tls.do_handshake()
                more = False
            except ssl.SSLError as error:
                more = isinstance(error, ssl.SSLWantReadError)
            writer.write(outgoing.read())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server


async def main(kind: str, host: str, port: str, *pair: str) -> None:
    """Runs one until it is ended."""
    async with portal(kind, host, int(port), security(*pair) if pair else None) as server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
