"""`scripts/bench hostile`: hostile clients, servers and pages; nothing of ours may give way."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import re
import sys
import tempfile
import time

import psutil
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.bench import hostile_servers, page_fuzz
from tests.bench.attacks import ATTACKS
from tests.bench.limits import Limits
from tests.bench.siege import HEAD, suffer
from tests.signaling.test_hostile import Hostile
from tests.webrtc.test_hostile import accept, sample_answer, spoilt

TARGETS = (
    "messages and rooms",
    "server",
    "descriptions and seals",
    "door, server hostile",
)
STEPS = 50


async def besiege(seconds: float, only: str) -> bool:
    """All attacks on the server, then all hostile servers; whether they did no harm."""
    limits = Limits()
    print(HEAD)
    for title in ATTACKS:
        for limited in (True, False):
            if only in title:
                await suffer(title, seconds, limits, limited=limited)
    await hostile_servers.rows(seconds, only, limits)
    return limits.verdict()


def improvise(sequences: int) -> None:
    """Hypothesis' clients, while two others must go on being served."""
    started = time.monotonic()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Hostile, settings=settings(max_examples=sequences, stateful_step_count=STEPS, deadline=None)
    )
    took = time.monotonic() - started
    print(f"hypothesis: {sequences} sequences of up to {STEPS} acts, {took:.0f} s: nothing found")


async def fuzz(minutes: float) -> bool:
    """Each target, and the page, for its share of the time; whether nothing was found."""
    print(f"{'coverage-guided, ' + format(minutes, 'g') + ' min':26} {'runs':>9} {'branches':>9}")
    share_s = 60 * minutes / (len(TARGETS) + 1)
    good = [await fuzz_one(target, share_s) for target in TARGETS]
    return all([*good, await page_fuzz.row(share_s)])


async def fuzz_one(target: str, seconds: float) -> bool:
    """One line of the table: Atheris on a target."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.bench.fuzz", target),
            *(f"-max_total_time={seconds:.0f}", "-len_control=0", f"-artifact_prefix={folder}/"),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        _, said = await process.communicate()
    text = said.decode(errors="replace")
    runs = re.findall(r"^#(\d+)", text, re.MULTILINE) or ["0"]
    branches = re.findall(r"cov: (\d+)", text) or ["0"]
    good = process.returncode == 0 and "DONE" in text
    print(
        f"{target:26} {runs[-1]:>9} {branches[-1]:>9} {'nothing found' if good else text[-3000:]}"
    )
    return good


async def answer_badly(calls: int) -> bool:
    """Spoilt answers to real connections of the door; whether nothing failed or stayed behind."""
    logging.disable(logging.WARNING)  # each call's end
    faults: list[object] = []
    loop, process = asyncio.get_running_loop(), psutil.Process()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    answer, dice = await sample_answer(), random.Random(1)  # noqa: S311
    for _ in range(50):
        await accept(spoilt(answer, dice), dice)
    before = process.memory_info().rss, process.num_fds(), len(asyncio.all_tasks())
    for _ in range(calls):
        await accept(spoilt(answer, dice), dice)
    after = process.memory_info().rss, process.num_fds(), len(asyncio.all_tasks())
    print(
        f"spoilt answers: {calls} calls, {len(faults)} faults; memory "
        f"{before[0] / 1e6:.1f} -> {after[0] / 1e6:.1f} MB, files {before[1]} -> {after[1]}, "
        f"tasks {before[2]} -> {after[2]}"
    )
    return not faults and after[1:] == before[1:]


def main(arguments: argparse.Namespace) -> bool:
    """Everything that is asked for; whether all is well."""
    good = True
    if arguments.seconds:
        good &= asyncio.run(besiege(arguments.seconds, arguments.only))
    if arguments.sequences:
        improvise(arguments.sequences)
    if arguments.minutes:
        good &= asyncio.run(fuzz(arguments.minutes))
    if arguments.calls:
        good &= asyncio.run(answer_badly(arguments.calls))
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench hostile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each attack [10]")
    parser.add_argument("--only", default="", help="attacks and servers with this in their names")
    parser.add_argument("--sequences", type=int, default=500, help="by hypothesis [500]")
    parser.add_argument("--minutes", type=float, default=5, help="of coverage-guided fuzzing [5]")
    parser.add_argument("--calls", type=int, default=300, help="answered with nonsense [300]")
    raise SystemExit(not main(parser.parse_args()))
