"""Tests of homecall_pi.core."""
