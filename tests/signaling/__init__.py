"""Tests of homecall_pi.signaling."""
