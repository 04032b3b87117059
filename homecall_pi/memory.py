"""Keeps daemon and server small for years: what they used goes back to the system."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
_THRESHOLD_BYTES = 128 * 1024


def set_up() -> None:
    """To be called once all is imported and before threads start.

    Every call starts threads and moves pictures of a megabyte and more. Left alone, glibc keeps an
    arena per thread and, from the first large block that is freed, large blocks on the heap, where
    they leave holes: the daemon grew from 100 to 200 MB in 20 calls. Each TLS connection of the
    server has buffers of 256 KB, of which little is used unless they are on the heap. Elsewhere
    than on glibc nothing is set.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD_BYTES)
    gc.collect()
    gc.freeze()  # what is imported stays: collecting after a call need not look at it


def give_back() -> None:
    """To be called after a call.

    A closed connection is a knot of reference cycles, which Python would untie only after many.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
