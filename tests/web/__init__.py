"""Tests of homecall_pi.web."""
