"""Denormals: numbers so near to zero that most processors compute them by a slow detour.

The echo canceller's filters fade towards zero while the family is silent, and end among them; it
takes ten times as long then. WebRTC's own audio module takes them for zero (denormal_disabler.h),
the canceller alone does not.
"""

from __future__ import annotations

import ctypes
import platform

# Where fenv_t of the C library has the register, and the bits in there: of MXCSR flush-to-zero and
# denormals-are-zero (Intel SDM, vol. 1, 10.2.3), of FPCR flush-to-zero (Arm ARM, C5.2.8).
_REGISTERS = {"x86_64": (7, 0x8040), "aarch64": (0, 1 << 24)}
_FENV_WORDS = 8


def flush_denormals() -> None:
    """Has this thread, and those that it starts, take denormals for zero from now on."""
    if platform.machine() not in _REGISTERS:
        return
    at, bits = _REGISTERS[platform.machine()]
    libm = ctypes.CDLL("libm.so.6")
    environment = (ctypes.c_uint32 * _FENV_WORDS)()
    libm.fegetenv(environment)
    environment[at] |= bits
    libm.fesetenv(environment)
