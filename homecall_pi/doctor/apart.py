"""A check in a process of its own.

Libraries of cameras and sound cards may hang for ever, and some end the program that uses them:
PortAudio by an assertion, where ALSA's list of cards makes no sense to it.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from collections.abc import Callable

import msgspec

from .finding import Finding, broken, fail


async def apart(work: Callable[[], Finding | None]) -> Finding | None:
    """What the check finds in a process of its own, which is ended if nobody waits any more."""
    # -P: this may run as root, in a folder where others put modules.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, noise = await process.communicate(pickle.dumps(work))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not out:
        return _died(process.returncode or 0, noise)
    return msgspec.json.decode(out, type=Finding | None)


def _died(code: int, noise: bytes) -> Finding:
    last = noise.decode(errors="replace").strip().rpartition("\n")[2]
    end = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return fail(
        f"a library ended the program that used it ({end}: {last})",
        "see that its packages belong together: sudo apt full-upgrade, and sudo scripts/install.sh",
    )


def main() -> None:
    """Does the check that comes on standard input, and prints what it found as JSON."""
    work = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from the process that started us
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever libraries print
    try:
        finding = work()
    except Exception as error:
        finding = broken(error)
    os.write(answer, msgspec.json.encode(finding))
    os._exit(0)  # a library that hangs would hang once more in its farewell


if __name__ == "__main__":
    main()
