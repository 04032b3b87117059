"""The rules: pure functions and frozen values. No sockets, threads, event loop or clock."""
