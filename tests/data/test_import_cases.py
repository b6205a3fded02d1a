"""Situations that once went wrong (../shared/cases): each gives its right value, or a refusal that names the option.

One row of `CASES` a situation: the commands as a user types them, and what the study must then hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.results.audit import ViewAudit
from gnomon.commands.transfer import import_files
from gnomon.data.errors import InputError
from gnomon.data.importers import ImportOptions
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import judged_cells

TRIAL = '[trial]\nkey = "id"\nsubject = {value = "m-7b"}\nanswer = "text"\n'
TWO_BOOLEANS = f"""{TRIAL}arm = "injected"
concept = "word"
[verdict]
judge = {{value = "j"}}
claims = "detected"
identified = "identified"
coherent = "coherent"
[values.arm]
true = "injection"
false = "control"
"""
REPEATS = f"""{TRIAL}[verdict]
judge = {{value = "j"}}
passed = "judge"
sample = "run"
"""


@dataclass(frozen=True)
class Step:
    """One command: files of the case, its map (a file of the case, or a text), and further options."""

    files: str
    map: str = ""
    format: str = "table"
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a study holds after a case."""

    store: Store

    def rows(self, table: str) -> list[Mapping[str, object]]:
        return [row._mapping for row in self.store._fetch_all(select(getattr(tables, table)))]

    @property
    def trials(self) -> int:
        return self.store.count_rows(tables.trials)

    @property
    def verdict_passes(self) -> tuple[int, int]:
        """Passes among verdicts that count."""
        said = [row["passed"] for row in self.rows("verdicts") if row["state"] == "ok"]
        return sum(map(bool, said)), len(said)

    @property
    def events(self) -> dict[str, tuple[int, int]]:
        """Events and trials with a verdict by arm, as a fit counts them."""
        cells = judged_cells(self.store)
        event = cells.counts[:, cells.classes.index("event")]
        arms = cells.frame["arm"].to_numpy()
        return {arm: (int(event[arms == arm].sum()), int(cells.counts[arms == arm].sum())) for arm in sorted(set(arms))}

    @property
    def labels(self) -> list[tuple[object, object, object]]:
        return sorted((row["rater"], row["passed"], row["exposure"]) for row in self.rows("labels"))

    def audit(self, **settings: object) -> ViewAudit:
        self.store.update_settings(lambda held: {**held, **settings})
        return audit_study(self.store)

    def confusion(self, **settings: object) -> tuple[int, int, int, int]:
        """True and false positives, false and true negatives of pass."""
        table = self.audit(**settings).judges[0].overall.as_pass
        return table.tp, table.fp, table.fn, table.tn


@dataclass(frozen=True)
class Case:
    """A situation: the commands, and a check of what the study then holds."""

    name: str
    steps: tuple[Step, ...]
    check: Callable[[Found], object]
    right: object


@dataclass(frozen=True)
class Refusal:
    """A situation whose meaning cannot be known: the command, and what its line must name."""

    name: str
    step: Step
    named: str


def inspect_step(pattern: str = "*.json", **options: object) -> Step:
    return Step(pattern, format="inspect", options=options)


def edited(found: Found) -> object:
    return found.verdict_passes, found.labels


def labelled(found: Found) -> object:
    return found.trials, sorted((row["rater"], row["passed"]) for row in found.rows("labels"))


def samples(found: Found) -> object:
    return found.trials, sorted((row["trial"] > "", row["sample"]) for row in found.rows("verdicts"))


def states(found: Found) -> object:
    return found.trials, found.verdict_passes, len(found.labels)


def two_booleans(found: Found) -> object:
    cells = judged_cells(found.store)
    claims = cells.counts[:, [cells.classes.index(name) for name in ("event", "misnamed")]].sum(axis=1)
    arms = cells.frame["arm"].to_numpy()
    return (
        found.events,
        {arm: int(claims[arms == arm].sum()) for arm in set(arms)},
        [each.anything.n for _, each in found.audit().contradictions.by_name()],
    )


def undeclared(found: Found) -> object:
    judge = found.audit().judges[0]
    return len(judge.notes), "50 % of the 100 labelled" in judge.notes[0], "10.5 % of the 1,900" in judge.notes[0]


def declared(found: Found) -> object:
    audit = found.audit()
    rates = [line.estimate.value for line in audit.comparison if line.method in ("labels", "rogan_gladen", "ppi")]
    return [note for note in audit.judges[0].notes if "random" in note], {round(rate, 4) for rate in rates}


def controls_only(found: Found) -> object:
    return found.events, found.confusion()


def inverted(found: Found) -> object:
    control = found.audit().judges[0].evidence["control"]
    return control.level, "−0.53" in control.reason, "coin" in control.reason


def majority(found: Found) -> object:
    return found.confusion(truth="majority"), found.audit().disagreements


CASES = (
    Case("inspect-graded", (inspect_step(threshold=">= 7"),), lambda found: found.verdict_passes, (8, 10)),
    Case("inspect-retried", (inspect_step(),), lambda found: (found.trials, found.verdict_passes), (10, (6, 10))),
    Case("inspect-edited", (inspect_step(),), edited, ((8, 10), [("ann", False, "after_verdict")] * 3)),
    Case(
        "inspect-subject",
        (inspect_step(),),
        lambda found: [row["name"] for row in found.rows("subjects")],
        ["mockllm/model-7b"],
    ),
    Case("inspect-dict", (inspect_step(score="right"),), lambda found: found.verdict_passes, (6, 10)),
    Case(
        "two-booleans",
        (Step("a.csv", TWO_BOOLEANS),),
        two_booleans,
        ({"control": (1, 4), "injection": (2, 4)}, {"control": 1, "injection": 3}, [0]),
    ),
    Case("raters-alphabetical", (Step("t11.csv", "t11.toml"),), majority, ((28, 3, 3, 26), 23)),
    Case("values-shared", (Step("t10.csv", "t10.toml"),), lambda found: found.confusion(), (3, 0, 0, 3)),
    Case("controls-only-report", (Step("t11.csv", "m.toml"),), controls_only, ({"control": (29, 60)}, (28, 3, 2, 27))),
    Case("labels-by-verdict", (Step("t30.csv", "mc.toml"),), undeclared, (1, True, True)),
    Case("labels-by-verdict", (Step("t30.csv", "mcp.toml"),), declared, ([], {0.0975})),
    Case("inverted-judge", (Step("t15.csv", "mc.toml"),), inverted, ("inverted", True, False)),
    *(
        Case(
            "labels-apart",
            (Step("t7v.csv", "t7v.toml"), Step("t7l.csv", labels)),
            labelled,
            (3, [("ann", False), ("ann", True), ("bob", False)]),
        )
        for labels in ("t7l.toml", "t7m.toml", "t7n.toml")
    ),
    Case(
        "polarity",
        (Step("t16.csv", "t7v.toml"),),
        lambda found: (found.verdict_passes, found.events),
        ((6, 10), {"control": (4, 10)}),
    ),
    Case(
        "polarity",
        (inspect_step("t16.json"),),
        lambda found: (found.verdict_passes, found.events),
        ((6, 10), {"control": (4, 10)}),
    ),
    Case("unreadable-cell", (Step("t3.csv", "m.toml"),), states, (5, (1, 2), 5)),
    Case("repeats", (Step("t9.csv", REPEATS),), samples, (2, [(True, 0)] * 2 + [(True, 1)] * 2 + [(True, 2)] * 2)),
    *(Case("semicolon", (Step(name, "m.toml"),), states, (3, (2, 3), 3)) for name in ("semi_bom.csv", "sep.csv")),
    Case("semicolon", (Step("comma_cp.csv", "m.toml", options={"encoding": "cp1252"}),), states, (3, (2, 3), 3)),
    *(Case("jsonl-first-row", (Step(name, "m.toml"),), states, (3, (2, 3), 2)) for name in ("t4.jsonl", "t4b.jsonl")),
)
REFUSALS = (
    Refusal("inspect-graded", inspect_step(), "--threshold"),
    Refusal("inspect-dict", inspect_step(), "--score"),
    Refusal("semicolon", Step("comma_cp.csv", "m.toml"), "UTF-8"),
)


def run_step(case: Path, step: Step, study: Path) -> None:
    columns = None
    if step.map:
        columns = case / step.map
        if not step.map.endswith(".toml"):
            columns = study.parent / "map.toml"
            columns.write_text(step.map if "source" in step.map else f'source = "x"\n{step.map}', encoding="utf-8")
    files = sorted(case.glob(step.files))
    assert files, f"{case / step.files} is absent"
    import_files(step.format, files, study, ImportOptions(map=columns, **step.options), json=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.steps[-1].files}-{case.steps[-1].map[:9]}")
def test_a_case_gives_its_right_value(case: Case, shared: Path, tmp_path: Path) -> None:
    for step in case.steps:
        run_step(shared / "cases" / case.name, step, tmp_path / "study")
    with closing(Store.open(sqlite_url(tmp_path / "study" / "gnomon.db"))) as store:
        assert case.check(Found(store)) == case.right


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_what_cannot_be_known_is_refused(case: Refusal, shared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run_step(shared / "cases" / case.name, case.step, tmp_path / "study")
    assert case.named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "study" / "gnomon.db").exists()
