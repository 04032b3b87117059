"""`scripts/bench audio`: what the echo canceller takes away, what it spares, and what it costs."""

from __future__ import annotations

import argparse
import time

import numpy as np

from homecall_pi.core.ports import SAMPLE_RATE
from homecall_pi.hardware.denormals import flush_denormals
from tests.hardware import room

ROOMS = ((0.06, 0.0, 30.0), (0.15, 0.0, 30.0), (0.06, 100.0, 23.0), (0.15, 100.0, 23.0))
"""Delay in seconds, drift in ppm, least reduction in dB."""
ECHO_DB = -6.0
LEAST_LIKENESS = 0.97


def main(seconds: float) -> bool:
    """Prints all figures; whether all are good."""
    far = room.speech(seconds)
    kept_s = cost_s(far, pause(far))
    flush_denormals()
    spared = room.clean(far, np.zeros_like(far))
    print(f"echo of speech at {ECHO_DB:g} dB, reduced after {room.LEARNING_S:g} s, {seconds:g} s:")
    good = [reduction(far, *each) for each in ROOMS]
    likeness = room.likeness(far, spared)
    good.append(row("visitor alone, envelope correlation", likeness, LEAST_LIKENESS, ""))
    near = np.roll(far, 5 * SAMPLE_RATE)
    both = room.clean(near // 2 + room.echo(far, delay_s=0.06, gain_db=ECHO_DB - 6), far)
    print(f"  {'both at once, envelope correlation':40} {room.likeness(near, both):6.3f}")
    print("canceller and noise suppression, CPU per 10 s:")
    print(f"  {'both speak':40} {cost_s(far, near):6.2f} s")
    paused_s = cost_s(far, pause(far))
    print(f"  {'family falls silent, visitor speaks':40} {paused_s:6.2f} s")
    print(f"  {'the same, were denormals kept':40} {kept_s:6.2f} s")
    return all(good)


def pause(far: room.Samples) -> room.Samples:
    """The family says half of it."""
    return np.where(np.arange(len(far)) < len(far) // 2, far, np.int16(0))


def cost_s(heard: room.Samples, played: room.Samples) -> float:
    """Seconds of CPU per 10 s."""
    started = time.process_time()
    room.clean(heard, played)
    return (time.process_time() - started) / len(heard) * SAMPLE_RATE * 10


def reduction(far: room.Samples, delay_s: float, drift_ppm: float, least_db: float) -> bool:
    """One room."""
    heard = room.echo(far, delay_s=delay_s, gain_db=ECHO_DB, drift_ppm=drift_ppm)
    value = room.reduction_db(heard, room.clean(heard, far))
    return row(f"delay {delay_s * 1000:g} ms, drift {drift_ppm:g} ppm", value, least_db, " dB")


def row(what: str, value: float, least: float, unit: str) -> bool:
    """One line of the table; whether it is good."""
    good = value >= least
    number = f"{value:6.1f}" if unit else f"{value:6.3f}"
    print(f"  {what:40} {number}{unit}, wanted {least:g}{'' if good else ': TOO LITTLE'}")
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench audio", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=2 * room.SPEECH_S, help="of speech [32.6]", metavar="S"
    )
    raise SystemExit(not main(parser.parse_args().seconds))
