"""`python -m homecall_pi` and the `homecall-pi` command."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line.

    Until a command takes Ctrl-C, that just ends it: where in an import it was is of no use to a
    person, and there is nothing to tidy up yet.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run

    run()


if __name__ == "__main__":
    main()
