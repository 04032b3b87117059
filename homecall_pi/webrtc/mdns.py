"""aioice's resolver of `.local` names, loaded when a page has one for the first time.

Browsers put such a name in the place of an address when the page may not use the microphone
(draft-ietf-mmusic-mdns-ice-candidates). The resolver brings a library for DNS along, 2 MB that most
doors never need.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from types import ModuleType
from typing import Any

log = logging.getLogger(__name__)

_NAME = "aioice.mdns"
_loading = threading.Lock()


class _Unloaded(ModuleType):
    """What aioice has in the place of the module until it is needed."""

    MDnsProtocol = object
    """Named in an annotation."""

    def is_mdns_hostname(self, name: str) -> bool:
        """Whether it is a `.local` name, which only the module itself can judge."""
        return name.endswith(".local") and bool(load().is_mdns_hostname(name))

    def __getattr__(self, name: str) -> Any:
        return getattr(load(), name)


def put_off() -> None:
    """Keeps the module from being loaded along with aioice."""
    sys.modules.setdefault(_NAME, _Unloaded(_NAME))


def load() -> ModuleType:
    """Loads it, if it is not yet there; that takes a moment, best on another thread."""
    with _loading:
        if isinstance(sys.modules[_NAME], _Unloaded):
            del sys.modules[_NAME]
            user: Any = importlib.import_module("aioice.ice")
            user.mdns = importlib.import_module(_NAME)
            _survive_datagrams(user.mdns.MDnsProtocol)
        return sys.modules[_NAME]


def _survive_datagrams(protocol: Any) -> None:
    """Has those that make no sense cost nothing: the event loop would log each, at length.

    Anybody in the same network may send them. aioice passes over some; the library for DNS has many
    more ways to refuse one.
    """
    receive = protocol.datagram_received

    def datagram_received(self: Any, data: bytes, address: Any) -> None:
        try:
            receive(self, data, address)
        except Exception as error:
            log.debug("a word on a local name makes no sense: %r", error)

    protocol.datagram_received = datagram_received
