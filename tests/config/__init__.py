"""Tests of homecall_pi.config."""
