"""What a test is told of a machine that does not boot."""

from __future__ import annotations

import pytest

from . import roots
from .machine import Machine

pytestmark = pytest.mark.booted


@pytest.mark.skipif(bool(roots.missing()), reason="nothing can be booted here")
def test_a_machine_that_ends_early_is_told_with_its_last_words() -> None:
    with Machine("trixie") as machine:
        init = machine.path("/usr/lib/systemd/systemd")
        init.unlink()
        init.write_text("#!/bin/sh\necho out of order\nexit 3\n")
        init.chmod(0o755)
        words = r"does not boot: it has ended with 3\n(.*\n)*out of order"
        with pytest.raises(AssertionError, match=words):
            machine.boot()
