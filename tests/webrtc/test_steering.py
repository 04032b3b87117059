"""What the page says of the picture, as wishes to a camera that remembers them."""

from __future__ import annotations

import pytest

from homecall_pi.core import loss
from homecall_pi.core.bitrate import Bounds
from homecall_pi.webrtc.steering import Steering

from .doubles import Parts

BOUNDS = Bounds()


@pytest.fixture
async def steering(parts: Parts) -> Steering:
    steering = Steering(parts.door)
    steering.begin()
    return steering


async def test_a_call_begins_with_the_bitrate_of_the_configuration(
    steering: Steering, parts: Parts
):
    assert parts.bitrates == [BOUNDS.start_bps]


async def test_the_bitrate_follows_an_estimate_of_500_kbit_down_and_back(
    steering: Steering, parts: Parts
):
    steering.estimated(500_000)
    assert 400_000 <= parts.bitrates[-1] <= 500_000
    steering.estimated(5_000_000)
    assert parts.bitrates[-1] == BOUNDS.start_bps


async def test_the_bitrate_goes_down_with_loss(
    steering: Steering, parts: Parts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loss, "LEAST_S", 0.0)
    steering.reported(3, 1000)
    steering.reported(503, 2000)
    assert parts.bitrates[-1] == pytest.approx(0.5 * BOUNDS.start_bps, rel=0.01)


async def test_a_report_on_a_few_packets_is_not_acted_on(
    steering: Steering, parts: Parts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loss, "LEAST_S", 0.0)
    steering.reported(0, 1000)
    steering.reported(9, 1010)
    assert parts.bitrates == [BOUNDS.start_bps]


async def test_a_wish_for_a_key_frame_reaches_the_camera(steering: Steering, parts: Parts):
    steering.want_key_frame()
    assert parts.key_frame_wanted.is_set()


async def test_the_target_is_known_during_a_call_alone(steering: Steering):
    assert steering.target_bps == BOUNDS.start_bps
    steering.rest()
    assert steering.target_bps == 0


async def test_a_connection_at_rest_leaves_the_camera_alone(
    steering: Steering, parts: Parts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loss, "LEAST_S", 0.0)
    steering.rest()
    steering.estimated(500_000)
    steering.reported(0, 1000)
    steering.reported(500, 2000)
    steering.want_key_frame()
    assert parts.bitrates == [BOUNDS.start_bps]
    assert not parts.key_frame_wanted.is_set()


async def test_every_call_begins_anew(steering: Steering, parts: Parts):
    steering.estimated(500_000)
    steering.rest()
    steering.begin()
    assert parts.bitrates[-1] == BOUNDS.start_bps
