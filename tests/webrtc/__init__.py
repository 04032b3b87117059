"""Tests of homecall_pi.webrtc."""
