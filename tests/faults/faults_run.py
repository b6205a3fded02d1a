"""`make faults`: kills each command at many random instants and prints one JSON document; exit status 1 on any loss."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "support")]


def main() -> None:
    """Run `python tests/faults/faults_run.py [--kills N] [--seed N] [COMMAND...]`."""
    from faults_app import kill_app
    from faults_killing import kill_often, lines_of
    from faults_studies import BACKUP, EXPORT, FIT, GENERATE, IMPORT, JUDGE, MIGRATE, MOVE
    from playwright.sync_api import sync_playwright

    from bench.support.browser import ARGUMENTS, executable
    from bench.support.machine import machine

    known = (GENERATE, JUDGE, IMPORT, FIT, BACKUP, EXPORT, MOVE, MIGRATE)
    cases = {case.name: case for case in known}
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("commands", nargs="*", default=[])
    chosen = parser.parse_args()
    tallies = []
    for name in chosen.commands or [*cases, "app"]:
        with tempfile.TemporaryDirectory(prefix="gnomon-faults-") as scratch:
            if name == "app":
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
                    tally = kill_app(browser, chosen.kills, chosen.seed, Path(scratch))
                    browser.close()
            else:
                tally = kill_often(cases[name], chosen.kills, chosen.seed, Path(scratch))
        tallies.append(tally)
        print(lines_of(tallies)[-2], file=sys.stderr, flush=True)
        for problem in tally.problems:
            print(f"  {problem}", file=sys.stderr, flush=True)
    print(lines_of(tallies)[-1], file=sys.stderr)
    print(
        json.dumps({"machine": machine(), "seed": chosen.seed, "kills": [asdict(tally) for tally in tallies]}, indent=2)
    )
    sys.exit(any(tally.problems for tally in tallies))


if __name__ == "__main__":
    main()
