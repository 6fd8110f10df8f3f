"""The command `clickscore`, also as `python -m worker`."""

from __future__ import annotations

import sys

from worker.commands.errors import guarded


def main() -> int:
    """Run the command line and return its exit code."""
    return guarded(_run)


def _run() -> None:
    from worker.commands.app import run  # here, so that Ctrl-C during the import ends as quietly as later

    run()


if __name__ == "__main__":
    sys.exit(main())
