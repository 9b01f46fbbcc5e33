"""The command `smatch`, and `python -m smatch_edu`. Ctrl-C ends either in one line, at any moment."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run the command line; see `cli.main`."""
    try:
        from smatch_edu import cli  # here, so that Ctrl-C is heard while it loads

        status = cli.main()
    except KeyboardInterrupt:
        print("smatch: interrupted", file=sys.stderr)
        status = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said: a second Ctrl-C has nothing to stop
    return status


if __name__ == "__main__":
    sys.exit(main())
