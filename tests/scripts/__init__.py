"""The scripts, without changing anything."""
