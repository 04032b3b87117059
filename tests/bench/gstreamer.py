"""GStreamer's webrtcbin, which does the same job in the same run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.async_api import Page

SYSTEM_PYTHON = "/usr/bin/python3"
ANSWER = """async ([offer, speak]) => {
  const element = document.body.appendChild(document.createElement("video"));
  element.muted = !speak;
  element.autoplay = true;
  const pc = window.pc = new RTCPeerConnection();
  pc.ontrack = event => { element.srcObject = new MediaStream([event.track]); };
  if (speak) {
    const stream = await navigator.mediaDevices.getUserMedia({audio: true});
    pc.addTrack(stream.getAudioTracks()[0], stream);
  }
  await pc.setRemoteDescription({type: "offer", sdp: offer});
  await pc.setLocalDescription(await pc.createAnswer());
  while (pc.iceGatheringState !== "complete")
    await new Promise(done => { pc.onicegatheringstatechange = done; });
  return pc.localDescription.sdp;
}"""


@contextmanager
def webrtcbin(
    job: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """One of its jobs in a process of its own: "video", with the file's path, or "voice"."""
    program = subprocess.Popen(
        [SYSTEM_PYTHON, str(Path(__file__).with_name("webrtcbin.py")), job, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | dict(environment or {}),
    )
    try:
        yield program
    finally:
        program.kill()
        program.wait()


async def connect(program: subprocess.Popen[str], page: Page, *, speak: bool) -> None:
    """Has the page answer; `speak`: with its microphone on, and heard."""
    assert program.stdout is not None
    offer = json.loads(await asyncio.to_thread(program.stdout.readline))
    answer = await page.evaluate(ANSWER, [offer, speak])
    # Names that only multicast DNS knows: the page's checks reach us without.
    lines = [line for line in answer.splitlines() if ".local" not in line]
    print(json.dumps("\r\n".join(lines) + "\r\n"), file=program.stdin, flush=True)
