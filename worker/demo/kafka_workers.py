"""Workers of the demo on Kafka: `clickscore run --bootstrap …` as anybody would start it, each a process of its own that can be killed for show.

Each has a keeper (worker/demo/broker/keeper.py) between it and the demo, so that no worker outlives a demo that was killed itself.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from worker.demo import broker
from worker.errors import ClickscoreError

STOP_WITHIN_S, LAST_WORDS = 30.0, 8
KEEPER = Path(broker.__file__).with_name("keeper.py")


class WorkerProcess:
    """One worker under a member name, which it keeps when it is started again."""

    def __init__(self, member: str, bootstrap: str, configuration: Path) -> None:
        self.member = member
        self.log_file = configuration.with_name(f"{member}.log")
        self.pid = 0
        self._command = [sys.executable, "-m", "worker", "run", "--bootstrap", bootstrap, "--member", member, "--config", str(configuration)]
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it did before it was killed stays in its log."""
        with self.log_file.open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(KEEPER), "", "", *self._command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True, bufsize=0, cwd=self.log_file.parent,
            )  # fmt: skip
        self.pid = int(self._answer() or 0)

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._keeper is not None and self._keeper.poll() is None

    def kill(self) -> None:
        """End it at once, in whatever it is doing (SIGKILL). Returns when it is dead."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order (SIGTERM): its turn is finished, what it learned published."""
        self._end(signal.SIGTERM)

    def refuse_dead(self) -> None:
        """Raise ClickscoreError with its last words when it has ended by itself."""
        if not self.running:
            words = "\n".join(self.log_file.read_text(errors="replace").splitlines()[-LAST_WORDS:])
            raise ClickscoreError(f"{self.member} has ended by itself; its last words:\n{words}", "the demo", "run the demo again")

    def _end(self, number: signal.Signals) -> None:
        if self._keeper is None or self._keeper.stdin is None or self._keeper.stdout is None:
            return
        with suppress(BrokenPipeError):
            if self.running:
                self._keeper.stdin.write(b"%d\n" % number)
        with suppress(subprocess.TimeoutExpired):
            self._keeper.wait(STOP_WITHIN_S)
        self._keeper.stdin.close()  # what has not ended by now, its keeper kills
        self._keeper.wait()
        self._keeper.stdout.close()
        self._keeper, self.pid = None, 0

    def _answer(self) -> bytes:
        return self._keeper.stdout.readline() if self._keeper is not None and self._keeper.stdout is not None else b""
