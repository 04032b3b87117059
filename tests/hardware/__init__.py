"""Tests of homecall_pi.hardware."""
