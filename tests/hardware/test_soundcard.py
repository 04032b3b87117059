"""The sound card, with its real threads, over a PyAudio without hardware."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from homecall_pi.core.ports import BLOCK_SAMPLES
from homecall_pi.hardware import duplex, portaudio, sound_link, sound_process, soundcard
from homecall_pi.hardware.fake_pyaudio import Card, Machine
from homecall_pi.hardware.sound_messages import Half, Halves
from homecall_pi.hardware.sound_process import Program
from homecall_pi.hardware.soundcard import CardSpeaker, SoundCard

from ..conftest import PATIENCE_S
from ..doubles import idly

BOTH = Halves(Half(), Half(), cancel_echo=False)
SILENCE = bytes(2 * BLOCK_SAMPLES)
MakeCard = Callable[..., SoundCard]


def block(value: int) -> bytes:
    return value.to_bytes(2, "little") * BLOCK_SAMPLES


def into(blocks: list[bytes]) -> Callable[[bytes], None]:
    """A sink of sound, by the block."""
    size = len(SILENCE)

    def take(sound: bytes) -> None:
        blocks.extend(sound[start : start + size] for start in range(0, len(sound), size))

    return take


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.002)


class Thread:
    """The program, in a thread instead of a process, so that it meets the test's machine."""

    def __init__(self, halves: Halves, line: socket.socket, load: Callable[[], object]) -> None:
        self._line = line.dup()
        self._program = Program(self._line, halves, load=load)
        self._thread = threading.Thread(target=self._run, name="program")
        self._thread.start()

    def _run(self) -> None:
        with self._line:
            self._program.run()

    def kill(self) -> None:
        """It ends by itself now that its line is closed, unless it hangs."""

    def wait(self) -> int:
        self._thread.join()
        return 0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_process, "LINGER_S", 0.01)
    monkeypatch.setattr(duplex, "RETRY_S", 0.02)
    monkeypatch.setattr(duplex, "STEADY_CHUNKS", 3)
    monkeypatch.setattr(sound_link, "LOOK_S", 0.02)
    monkeypatch.setattr(soundcard, "RETRY_S", 0.02)


@pytest.fixture
def usb() -> Card:
    return Card("USB Speakerphone: Audio (hw:1,0)")


@pytest.fixture
def machine(usb: Card) -> Machine:
    return Machine(usb)


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ALSA's list of cards."""
    monkeypatch.setattr(duplex, "CARDS", tmp_path / "cards")
    return tmp_path / "cards"


@pytest.fixture
async def make(machine: Machine, cards: Path) -> AsyncIterator[MakeCard]:
    made: list[SoundCard] = []

    def make(halves: Halves = BOTH, load: Callable[[], object] = lambda: machine) -> SoundCard:
        card = SoundCard(halves, spawn=lambda halves, line: Thread(halves, line, load))
        made.append(card)
        return card

    yield make
    for card in made:
        if card._link is not None:
            card._link.close()


async def off(card: SoundCard) -> None:
    """Switches both off, and waits until the card is closed."""
    card.microphone.stop()
    card.speaker.sound(b"")
    card.speaker.stop()
    await until(lambda: idle(card))


def idle(card: SoundCard) -> bool:
    return card._link is None or not card._link.busy


async def test_what_the_microphone_hears_arrives_in_order(make: MakeCard, usb: Card):
    usb.said += [block(value) for value in range(1, 6)]
    card, heard = make(), []
    card.microphone.start(into(heard))
    await until(lambda: len(heard) >= 6)
    assert heard[:6] == [*(block(value) for value in range(1, 6)), SILENCE]
    await off(card)


async def test_the_voice_and_the_sounds_of_the_door_come_out_of_the_loudspeaker(
    make: MakeCard, usb: Card
):
    card = make()
    rooms: list[int] = []
    card.speaker.start(lambda: rooms.append(card.speaker.waiting))
    card.speaker.play(block(100))
    assert card.speaker.waiting == 1
    await until(lambda: block(100) in usb.played)
    await until(lambda: card.speaker.waiting == 0 and rooms[-1:] == [0])
    card.speaker.sound(block(7) + block(8))
    await until(lambda: block(8) in usb.played)
    index = usb.played.index(block(7))
    assert usb.played[index + 1] == block(8)
    await off(card)


async def test_a_sound_opens_the_card_by_itself_and_lets_it_go_at_its_end(
    make: MakeCard, usb: Card
):
    card = make()
    card.speaker.sound(block(7) * 3)
    await until(lambda: usb.played.count(block(7)) == 3)
    await until(lambda: idle(card))
    await off(card)


async def test_portaudio_is_called_on_threads_of_its_own(make: MakeCard, machine: Machine):
    card = make()
    card.speaker.start(idly)
    await until(lambda: machine.threads)
    assert threading.get_ident() not in machine.threads
    await off(card)


async def test_a_card_that_is_off_delivers_nothing(make: MakeCard):
    card, heard = make(), []
    card.microphone.start(into(heard))
    await until(lambda: heard)
    card.speaker.start(idly)
    card.microphone.stop()
    count = len(heard)
    await asyncio.sleep(0.03)
    assert len(heard) == count
    await off(card)


async def test_it_can_be_switched_off_and_on_again_and_portaudio_stays_ready(
    make: MakeCard, usb: Card, machine: Machine
):
    card = make()
    for _ in range(3):
        heard: list[bytes] = []
        card.microphone.start(into(heard))
        await until(lambda heard=heard: heard)
        await off(card)
    assert usb.opened == 6
    assert machine.instances == 1


async def test_switching_off_and_on_at_once_keeps_the_card_open(make: MakeCard, usb: Card):
    card, heard = make(), []
    card.microphone.start(lambda _: None)
    await until(lambda: usb.opened == 2)
    card.microphone.stop()
    card.microphone.start(into(heard))
    await until(lambda: heard)
    assert usb.opened == 2
    await off(card)


@pytest.mark.parametrize(
    ("halves", "opened"),
    [(Halves(Half(), None), 1), (Halves(None, Half()), 1)],
    ids=["microphone", "speaker"],
)
async def test_a_half_that_is_not_wanted_is_not_opened(
    halves: Halves, opened: int, make: MakeCard, usb: Card
):
    card = make(Halves(halves.microphone, halves.speaker, cancel_echo=False))
    heard: list[bytes] = []
    card.microphone.start(into(heard))
    card.speaker.start(idly)
    card.speaker.play(block(9))
    await until(lambda: heard or block(9) in usb.played)
    assert usb.opened == opened
    await off(card)


async def test_gain_and_mute(make: MakeCard, usb: Card):
    card, heard = make(Halves(Half(gain_db=6.03), Half(mute=True), cancel_echo=False)), []
    usb.said.append(block(100))
    card.microphone.start(into(heard))
    card.speaker.start(idly)
    card.speaker.play(block(100))
    await until(lambda: block(200) in heard and card.speaker.waiting == 0)
    await until(lambda: len(usb.played) > 5)
    assert set(usb.played) == {SILENCE}
    await off(card)


async def test_a_muted_microphone_delivers_silence(make: MakeCard, usb: Card):
    card, heard = make(Halves(Half(mute=True), None)), []
    usb.said += [block(100)] * 3
    card.microphone.start(into(heard))
    await until(lambda: len(heard) > 3)
    assert set(heard) == {SILENCE}
    await off(card)


async def test_the_canceller_is_given_what_was_heard_and_what_is_played(
    make: MakeCard, usb: Card, monkeypatch: pytest.MonkeyPatch
):
    class Canceller:
        def clean(self, heard: bytes, played: bytes) -> bytes:
            return played if any(played) else heard

    monkeypatch.setattr(duplex, "EchoCanceller", Canceller)
    card, heard = make(Halves(Half(), Half())), []
    card.microphone.start(into(heard))
    card.speaker.sound(b"", block(7))
    await until(lambda: block(7) in heard)
    await off(card)


@pytest.mark.parametrize("device", ["", "0", "usb speaker", "hw:1,0"])
async def test_a_device_is_found_by_name_or_index(device: str, make: MakeCard, usb: Card):
    card = make(Halves(Half(device=device), Half(device=device), cancel_echo=False))
    card.speaker.start(idly)
    await until(lambda: usb.opened == 2)
    await off(card)


async def test_each_half_may_be_a_device_of_its_own(
    make: MakeCard, machine: Machine, caplog: pytest.LogCaptureFixture
):
    hat = Card("I2S amplifier", inputs=0)
    machine.plug(hat)
    card = make(Halves(Half(device="usb"), Half(device="i2s"), cancel_echo=False))
    card.speaker.start(idly)
    await until(lambda: hat.played)
    assert caplog.messages == []
    await off(card)


async def test_a_card_that_is_not_there_is_told_once_with_what_is(
    make: MakeCard, usb: Card, caplog: pytest.LogCaptureFixture
):
    card = make(Halves(Half(device="jabra"), None, cancel_echo=False))
    card.microphone.start(lambda _: None)
    await until(lambda: caplog.messages)
    await asyncio.sleep(0.1)
    (message,) = caplog.messages
    assert message == (
        f"the microphone is not there as 'jabra' (there are: 0 {usb.name!r}); "
        "see that it is plugged in and free, or set `device`; retrying"
    )
    await off(card)


async def test_a_machine_without_cards_costs_the_sound_alone(
    make: MakeCard, machine: Machine, usb: Card, caplog: pytest.LogCaptureFixture
):
    machine.unplug(usb)
    card, heard = make(), []
    card.microphone.start(into(heard))
    card.speaker.start(idly)
    card.speaker.play(SILENCE)
    await until(lambda: caplog.messages)
    (message,) = caplog.messages
    assert message.startswith("the microphone cannot be opened")
    assert "the speaker cannot be opened" in message
    assert heard == []
    await off(card)


@contextlib.contextmanager
def away(machine: Machine, usb: Card, fault: str) -> Iterator[None]:
    """The card fails in the block, and is well again after it."""
    if fault == "unplugged":
        machine.unplug(usb)
    else:
        usb.silent = True
    yield
    usb.silent = False
    if not usb.plugged:
        machine.plug(usb)


@pytest.mark.parametrize("fault", ["unplugged", "silent"])
async def test_a_card_that_fails_in_a_call_comes_back_by_itself_with_one_line_each(
    fault: str,
    make: MakeCard,
    machine: Machine,
    usb: Card,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    caplog.set_level(logging.INFO)
    card, heard = make(), []
    card.microphone.start(into(heard))
    card.speaker.start(idly)
    await until(lambda: heard)
    with away(machine, usb, fault), monkeypatch.context() as impatient:
        impatient.setattr(portaudio, "STALL_S", 0.05)
        impatient.setattr(portaudio, "START_S", 0.05)
        await until(lambda: caplog.messages)
        await asyncio.sleep(0.1)
    heard.clear()
    await until(lambda: heard)
    card.speaker.play(block(5))
    await until(lambda: block(5) in usb.played)
    await until(lambda: len(caplog.messages) > 1)
    lost, back = caplog.messages
    assert lost.startswith("the microphone ")
    assert lost.endswith("; retrying")
    assert back == "the microphone and the speaker work again"
    await off(card)


async def hangs(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits until the program that hangs is found out, and another one works."""
    with monkeypatch.context() as patience:
        patience.setattr(sound_link, "HANG_S", 0.05)
        await until(lambda: caplog.messages)
    await until(lambda: len(caplog.messages) > 1)


async def test_a_portaudio_that_never_returns_is_given_up_and_another_one_started(
    cards: Path, usb: Card, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(logging.INFO)
    machines = [Machine(usb), Machine(Card("USB Speakerphone, replugged"))]
    started: list[Thread] = []

    def spawn(halves: Halves, line: socket.socket) -> Thread:
        machine = machines[len(started)]
        started.append(Thread(halves, line, lambda: machine))
        return started[-1]

    card, heard = SoundCard(BOTH, spawn=spawn), []
    card.microphone.start(into(heard))
    card.speaker.sound(b"", block(7))
    await until(lambda: heard and card._link._works)
    usb.answers.clear()
    await hangs(caplog, monkeypatch)
    assert caplog.messages == [
        "the microphone does not respond; the speaker does not respond; "
        "see that it is plugged in and free, or set `device`; retrying",
        "the microphone and the speaker work again",
    ]
    heard.clear()
    usb.said += [block(3)] * 9
    usb.answers.set()  # the first one wakes up, and nobody hears it
    await until(lambda: len(heard) > 5)
    assert set(heard) == {SILENCE}
    assert machines[1].cards[0].played[-1] == block(7), "the sound that goes on was forgotten"
    await off(card)
    card._link.close()
    assert len(started) == 2


async def test_a_busy_card_is_used_as_soon_as_it_is_free(
    make: MakeCard, usb: Card, caplog: pytest.LogCaptureFixture
):
    usb.busy = True
    card, heard = make(), []
    card.microphone.start(into(heard))
    await until(lambda: caplog.messages)
    assert "Device unavailable" in caplog.messages[0]
    usb.busy = False
    await until(lambda: heard)
    await off(card)


@pytest.mark.parametrize("told", [True, False], ids=["by-alsa", "by-a-sound-server"])
async def test_a_missing_microphone_hardly_disturbs_the_loudspeaker_until_it_is_plugged_in(
    told: bool,
    make: MakeCard,
    machine: Machine,
    usb: Card,
    cards: Path,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO)
    hat = Card("I2S amplifier", inputs=0)
    machine.plug(hat)
    machine.unplug(usb)
    card, heard = make(Halves(Half(device="usb"), Half(device="i2s"), cancel_echo=False)), []
    card.microphone.start(into(heard))
    card.speaker.start(idly)
    await until(lambda: len(hat.played) > 40)
    assert hat.opened < 12, "each opening interrupts it"
    machine.plug(usb)
    if told:
        cards.write_text("1 [Speakerphone]\n")
    await until(lambda: heard and len(caplog.messages) > 1)
    assert caplog.messages[1:] == ["the microphone works again"]
    await off(card)


async def test_a_portaudio_that_cannot_be_loaded_costs_the_sound_alone(
    make: MakeCard, caplog: pytest.LogCaptureFixture
):
    def load() -> None:
        raise ImportError("No module named 'pyaudio'")

    card = make(load=load)
    card.microphone.start(lambda _: None)
    await until(lambda: caplog.messages)
    assert "cannot be used (No module named 'pyaudio')" in caplog.messages[0]
    await off(card)


async def test_sounds_run_out_without_a_card_and_are_not_played_late(
    make: MakeCard, machine: Machine, usb: Card, caplog: pytest.LogCaptureFixture
):
    machine.unplug(usb)
    card = make()
    card.speaker.sound(block(7) * 2)
    await until(lambda: caplog.messages and idle(card))
    machine.plug(usb)
    card.speaker.start(idly)
    await until(lambda: len(usb.played) > 5)
    assert block(7) not in usb.played
    await off(card)


@pytest.fixture
async def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SoundCard]:
    """A card whose program is a process of its own, which finds one card, and is as impatient."""
    (tmp_path / "pyaudio.py").write_text(
        "import __main__ as program\n"
        "from homecall_pi.hardware import duplex\n"
        "from homecall_pi.hardware.fake_pyaudio import Card, Machine\n"
        "program.LINGER_S, duplex.STEADY_CHUNKS = 0.01, 3\n"
        "machine = Machine(Card('USB'))\n"
        "PyAudio, paInt16 = machine.PyAudio, machine.paInt16\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    card = SoundCard(BOTH)
    yield card
    if card._link is not None:
        card._link.close()


async def test_the_program_is_a_process_that_hears_and_plays(real: SoundCard):
    heard: list[bytes] = []
    real.microphone.start(into(heard))
    real.speaker.start(idly)
    real.speaker.sound(block(7))
    real.speaker.play(block(8))
    await until(lambda: heard and real.speaker.waiting == 0)
    assert set(heard) == {SILENCE}
    real.microphone.stop()
    real.speaker.stop()
    await until(lambda: idle(real))


def supply(speaker: CardSpeaker) -> None:
    """What the voice does every few milliseconds, until enough waits."""
    for _ in range(20):
        if speaker.waiting >= 2:
            return
        speaker.play(SILENCE)
    raise AssertionError("enough never waits")


class Poverty:
    """A machine on which there is nothing to be had for a while."""

    def __init__(self, fault: Exception) -> None:
        self.fault: Exception | None = fault
        self.refused = 0

    def take(self) -> None:
        if self.fault is not None:
            self.refused += 1
            raise self.fault


@pytest.mark.parametrize("what", ["process", "thread", "line"])
async def test_where_nothing_is_to_be_had_for_the_program_it_starts_later(
    what: str, machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(logging.INFO)
    fault = {
        "process": OSError(errno.ENOMEM, "Cannot allocate memory"),
        "thread": RuntimeError("can't start new thread"),
        "line": OSError(errno.EMFILE, "Too many open files"),
    }[what]
    poverty = Poverty(fault)

    def spawn(halves: Halves, line: socket.socket) -> Thread:
        if what == "process":
            poverty.take()
        return Thread(halves, line, lambda: machine)

    def poor(real: Callable[..., Any]) -> Callable[..., Any]:
        def take(*arguments: Any, **options: Any) -> Any:
            if options.get("name", "sound") == "sound":
                poverty.take()
            return real(*arguments, **options)

        return take

    if what == "thread":
        monkeypatch.setattr(sound_link.threading, "Thread", poor(threading.Thread))
    if what == "line":
        monkeypatch.setattr(sound_link.socket, "socketpair", poor(socket.socketpair))
    card, heard = SoundCard(BOTH, spawn=spawn), []
    card.speaker.sound(b"")
    card.speaker.start(idly)
    card.microphone.start(into(heard))
    await until(lambda: poverty.refused > 5)
    poverty.fault = None
    await until(lambda: heard)
    await until(lambda: len(caplog.messages) > 1)
    lost, back = caplog.messages
    assert lost.startswith("the microphone cannot be started (")
    assert back == "the microphone and the speaker work again"
    await off(card)
    card._link.close()


async def test_a_sound_for_which_there_is_no_memory_is_not_heard_and_nothing_else_fails(
    make: MakeCard, usb: Card, monkeypatch: pytest.MonkeyPatch
):
    card = make()
    with monkeypatch.context() as poor:
        poverty = Poverty(OSError(errno.EMFILE, "Too many open files"))
        poor.setattr(os, "memfd_create", lambda _: poverty.take())
        card.speaker.sound(block(7))
    card.speaker.sound(block(8))
    await until(lambda: block(8) in usb.played)
    assert block(7) not in usb.played
    await off(card)


@pytest.mark.parametrize(
    ("number", "fault"),
    [(signal.SIGKILL, "failed"), (signal.SIGSTOP, "does not respond")],
    ids=["crash", "hang"],
)
async def test_a_process_that_crashes_or_hangs_is_replaced_with_one_line_each(
    number: int,
    fault: str,
    real: SoundCard,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    caplog.set_level(logging.INFO)
    heard: list[bytes] = []
    real.microphone.start(into(heard))
    await until(lambda: heard and real._link._works)
    first = real._link._process
    os.kill(first.pid, number)
    supply(real.speaker)
    if number == signal.SIGSTOP:
        await hangs(caplog, monkeypatch)
    await until(lambda: caplog.messages)
    supply(real.speaker)
    await until(lambda: len(caplog.messages) > 1)
    lost, back = caplog.messages
    assert lost.startswith(f"the microphone {fault}; the speaker {fault}; ")
    assert back == "the microphone and the speaker work again"
    assert await asyncio.to_thread(first.wait) == -signal.SIGKILL


async def test_the_process_ends_with_the_daemon(real: SoundCard):
    real.speaker.sound(b"")
    await until(lambda: idle(real))
    line, process = real._link._line, real._link._process
    asyncio.get_running_loop().remove_reader(line)
    line.shutdown(socket.SHUT_RDWR)
    assert await asyncio.to_thread(process.wait) == 0
