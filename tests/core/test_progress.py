"""Work that goes on, rests, or hangs."""

from __future__ import annotations

from homecall_pi.core.progress import Progress


def test_what_has_not_begun_does_not_hang():
    assert not Progress("camera", 30).hangs(1e9)


def test_what_moves_within_its_limit_does_not_hang():
    progress = Progress("camera", 30)
    for now in (100.0, 130.0, 160.0):
        assert not progress.hangs(now)
        progress.move(now)
    assert not progress.hangs(190)


def test_what_has_not_moved_for_longer_hangs_until_it_moves_again():
    progress = Progress("camera", 30)
    progress.move(100)
    assert progress.hangs(130.1)
    progress.move(131)
    assert not progress.hangs(131)


def test_what_rests_does_not_hang():
    progress = Progress("camera", 30)
    progress.move(100)
    progress.rest()
    assert not progress.hangs(1e9)
