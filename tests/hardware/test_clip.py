"""Clips of all sizes and lengths, played round and round."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from homecall_pi.core.ports import BLOCK_SAMPLES
from homecall_pi.errors import HardwareError, OperatorError
from homecall_pi.hardware import clip

from .clips import write_audio, write_video


def test_pictures_have_the_size_and_format_that_is_asked_for(video: Path):
    for picture in islice(clip.pictures(video, 160, 120, 30), 5):
        assert (picture.width, picture.height, picture.format.name) == (160, 120, "yuv420p")


@pytest.mark.parametrize(("width", "height"), [(160, 160), (1280, 720), (162, 120), (120, 320)])
def test_a_clip_of_another_shape_fills_the_picture(video: Path, width: int, height: int):
    picture = next(clip.pictures(video, width, height, 10))
    assert (picture.width, picture.height) == (width, height)


def test_there_are_as_many_pictures_per_second_as_asked_for(video: Path):
    """The clip's ten pictures last a second, then it starts again with the same ones."""
    pictures = [
        bytes(picture.planes[0]) for picture in islice(clip.pictures(video, 320, 240, 30), 60)
    ]
    assert len(set(pictures)) == 10
    assert pictures[:15] == pictures[30:45]


def test_pictures_may_be_written_on_without_spoiling_the_next(video: Path):
    pictures = clip.pictures(video, 320, 240, 20)
    first = next(pictures)
    before = bytes(first.planes[0])
    memoryview(first.planes[0])[:320] = bytes(320)
    assert bytes(next(pictures).planes[0]) == before


@pytest.mark.parametrize("name", ["one.mp4", "photo.jpg"])
def test_a_single_picture_is_shown_for_ever(tmp_path: Path, name: str):
    path = write_video(tmp_path / name, frames=1)
    assert len(list(islice(clip.pictures(path, 160, 120, 30), 20))) == 20


def test_sound_comes_in_whole_blocks_and_starts_again(audio: Path):
    whole = 9600 // BLOCK_SAMPLES
    blocks = list(islice(clip.blocks(audio), whole + 5))
    assert {len(block) for block in blocks} == {2 * BLOCK_SAMPLES}
    assert blocks[:5] == blocks[whole:]
    assert any(blocks[0])


def test_a_sound_shorter_than_a_block_is_filled_up_with_silence(tmp_path: Path):
    path = write_audio(tmp_path / "click.wav", samples=100)
    first, second = islice(clip.blocks(path), 2)
    assert first == second
    assert any(first[:100])
    assert not any(first[400:])


def test_a_sound_of_nothing_is_an_error_not_an_endless_search(tmp_path: Path):
    path = write_audio(tmp_path / "nothing.wav", samples=1)
    with pytest.raises(HardwareError, match=r"nothing\.wav is too short"):
        next(clip.blocks(path))


def test_good_clips_pass(video: Path, audio: Path):
    clip.check(video, "video", "camera.file")
    clip.check(audio, "audio", "camera.file")


def test_a_clip_without_the_wanted_track_is_refused(video: Path, audio: Path):
    with pytest.raises(OperatorError, match=r"has no audio in it; give a clip with a audio track"):
        clip.check(video, "audio", "camera.file")
    with pytest.raises(OperatorError, match="has no video in it; give"):
        clip.check(audio, "video", "camera.file")


@pytest.mark.parametrize("content", [None, b"", b"# not a clip\n", b"\x00" * 5000])
def test_what_is_no_clip_is_refused_with_a_cure(tmp_path: Path, content: bytes | None):
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        OperatorError,
        match=r"^camera\.file: .*clip\.mp4 cannot be played: .*; give a readable clip",
    ):
        clip.check(path, "video", "camera.file")


def test_a_folder_is_no_clip(tmp_path: Path):
    with pytest.raises(OperatorError, match="cannot be played"):
        clip.check(tmp_path, "video", "camera.file")


@pytest.mark.parametrize(("name", "kind"), [("porch.mp4", "video"), ("speech.ogg", "audio")])
def test_the_clips_that_are_shipped_can_be_played(name: str, kind: str):
    clip.check(clip.MEDIA / name, kind, "camera.file")
