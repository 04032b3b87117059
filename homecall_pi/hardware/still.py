"""A JPEG out of the video: the next key frame, decoded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction

import av

from ..core.ports import AccessUnit
from ..errors import HardwareError


class Waiting:
    """Those who wait for a JPEG. Used on the loop's thread alone."""

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[AccessUnit]] = []

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        return bool(self._futures)

    def put(self, unit: AccessUnit) -> None:
        """Looks at what the camera delivers."""
        if self._futures and unit.key_frame:
            for future in self._futures:
                if not future.done():
                    future.set_result(unit)

    async def take(self, force_key_frame: Callable[[], None], timeout_s: float) -> bytes:
        """The next key frame as a JPEG.

        Raises:
            HardwareError: none came in time.
        """
        future: asyncio.Future[AccessUnit] = asyncio.get_running_loop().create_future()
        self._futures.append(future)
        try:
            force_key_frame()
            async with asyncio.timeout(timeout_s):
                unit = await future
        except TimeoutError:
            raise HardwareError("the camera delivers no picture") from None
        finally:
            self._futures.remove(future)
        return await asyncio.to_thread(jpeg, unit.data)


def jpeg(key_frame: bytes) -> bytes:
    """A key frame as a JPEG.

    Raises:
        HardwareError: it cannot be decoded.
    """
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)  # noqa: S101 - narrows the type
    try:
        frames = [*decoder.decode(av.Packet(key_frame)), *decoder.decode(None)]
    except av.FFmpegError:
        frames = []
    if not frames:
        raise HardwareError("the camera's picture cannot be decoded")
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)  # noqa: S101 - narrows the type
    encoder.width, encoder.height = frames[0].width, frames[0].height
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 1000)
    picture = frames[0].reformat(format="yuvj420p")
    picture.pts = 0
    return b"".join(map(bytes, (*encoder.encode(picture), *encoder.encode(None))))
