"""The echo canceller in simulated rooms, sample by sample."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from homecall_pi.core.ports import BLOCK_SAMPLES, SAMPLE_RATE
from homecall_pi.hardware.echo import EchoCanceller

from . import room


@pytest.fixture(scope="module")
def far() -> room.Samples:
    """The family's voice."""
    return room.speech(9)


@pytest.mark.parametrize(
    ("delay_s", "drift_ppm", "least_db"), [(0.06, 0, 30), (0.15, 0, 30), (0.06, 100, 23)]
)
def test_the_echo_of_the_familys_voice_goes(
    far: room.Samples, delay_s: float, drift_ppm: float, least_db: float
):
    heard = room.echo(far, delay_s=delay_s, gain_db=-6, drift_ppm=drift_ppm)
    assert room.reduction_db(heard, room.clean(heard, far)) >= least_db


def test_the_visitors_voice_alone_is_unharmed(far: room.Samples):
    assert room.likeness(far, room.clean(far, np.zeros_like(far))) >= 0.97


def test_both_voices_at_once_leave_the_visitors_to_be_understood(far: room.Samples):
    near = np.roll(far, 5 * SAMPLE_RATE)
    heard = near // 2 + room.echo(far, delay_s=0.06, gain_db=-12)
    assert room.likeness(near, room.clean(heard, far)) >= 0.8


def test_a_block_goes_in_and_a_block_comes_out():
    canceller = EchoCanceller()
    silence = bytes(2 * BLOCK_SAMPLES)
    assert canceller.clean(silence, silence) == silence


def test_the_module_alone_does_not_import_numpy():
    """It costs a fifth of the idle daemon's memory."""
    code = "import sys, homecall_pi.hardware.echo; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
