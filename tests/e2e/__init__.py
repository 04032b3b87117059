"""Whole calls: the real server, the real daemon and a real browser, each a process of its own."""
