"""Tests of homecall_pi.doctor."""
