"""A kind of judge that is registered outside the house is configured, estimated, run and audited like its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from gnomon.__main__ import run
from gnomon.data.errors import PluginError
from gnomon.data.records import Facts, JudgeVersion, Label, Trial, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.judging.config import JudgeConfig
from gnomon.judging.kinds import JUDGE_KINDS, JudgeKind, JudgeMaterials, register_judge
from gnomon.judging.protocols import make_judge_version
from gnomon.judging.registry import build_judge

NOTHING, NOTICED = Facts(False, "none", True, False), Facts(True, "ocean", True, False)
TABLE = '\n[[judges]]\nname = "waves"\nkind = "keyword"\noptions = {{ words = {words} }}\n'


class KeywordOptions(BaseModel, extra="forbid"):
    words: tuple[str, ...] = Field(min_length=1)


class KeywordJudge:
    """Claims where one of its words stands in the response."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self._version = make_judge_version(name, "keyword", {"words": list(words)})
        self.words = words

    @property
    def version(self) -> JudgeVersion:
        return self._version

    @property
    def enforces_schema(self) -> bool | None:
        return None

    def judge_trials(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        for trial in trials:
            found = any(word in trial.answer for word in self.words)
            yield Verdict(trial.id, self._version.version, NOTICED if found else NOTHING)


def build_keyword_judge(config: JudgeConfig, materials: JudgeMaterials) -> KeywordJudge:
    assert materials.concepts == ("fear", "ocean")
    return KeywordJudge(config.name, KeywordOptions.model_validate(config.options).words)


@pytest.fixture
def keyword() -> Iterator[JudgeKind]:
    yield register_judge(JudgeKind("keyword", build_keyword_judge, options=KeywordOptions))
    JUDGE_KINDS.unregister("keyword")


@pytest.fixture
def folder(allowed_store: Store, tmp_path: Path, make_trial: Callable[..., Trial]) -> Path:
    study = tmp_path / "study"
    study.mkdir()
    head = f'name = "t"\nimported = true\nconcepts = ["fear", "ocean"]\ndatabase = "{allowed_store.engine.url}"\n'
    (study / "study.toml").write_text(head + TABLE.format(words='["ocean", "sea"]'), encoding="utf-8")
    for arm in ("injection", "control"):
        for number in range(10):
            answer = "I notice the sea." if arm == "injection" and number < 8 else "I notice nothing."
            make_trial(arm, replicate=number, answer=answer)
    return study


def test_it_is_estimated_run_kept_and_audited(
    keyword: JudgeKind, folder: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["judge", str(folder), "--dry-run", "--json"]) == 0
    (estimate,) = json.loads(capsys.readouterr().out)
    assert (estimate["judge"], estimate["calls"], estimate["cost"]) == ("waves", 20, 0.0)

    assert run(["judge", str(folder), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["judge"], report["new"]) == ("waves", 20)
    assert int(store.read_frame(tables.verdicts)["claims"].sum()) == 8
    assert run(["judge", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["new"] == 0, "nothing is asked twice"

    store.add_labels(
        [Label(trial.id, "ann", NOTICED if "sea" in trial.answer else NOTHING) for trial in store.load_trials()]
    )
    assert run(["calibrate", str(folder), "--json"]) == 0
    judges = json.loads(capsys.readouterr().out)["judges"]
    assert {(each["judge"], each["kind"]) for each in judges} == {("waves", "keyword")}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (TABLE.format(words="[]"), "judge 'waves' of kind keyword: options.words: "),
        (TABLE.format(words='["x"], loud = true'), "judge 'waves' of kind keyword: options.loud: there is no such key"),
        (
            '\n[[judges]]\nname = "waves"\nkind = "keyword"\n',
            "judge 'waves' of kind keyword: options.words: is missing: write it",
        ),
        ('\n[[judges]]\nname = "a"\nkind = "lexicon"\noptions = { x = 1 }\n', "of kind lexicon takes no options"),
        ('\n[[judges]]\nname = "a"\nkind = "oracle"\n', "choose from lexicon, learned, logprob, openai, keyword"),
        (
            '\n[[judges]]\nname = "a"\nkind = "keyword"\noptions = { words = ["x"] }\nmodel = "m"\n',
            "of kind keyword takes no model",
        ),
    ],
)
def test_wrong_options_are_one_line_and_nothing_is_judged(
    keyword: JudgeKind, folder: Path, store: Store, capsys: pytest.CaptureFixture[str], table: str, said: str
) -> None:
    path = folder / "study.toml"
    path.write_text(path.read_text(encoding="utf-8").split("\n[[judges]]")[0] + table, encoding="utf-8")
    assert run(["judge", str(folder)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "study.toml line" in err
    assert "Traceback" not in err
    assert store.count_rows(tables.verdicts) == 0


def test_a_function_that_returns_no_judge_is_refused() -> None:
    register_judge(JudgeKind("odd", lambda config, materials: object()))
    try:
        with pytest.raises(PluginError, match="judge kind 'odd': its build function returned a object without version"):
            build_judge(JudgeConfig(name="o", kind="odd"), ("ocean",))
    finally:
        JUDGE_KINDS.unregister("odd")


def test_the_example_of_the_documentation_judges(make_trial: Callable[..., Trial]) -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], names)
    register_judge(names["KIND"])
    try:
        config = JudgeConfig(name="k", kind="keyword", options={"words": ["notice"]})
        judge = build_judge(config, ("ocean",))
        (verdict,) = judge.judge_trials([make_trial(answer="I notice the sea.")])
    finally:
        JUDGE_KINDS.unregister("keyword")
    assert verdict.facts is not None
    assert verdict.facts.claims
    assert (judge.version.name, judge.version.kind) == ("k", "keyword")
