"""`make bench`: runs all or the named measurements, and prints one JSON document each."""

from __future__ import annotations

import runpy
import sys

MEASUREMENTS = {
    "audit": "audit.audit_scale",
    "chain": "performance.chain",
    "importing": "performance.importing",
    "house": "house",
    "generation": "performance.measure_generation",
    "coverage": "validity.label_coverage",
    "reanalysis": "validity.reanalysis",
    "judging": "performance.measure_judging",
    "judges": "validity.judge_quality",
    "stats": "performance.measure_fit",
    "validity": "validity.interval_validity",
    "hostile": "validity.hostile_worlds",
    "measures": "measures.measure_worlds",
    "exactness": "measures.reading_exactness",
    "tasks": "measures.task_worlds",
    "doses": "measures.dose_worlds",
    "sweeps": "validity.sweep_clustering",
    "slopes": "validity.slopes",
    "sensitivity": "validity.sensitivity",
    "mass-matrix": "performance.mass_matrix",
    "scale": "performance.scale",
    "pages": "performance.pages",
}


def main() -> None:
    """Run `python -m bench [NAME...]`."""
    chosen = sys.argv[1:] or MEASUREMENTS
    sys.argv[1:] = []
    for name in chosen:
        if name not in MEASUREMENTS:
            sys.exit(f"bench: '{name}' is not known: choose from {', '.join(MEASUREMENTS)}")
        runpy.run_module(f"bench.{MEASUREMENTS[name]}", run_name="__main__")


if __name__ == "__main__":
    main()
