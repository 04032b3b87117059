"""The parts at the door as they are configured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from homecall_pi.config.file import load


def test_two_parts_on_one_pin_are_refused_and_the_pin_named(error_of: Callable[[str], str]) -> None:
    assert error_of("[panel]\nled_pin = 17\nrelay_pin = 17") == (
        "config.toml: panel: GPIO 17 is given twice: each part needs its own pin; "
        "see `homecall-pi config --help`"
    )


def test_bounds_that_leave_no_bitrate_are_refused(error_of: Callable[[str], str]) -> None:
    assert error_of("[camera]\nmin_bitrate_bps = 500000\nmax_bitrate_bps = 300000") == (
        "config.toml: camera: min_bitrate_bps is 500000 and max_bitrate_bps less: 300000; "
        "see `homecall-pi config --help`"
    )


def test_a_clip_without_a_name_is_refused(error_of: Callable[[str], str]) -> None:
    assert error_of('[camera]\nsource = "file"') == (
        'config.toml: camera: source = "file" plays a clip: name it as `file`; '
        "see `homecall-pi config --help`"
    )


def test_parts_that_are_not_wired_need_no_pin(file: Path) -> None:
    file.write_text("[panel]\nled_pin = -1\nrelay_pin = -1\nbutton_pin = -1")
    assert load(file, {}).panel.led_pin == -1
