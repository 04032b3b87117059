"""How checks are run: together, each with a deadline, none of them in the way of the others."""

from __future__ import annotations

import asyncio
import errno
import signal
import threading
from collections.abc import Sequence
from functools import partial

from homecall_pi.doctor.check import Check, examine
from homecall_pi.doctor.finding import Finding, fail, ok, reason, warn

WELL = ok("well")


async def all_of(checks: Sequence[Check]) -> list[tuple[str, Finding]]:
    return [found async for found in examine(checks)]


async def test_findings_come_in_the_order_of_the_checks():
    late = asyncio.Event()

    async def first() -> Finding:
        await late.wait()
        return WELL

    async def second() -> Finding:
        late.set()
        return warn("so so", "rest")

    found = await all_of([Check("first", first), Check("second", second)])
    assert found == [("first", WELL), ("second", warn("so so", "rest"))]


async def test_what_has_nothing_to_look_at_is_left_out():
    assert await all_of([Check("none", lambda: None), Check("well", lambda: WELL)]) == [
        ("well", WELL)
    ]


async def test_a_check_that_raises_is_a_failed_one_with_its_reason():
    def blocking() -> Finding:
        raise ZeroDivisionError("by nought")

    async def waiting() -> Finding:
        raise OSError("gone")

    (_, one), (_, other) = await all_of([Check("a", blocking), Check("b", waiting)])
    assert (one.status, other.status) == ("fail", "fail")
    assert "ZeroDivisionError: by nought" in one.found
    assert "OSError: gone" in other.found
    assert one.cure
    assert other.cure


async def test_a_check_that_hangs_holds_up_nobody_and_fails_at_its_deadline():
    release = threading.Event()

    def hang() -> Finding:
        release.wait()
        return WELL

    found = dict(await all_of([Check("hangs", hang, 0.01), Check("well", lambda: WELL)]))
    assert found["hangs"].status == "fail"
    assert "no answer within 0.01 s" in found["hangs"].found
    assert found["well"] == WELL
    release.set()


async def test_processes_take_turns_and_the_deadline_is_that_of_each():
    slow = Check("slow", signal.pause, 0.2, apart=True)
    found = await all_of([slow, Check("well", partial(ok, "well"), 10, apart=True)])
    assert [finding.found for _, finding in found] == ["no answer within 0.2 s", "well"]


async def test_checks_that_block_run_side_by_side():
    both = threading.Barrier(2, timeout=5)

    def meet() -> Finding:
        both.wait()
        return WELL

    assert await all_of([Check("a", meet), Check("b", meet)]) == [("a", WELL), ("b", WELL)]


async def test_no_check_goes_on_when_nobody_wants_to_know():
    cancelled = asyncio.Event()

    async def endless() -> Finding:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return WELL

    visit = examine([Check("well", lambda: WELL), Check("endless", endless)])
    assert await anext(visit) == ("well", WELL)
    await visit.aclose()
    assert cancelled.is_set()


def test_the_reason_of_an_error_is_what_the_system_says_of_it():
    refused = OSError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 1)")
    assert reason(refused) == "Connection refused"
    assert reason(OSError("Multiple exceptions")) == "Multiple exceptions"
    assert reason(ConnectionResetError()) == "ConnectionResetError"


def test_a_fault_has_a_cure():
    assert fail("a", "b") == Finding("fail", "a", "b")
    assert ok("a").cure == ""
