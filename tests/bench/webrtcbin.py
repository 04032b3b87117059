"""The same jobs by GStreamer, for Debian's own python3.

Sends the H.264 file given to one page, or speaks with it by the sound card. Lines on stdout and
stdin: our offer, the page's answer, each as a JSON string.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PEER = "webrtcbin name=peer bundle-policy=max-bundle "
VIDEO = (
    "filesrc location={} ! h264parse ! identity sync=true "
    "! rtph264pay aggregate-mode=zero-latency config-interval=-1 mtu=1200 "
    "! application/x-rtp,media=video,encoding-name=H264,payload=96 ! peer."
)
VOICE = (
    "pulsesrc buffer-time=40000 latency-time=10000 ! audio/x-raw,rate=48000,channels=1 "
    "! webrtcdsp probe=probe gain-control=false noise-suppression-level=high "
    "! opusenc audio-type=voice bitrate=32000 complexity=5 inband-fec=true "
    "packet-loss-percentage=5 ! rtpopuspay "
    "! application/x-rtp,media=audio,encoding-name=OPUS,payload=96 ! peer. "
    "rtpopusdepay name=heard ! opusdec use-inband-fec=true plc=true "
    "! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=1 "
    "! webrtcechoprobe name=probe ! pulsesink async=false buffer-time=40000 latency-time=10000"
)


def main(job: str, path: str = "") -> None:
    """Does it until its standard input ends."""
    Gst.init(None)
    loop = GLib.MainLoop()
    pipeline = Gst.parse_launch(PEER + (VIDEO.format(path) if job == "video" else VOICE))
    peer = pipeline.get_by_name("peer")
    heard = pipeline.get_by_name("heard")
    if heard is not None:
        peer.connect("pad-added", lambda _, pad: pad.link(heard.get_static_pad("sink")))
    peer.connect("on-negotiation-needed", offer)
    peer.connect("notify::ice-gathering-state", tell_offer)
    pipeline.get_bus().add_signal_watch()
    pipeline.get_bus().connect("message::latency", lambda *_: pipeline.recalculate_latency())
    pipeline.set_state(Gst.State.PLAYING)
    threading.Thread(target=read, args=(peer, loop), daemon=True).start()
    loop.run()
    pipeline.set_state(Gst.State.NULL)


def offer(peer: Any) -> None:
    """Makes the offer, and begins to gather."""

    def made(promise: Any, *_: Any) -> None:
        reply = promise.get_reply()  # it owns the description
        peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    peer.emit("create-offer", None, Gst.Promise.new_with_change_func(made))


def tell_offer(peer: Any, *_: Any) -> None:
    """Writes the offer with all candidates."""
    if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        print(json.dumps(peer.get_property("local-description").sdp.as_text()), flush=True)


def read(peer: Any, loop: Any) -> None:
    """Takes the answer, then waits for the end."""
    answer = json.loads(sys.stdin.readline())
    _, message = GstSdp.SDPMessage.new()
    GstSdp.sdp_message_parse_buffer(answer.encode(), message)
    description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
    peer.emit("set-remote-description", description, Gst.Promise.new())
    sys.stdin.readline()
    loop.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
