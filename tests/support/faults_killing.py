"""Kills a command with SIGKILL at random instants of its run, lets it end, and counts the rows lost or doubled."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faults_studies import ROOT, Case, Rows, database, rows

from gnomon.data.maintenance.integrity import examine_database

STRIKES = 8
PATIENCE = 300


@dataclass
class Tally:
    """What happened to a command under kills; `seconds` is its undisturbed run, `at` when each kill came."""

    command: str
    kills: int = 0
    studies: int = 0
    lost: int = 0
    doubled: int = 0
    damaged: int = 0
    seconds: float = 0.0
    at: list[float] = field(default_factory=list)
    between: int = 0
    problems: list[str] = field(default_factory=list)

    def killed(self, instant: float) -> None:
        """Count a kill, and tell every tenth: a long run may itself be stopped."""
        self.kills += 1
        self.at.append(round(instant, 2))
        if self.kills % 10 == 0:
            print(f"{self.command}: {self.kills} kills, {self.lost} rows lost, {self.doubled} doubled", file=sys.stderr)

    def compare(self, expected: Rows, found: Rows, whole: bool) -> None:
        """Count rows that are not there (of a run that has ended), there twice, or there without reason."""
        for name, wanted in expected.items():
            here = found.get(name, [])
            self.doubled += len(here) - len(set(here))
            strange, missing = set(here) - set(wanted), set(wanted) - set(here)
            if whole and missing:
                self.lost += len(missing)
                self.problems.append(f"{name}: {len(missing)} rows missing, such as {sorted(missing)[0][:200]}")
            if strange and (whole or name != "study"):
                self.problems.append(f"{name}: {len(strange)} rows of no undisturbed run: {sorted(strange)[0][:200]}")


def kill_often(case: Case, kills: int, seed: int, scratch: Path) -> Tally:
    """Kill `case` so many times, on new studies; each study is let run to its end after at most eight kills.

    Half of the instants are drawn over the whole run, half over the part in which it writes (from its first line on).
    """
    chance, tally = random.Random(f"{case.name} {seed}"), Tally(case.name)
    expected, first, tally.seconds = _undisturbed(case, scratch)
    while tally.kills < kills:
        folder = scratch / f"{case.name}-{tally.studies}"
        case.prepare(folder)
        tally.studies += 1
        for _ in range(min(STRIKES, kills - tally.kills)):
            start = chance.choice((0.0, first))
            if not _strike(case, folder, chance.uniform(start, tally.seconds), expected, tally):
                break
        _ended(case, folder, expected, tally)
    return tally


def _undisturbed(case: Case, scratch: Path) -> tuple[Rows, float, float]:
    folder = scratch / f"{case.name}-undisturbed"
    case.prepare(folder)
    begun = time.monotonic()
    with started(case, folder) as (process, lines):
        first = next((time.monotonic() - begun for _ in lines), 0.0)
        process.wait(PATIENCE)
        assert process.returncode == 0, "".join(lines)
    return rows(database(folder)), first, time.monotonic() - begun


@contextmanager
def started(case: Case, folder: Path) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """The command running, and its lines on stderr as they come."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(case.command(folder), cwd=ROOT, env=case.environment(folder), **pipes) as process:
        assert process.stderr is not None
        try:
            yield process, iter(process.stderr)
        finally:
            process.kill()


def _strike(case: Case, folder: Path, instant: float, expected: Rows, tally: Tally) -> bool:
    """Kill one run at an instant; False where it had ended before."""
    with started(case, folder) as (process, lines):
        timer = threading.Timer(instant, process.kill)
        timer.start()
        heard = "".join(lines)
        process.wait(PATIENCE)
        timer.cancel()
    if process.returncode >= 0:
        if process.returncode:
            tally.problems.append(f"ended with {process.returncode}: {heard[-300:]}")
        return False
    tally.killed(instant)
    _whole(folder, tally)
    there = rows(database(folder))
    for name, promised in case.promised(heard).items():
        if len(there[name]) < promised:
            tally.lost += promised - len(there[name])
            tally.problems.append(f"{name}: {promised} reported, {len(there[name])} there after {instant:.2f} s")
    tally.compare(expected, there, whole=False)
    done, wanted = (sum(len(found[table.name]) for table, _ in case.told) for found in (there, expected))
    tally.between += 0 < done < wanted
    return True


def _ended(case: Case, folder: Path, expected: Rows, tally: Tally) -> None:
    """Let the command run to its end, and compare all rows with the undisturbed run's."""
    with started(case, folder) as (process, lines):
        heard = "".join(lines)
        process.wait(PATIENCE)
    if process.returncode:
        tally.problems.append(f"resumed, it ended with {process.returncode}: {heard[-300:]}")
    _whole(folder, tally)
    tally.compare(expected, rows(database(folder)), whole=True)
    tally.problems += case.problems(folder)


def _whole(folder: Path, tally: Tally) -> None:
    for damage in examine_database(database(folder)).damage:
        tally.damaged += 1
        tally.problems.append(f"{folder.name}: {damage.what}")


def lines_of(tallies: Sequence[Tally]) -> list[str]:
    """What happened, a line for each command and one for all."""
    shown = [
        f"{tally.command}: {tally.kills} kills on {tally.studies} studies at {min(tally.at):.1f} to "
        f"{max(tally.at):.1f} of {tally.seconds:.1f} seconds, {tally.between} between the first row and the last: "
        f"{tally.lost} rows lost, {tally.doubled} doubled, {tally.damaged} damages, {len(tally.problems)} problems"
        for tally in tallies
    ]
    total = [sum(getattr(tally, name) for tally in tallies) for name in ("kills", "lost", "doubled")]
    return [*shown, f"all: {total[0]} kills, {total[1]} rows lost, {total[2]} doubled"]
