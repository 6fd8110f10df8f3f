"""The fault drill: each alert provoked for real, seen firing in a real Prometheus, and seen ending. `make drill` writes docs/drill.md.

Every time in the rules is a sixtieth of what it is in service: five minutes are five seconds.
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tools.drill.faults import FAULTS, Fault, provoked
from tools.drill.stand import Stand

PAGE = Path(__file__).parents[2] / "docs" / "drill.md"
HEAD = """\
# Fault drill

Alerts provoked for real, with two scorers and a trainer under load ({rate:,.0f} events/s of the synthetic shop) and a worker that delivers
four triggers a second, on a real Kafka broker, seen firing in a real Prometheus, and seen ending when the fault was mended. Every time in the
rules was a sixtieth of what it is in service, so that five minutes were five seconds; thresholds were those of service. Of the burn rates the
quickest was watched. Ended is what then stayed quiet for 15 s. A trainer that starts again judges from its last published model on, so that the
two of quality end sooner than their windows fill.
{written}

| fault | alert | fired after | mended: | ended after |
| --- | --- | --- | --- | --- |
"""


def main() -> int:
    """Hold the drill; 1 where an alert did not fire or did not end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=600, help="events a second")
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="faults whose alerts or words match this regular expression; the page keeps the others' rows"
    )
    parser.add_argument("--folder", type=Path, default=None, help="keep logs there")
    chosen = parser.parse_args()
    program = shutil.which("prometheus")
    if program is None:
        raise SystemExit("no prometheus on the PATH; on Debian: apt-get install prometheus")
    faults = [fault for fault in FAULTS if re.search(chosen.only, f"{fault.says} {fault.alerts}")]
    with tempfile.TemporaryDirectory() as temporary, Stand((chosen.folder or Path(temporary)) / "drill", Path(program), chosen.rate) as stand:
        began_s = time.monotonic()
        warmed_s = warm(stand, quality=any("Calibration" in alert for fault in faults for alert in fault.alerts))
        print(f"at work after {warmed_s:.0f} s", flush=True)
        rows = [row for fault in faults for row in tried(fault, stand)]
        minutes = (time.monotonic() - began_s) / 60
    head = HEAD.format(rate=chosen.rate, written=written(minutes, whole=len(faults) == len(FAULTS)))
    PAGE.write_text(head + "".join(f"{line}\n" for line in merged([line for line, _ in rows])), encoding="utf-8")
    return 0 if all(well for _, well in rows) else 1


def written(minutes: float, *, whole: bool) -> str:
    """When the page was written; a drill of a part leaves what it says of the last whole one."""
    day = f"{datetime.now(UTC):%-d %B %Y}"
    before = re.search(r"^Written by .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) if PAGE.exists() and not whole else None
    return (
        f"{before[0].partition('; in part')[0].rstrip('.')}; in part on {day}."
        if before
        else f"Written by `make drill`, last on {day} ({minutes:.0f} minutes)."
    )


def merged(rows: list[str]) -> list[str]:
    """A row for each alert of each fault: of this drill, else of the one that the page tells of, else that it was not tried."""
    before = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")] if PAGE.exists() else []
    found = []
    for fault in FAULTS:
        for alert in fault.alerts:
            name = alert.partition("{")[0]
            begins = f"| {fault.says} | [{name}]"
            untried = f"{begins}(runbooks/{name}.md) | not tried | {fault.mended} | |"
            found.append(next((line for line in (*rows, *before) if line.startswith(begins)), untried))
    return found


def warm(stand: Stand, *, quality: bool) -> float:
    """Wait until models are in force; for the alerts on quality also until enough was judged and purchase no longer warms up."""
    began_s = time.monotonic()
    well = 'min(min_over_time(clickscore:calibration:within_bounds{target="purchase"}[20s])) == 1'
    judged = ['clickscore:calibration:ratio{target="purchase"}', 'max(clickscore_model_warming_up{target="purchase"}) == 0', well] if quality else []
    for expr in ("clickscore_model_version > 0", *judged):
        if left := stand.prometheus.unanswered({expr: expr}, 240):
            print(f"nothing came for {', '.join(left)}", flush=True)
    return time.monotonic() - began_s


def tried(fault: Fault, stand: Stand) -> list[tuple[str, bool]]:
    """A row an alert of the page, and whether it fired and ended."""
    for alert in fault.alerts:
        stand.until(alert, False, fault.within_s)
    began_s = time.monotonic()
    with provoked(fault, stand):
        fired_s = [stand.until(alert, True, fault.within_s) - began_s for alert in fault.alerts]
    began_s = time.monotonic()
    ended_s = [stand.until(alert, False, fault.within_s) - began_s for alert in fault.alerts]
    rows = []
    for alert, fired, ended in zip(fault.alerts, fired_s, ended_s, strict=True):
        name = alert.partition("{")[0]
        rows.append((f"| {fault.says} | [{name}](runbooks/{name}.md) | {seconds(fired)} | {fault.mended} | {seconds(ended)} |", fired + ended < math.inf))
        print(rows[-1][0], flush=True)
    return rows


def seconds(time_s: float) -> str:
    """A time as a person reads it."""
    return "**not seen**" if math.isnan(time_s) else f"{time_s:.0f} s"


if __name__ == "__main__":
    raise SystemExit(main())
