"""`make faults`: kills each command at many random instants and prints one JSON document; exit status 1 on any loss."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults_killing import Tally
    from faults_studies import Case

APP = "app"
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "support")]


def main() -> None:
    """Run `python tests/faults/faults_run.py [--kills N] [--seed N] [COMMAND...]`."""
    from faults_killing import lines_of
    from faults_studies import BACKUP, EXPORT, FIT, GENERATE, IMPORT, JUDGE, MIGRATE, MOVE, reserving
    from judging_server import Server

    from bench.support.machine import machine

    server = Server()
    known = (GENERATE, JUDGE, IMPORT, FIT, BACKUP, EXPORT, MOVE, MIGRATE, reserving(server))
    cases = {case.name: case for case in known}
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=36)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("commands", nargs="*", default=[])
    chosen = parser.parse_args()
    tallies: list[Tally] = []
    try:
        for name in chosen.commands or [*cases, APP]:
            tallies.append(_killed(name, cases, chosen.kills, chosen.seed))
            print(lines_of(tallies)[-2], file=sys.stderr, flush=True)
            for problem in tallies[-1].problems:
                print(f"  {problem}", file=sys.stderr, flush=True)
    finally:
        server.stop()
    print(lines_of(tallies)[-1], file=sys.stderr)
    print(
        json.dumps({"machine": machine(), "seed": chosen.seed, "kills": [asdict(tally) for tally in tallies]}, indent=2)
    )
    sys.exit(any(tally.problems for tally in tallies))


def _killed(name: str, cases: dict[str, Case], kills: int, seed: int) -> Tally:
    from faults_app import kill_app
    from faults_killing import kill_often
    from playwright.sync_api import sync_playwright

    from bench.support.browser import ARGUMENTS, executable

    with tempfile.TemporaryDirectory(prefix="gnomon-faults-") as scratch:
        if name != APP:
            return kill_often(cases[name], kills, seed, Path(scratch))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
            tally = kill_app(browser, kills, seed, Path(scratch))
            browser.close()
    return tally


if __name__ == "__main__":
    main()
