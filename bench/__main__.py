"""`make bench`: runs every measurement, or those named, and prints one JSON document each."""

from __future__ import annotations

import runpy
import sys

MEASUREMENTS = (
    "chain", "importing", "generation", "coverage", "reanalysis", "judging", "judges", "stats", "validity", "slopes",
    "sensitivity", "scale", "pages",
)  # fmt: skip


def main() -> None:
    """Run `python -m bench [NAME...]`."""
    chosen = sys.argv[1:] or MEASUREMENTS
    sys.argv[1:] = []
    for name in chosen:
        if name not in MEASUREMENTS:
            sys.exit(f"bench: '{name}' is not known: choose from {', '.join(MEASUREMENTS)}")
        runpy.run_module(f"bench.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
