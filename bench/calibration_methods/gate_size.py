"""How often a gate passes a judge that lies at the bound itself, by its intervals and by those of the audit.

    python -m bench.calibration_methods.gate_size --out FILE

Nothing is simulated: the probability is summed over every table of counts, for sensitivity and specificity on a grid;
the greatest is kept. A second call goes on where the file ends and prints the table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from gnomon.calibration.cards.gate_values import exact_youden
from gnomon.calibration.numerics.proportions import clopper_pearson, newcombe_difference, wilson_interval

LEVELS = (0.90, 0.95, 0.99)
SHARE_LABELS = (10, 20, 30, 50, 100, 200, 400)
YOUDEN_LABELS = ((10, 10), (10, 40), (20, 20), (30, 60))
BOUNDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
LEAST_J = 0.1


def share_sizes(n: int, level: float) -> dict[str, float]:
    """Greatest probability, over `BOUNDS`, that a share at the bound passes, by each kind of interval.

    Parameters
    ----------
    n : int
        Labelled trials of the kind.
    level : float
        Nominal coverage of the interval.
    """
    lows = {
        "gate": [clopper_pearson(k, n, confidence=level).low for k in range(n + 1)],
        "audit": [wilson_interval(k, n, confidence=level).low for k in range(n + 1)],
    }
    chances = {bound: np.asarray(binom.pmf(np.arange(n + 1), n, bound)) for bound in BOUNDS}
    return {
        name: max(float(chances[bound][np.array(ends) > bound].sum()) for bound in BOUNDS)
        for name, ends in lows.items()
    }


def youden_sizes(events: int, others: int, level: float) -> dict[str, float]:
    """Greatest probability that Youden's J at the bound passes, over sensitivities and specificities of `BOUNDS`.

    Parameters
    ----------
    events : int
        Labelled events.
    others : int
        Labelled non-events.
    level : float
        Nominal coverage of the interval.
    """
    counts = list(product(range(events + 1), range(others + 1)))
    lows = {
        "gate": [exact_youden((k, events), (r, others), level).low for k, r in counts],
        "audit": [newcombe_difference(k, events, others - r, others, confidence=level).low for k, r in counts],
    }
    found = dict.fromkeys(lows, 0.0)
    for sensitivity, specificity in product(BOUNDS, BOUNDS):
        bound = sensitivity + specificity - 1
        if bound < LEAST_J:
            continue
        hit = np.asarray(binom.pmf(np.arange(events + 1), events, sensitivity))
        kept = np.asarray(binom.pmf(np.arange(others + 1), others, specificity))
        for name, ends in lows.items():
            passed = sum(hit[k] * kept[r] for (k, r), low in zip(counts, ends, strict=True) if low > bound)
            found[name] = max(found[name], float(passed))
    return found


def missing_rows(out: Path) -> Iterator[dict[str, object]]:
    """The rows that a file has not yet.

    Parameters
    ----------
    out : Path
        The file.
    """
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    done = {(row["figure"], row["labels"], row["level"]) for row in map(json.loads, lines)}
    for level in LEVELS:
        for n in SHARE_LABELS:
            if ("share", str(n), level) not in done:
                yield {"figure": "share", "labels": str(n), "level": level, **share_sizes(n, level)}
        for events, others in YOUDEN_LABELS:
            if ("youden", f"{events} + {others}", level) not in done:
                sizes = youden_sizes(events, others, level)
                yield {"figure": "youden", "labels": f"{events} + {others}", "level": level, **sizes}


def main() -> None:
    """Compute what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    for row in missing_rows(out):
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    rows = pd.DataFrame([json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()])
    print(rows.assign(nominal=(1 - rows["level"]) / 2).to_string(index=False, float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
