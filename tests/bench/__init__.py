"""Measurements, run by `scripts/bench`. They print figures and assert nothing."""
