"""Really booted machines, in containers."""
