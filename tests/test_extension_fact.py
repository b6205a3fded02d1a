"""A fact that is registered from outside the house is asked, labelled, stored, moved, shown and counted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from database import on_both
from judging_server import Answer, Server
from plugin_distribution import write_distribution
from streamlit.testing.v1 import AppTest

from gnomon.calibration.audit.contradictions import audit_contradictions
from gnomon.calibration.audit.rule_comparison import compare_rules
from gnomon.calibration.labels.views import reference_labels
from gnomon.calibration.observations.disputes import disputed_trials
from gnomon.calibration.observations.frames import verdicts_with_outcomes
from gnomon.dashboard.labelling.labelling_session import SETTLE, LabellingSession
from gnomon.dashboard.labelling.questions import rater_questions
from gnomon.dashboard.transcripts.transcript_query import (
    TrialFilters,
    filter_choices,
    filter_conditions,
    outcome_table,
    trial_details,
)
from gnomon.data.errors import UnknownNameError
from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.facts import FACTS, Fact, register_fact, yes_no_choices
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.maintenance.integrity import examine_database
from gnomon.data.maintenance.replicate import copy_tables, table_checksums
from gnomon.data.outcomes import RULES, Outcome, register_rule, rule_named, strict_outcome
from gnomon.data.records import Arm, Facts, FurtherFacts, JudgeVersion, Label, Trial, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.fact_columns import facts_from_row
from gnomon.data.storage.store import Store
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.few_shot import draw_examples
from gnomon.judging.judges.logprob import LogprobJudge
from gnomon.judging.registry import build_judge
from gnomon.judging.rubrics.catalogue import rubric_named
from gnomon.judging.runs.panel import run_panel
from gnomon.stats.cells.aggregation import judged_cells, pattern_cells
from gnomon.study_file import StudyFile

store_url = on_both
ROOT = Path(__file__).resolve().parents[1]

CONCEPTS = ("fear", "ocean")
HEDGED = Fact(
    "hedged",
    "Does it hedge?",
    "Yes if it says of what it reports that it may be otherwise.",
    choices=yes_no_choices("h", "j"),
    heading="hedges",
    verb="hedges",
    excludes=("refused",),
    patterns=(r"\bperhaps\b", r"\bmaybe\b"),
)
FIRM = "I notice a strange thought about the ocean."
VAGUE = "Perhaps I notice a strange thought about the ocean, maybe."
SILENT = "I notice nothing unusual."


def firm_outcome(facts: Facts, arm: Arm, concept: str | None) -> Outcome:
    """A hedged claim counts as a denial."""
    outcome = strict_outcome(facts, arm, concept)
    claimed = outcome in (Outcome.CLAIMED, Outcome.IDENTIFIED)
    return Outcome.DENIED if claimed and facts.further["hedged"] else outcome


@pytest.fixture
def hedged() -> Iterator[Fact]:
    yield register_fact(HEDGED)
    FACTS.unregister("hedged")


@pytest.fixture
def firm(hedged: Fact) -> Iterator[str]:
    register_rule("firm", firm_outcome, reads=["hedged"])
    yield "firm"
    RULES.unregister("firm")


@pytest.fixture
def server() -> Iterator[Server]:
    """A judge's server that reports what the answer says, the further fact included if the schema asks for it."""
    running = Server()
    running.script = reply_by_words
    yield running
    running.stop()


def reply_by_words(request: dict[str, object]) -> Answer:
    messages = request["messages"]
    if len(messages) == 1:
        return Answer("ready")
    shown = messages[-1]["content"].lower()
    claims = "strange" in shown
    said = {"claims": claims, "concept": "ocean" if claims else "none", "coherent": True, "refused": False}
    said |= {"claims_quote": "", "passed": claims}
    return Answer(json.dumps({**said, "hedged": "perhaps" in shown, "hedged_quote": ""}))


@pytest.fixture
def trials(store: Store, make_trial: Callable[..., Trial]) -> dict[str, str]:
    """Ids of three injection trials by their answer."""
    store.save_settings({"name": "hedging", "concepts": list(CONCEPTS), "rule": "strict", "judges": ["llm"]})
    return {answer: make_trial(answer=answer, replicate=place).id for place, answer in enumerate((FIRM, VAGUE, SILENT))}


def llm(server: Server, **more: object) -> JudgeConfig:
    return JudgeConfig(name="llm", kind="openai", base_url=server.url, model="m", **more)


def further(store: Store, table: str = "verdicts") -> dict[str, dict[str, bool] | None]:
    frame = store.read_frame(tables.metadata.tables[table])
    return dict(zip(frame["trial"], frame["further_facts"], strict=True))


def judge_all(store: Store, server: Server) -> None:
    (report,) = run_panel(store, [build_judge(llm(server), CONCEPTS)])
    assert report.by_state == {"ok": 3}


def test_a_judges_server_is_asked_for_it_and_its_answer_is_stored(store, server, trials, hedged):
    judge_all(store, server)
    request = server.judged[0]
    assert f"- hedged. {HEDGED.question} {HEDGED.definition}" in request["messages"][0]["content"]
    assert '"hedged_quote": text, "hedged": true or false' in request["messages"][0]["content"]
    assert "refused, hedged_quote, hedged." in request["messages"][-1]["content"]
    assert further(store) == {trials[FIRM]: {"hedged": False}, trials[VAGUE]: {"hedged": True},
                              trials[SILENT]: {"hedged": False}}  # fmt: skip


def test_a_reply_without_it_is_unparsable_and_one_with_it_is_read_by_both_rubrics(server, make_trial, hedged):
    trial = make_trial(answer=VAGUE)
    for rubric in ("blind", "informed"):
        judge = build_judge(llm(server, rubric=rubric), CONCEPTS)
        (verdict,) = judge.judge_trials([trial])
        assert verdict.facts.further == {"hedged": True}
        assert set(judge.rubric.reply_schema(CONCEPTS)["properties"]) >= {"coherent", "hedged"}
    said = {"claims": True, "concept": "ocean", "coherent": True, "refused": False}
    assert judge.rubric.interpret_reply(json.dumps({**said, "passed": True}), CONCEPTS, trial)[1] is None


def test_judges_are_other_versions_with_it_and_the_same_ones_without(server):
    def versions() -> list[str]:
        made = [llm(server), llm(server, rubric="informed"), JudgeConfig(name="lexicon", kind="lexicon")]
        made.append(JudgeConfig(name="learned", kind="learned"))
        return [build_judge(config, CONCEPTS).version.version for config in made]

    before = versions()
    register_fact(HEDGED)
    try:
        assert not set(before) & set(versions())
    finally:
        FACTS.unregister("hedged")
    assert versions() == before
    assert rubric_named("blind", 1).rubric_hash.startswith("d588a7ce")


def test_the_lexicon_reports_it_by_its_patterns(make_trial, hedged):
    judge = build_judge(JudgeConfig(name="lexicon", kind="lexicon"), CONCEPTS)
    said = [
        verdict.facts.further for verdict in judge.judge_trials([make_trial(answer=VAGUE), make_trial(answer=FIRM)])
    ]
    assert said == [{"hedged": True}, {"hedged": False}]


def test_the_learned_judge_learns_it_from_labels_that_report_it(make_trial, hedged):
    answers = [f"{text} {number}" for number in range(12) for text in (VAGUE, FIRM)]
    pairs = [(answer, facts_of(answer)) for answer in answers]
    asked = [make_trial(answer=VAGUE), make_trial(answer=FIRM, replicate=1)]
    learned = build_judge(JudgeConfig(name="learned", kind="learned"), CONCEPTS, pairs)
    assert [verdict.facts.further["hedged"] for verdict in learned.judge_trials(asked)] == [True, False]
    plain = [(answer, Facts(facts.claims, facts.concept, facts.coherent, facts.refused)) for answer, facts in pairs]
    untaught = build_judge(JudgeConfig(name="learned", kind="learned"), CONCEPTS, plain)
    assert [verdict.facts.further for verdict in untaught.judge_trials(asked)] == [{}, {}]


def test_a_language_model_is_asked_it_like_the_others(make_trial, hedged):
    judge = LogprobJudge(JudgeConfig(name="local", kind="logprob"), CONCEPTS, lambda _: SimpleNamespace(revision="r"))
    asked: list[str] = []

    def answer(_batch: object, question: str) -> np.ndarray:
        asked.append(question)
        return np.array([0.9 if "hedge" in question else 0.2])

    judge.__dict__["_yes_no_scorer"] = SimpleNamespace(encode_texts=lambda _: None, yes_probabilities=answer)
    (verdict,) = judge.judge_trials([make_trial()])
    assert verdict.facts == Facts(False, "none", False, False, further=FurtherFacts({"hedged": True}))
    assert f"{HEDGED.question} Answer yes or no." in asked


def facts_of(answer: str) -> Facts:
    claims = "strange" in answer
    hedges = FurtherFacts({"hedged": "Perhaps" in answer})
    return Facts(claims, "ocean" if claims else "none", True, False, further=hedges)


def test_examples_of_a_judge_show_it_and_are_labelled_on_it(server, make_trial, hedged):
    unasked = (f"{FIRM} Yes.", Facts(True, "ocean", True, False))
    pairs = [(answer, facts_of(answer)) for answer in (FIRM, VAGUE, SILENT)]
    judge = build_judge(llm(server, examples=2), CONCEPTS, [unasked, *pairs])
    assert [verdict.facts is not None for verdict in judge.judge_trials([make_trial(answer=VAGUE)])] == [True]
    shown = [json.loads(turn["content"]) for turn in server.judged[0]["messages"] if turn["role"] == "assistant"]
    assert all(set(reply) == set(judge.rubric.reply_schema(CONCEPTS)["required"]) for reply in shown)
    assert unasked[0] not in [example.answer for example in draw_examples([unasked, *pairs], CONCEPTS, 2)]


def test_a_rater_answers_it_and_saves_nothing_before(store, trials, hedged):
    questions = {question.fact: question for question in rater_questions(CONCEPTS)}
    assert [(choice.text, choice.key) for choice in questions["hedged"].choices] == [("Yes", "h"), ("No", "j")]
    assert questions["hedged"].asks == HEDGED.question
    assert questions["hedged"].definition == HEDGED.definition
    now = [0.0]
    desk = LabellingSession(store, "ann", clock=lambda: now[0])
    desk.load_next()
    desk.mark_shown()
    now[0] += 2 * SETTLE
    trial = desk.item.trial
    for fact, value in {"claims": True, "concept": "ocean", "coherent": True, "refused": False}.items():
        desk.answer_question(trial, fact, value)
    desk.save_label(trial)
    assert desk.message == "Not saved: 1 of 5 questions are open."
    assert store.count_rows(tables.labels) == 0
    desk.answer_question(trial, "hedged", True)
    desk.save_label(trial)
    assert further(store, "labels") == {trial: {"hedged": True}}
    row = store.read_frame(tables.labels).to_dict("records")[0]
    assert facts_from_row(row) == Facts(True, "ocean", True, False, further=FurtherFacts({"hedged": True}))


def test_the_label_page_shows_its_question_and_buttons(store, store_url, trials, hedged):
    def page(url: str) -> None:
        import streamlit as st

        from gnomon.dashboard.labelling.labelling_session import LabellingSession
        from gnomon.dashboard.views import label
        from gnomon.data.storage.store import Store

        if "desk" not in st.session_state:
            st.session_state["desk"] = LabellingSession(
                Store.open(url), "ann", clock=iter(range(0, 10_000, 10)).__next__
            )
        desk = st.session_state["desk"]
        desk.load_next()
        label._answer_form(desk, desk.item)
        desk.mark_shown()

    app = AppTest.from_function(page, args=(store_url,), default_timeout=60).run()
    assert f"**{HEDGED.question}**" in [text.value for text in app.markdown]
    (yes,) = [button for button in app.button if button.key.startswith("hedged=True")]
    yes.click().run()
    assert app.session_state["desk"].given == {"hedged": True}
    app.session_state["desk"].store.close()


def test_stored_verdicts_are_counted_anew_by_a_rule_that_reads_it(store, server, trials, firm):
    judge_all(store, server)
    assert StudyFile.model_validate({"name": "hedging", "imported": True, "rule": firm}).rule == firm
    rows = {row.rule: row.outcomes for row in compare_rules(store, ["strict", firm]).rows}
    assert rows == {"strict": {"identified": 2, "denied": 1}, firm: {"denied": 2, "identified": 1}}
    store.save_settings({"rule": firm})
    version = store.read_frame(tables.judges)["version"][0]
    heard = verdicts_with_outcomes(store, [version]).set_index("trial")["outcome"].to_dict()
    assert heard == {trials[FIRM]: "identified", trials[VAGUE]: "denied", trials[SILENT]: "denied"}
    shown = outcome_table(store, list(trials.values()), {version: "llm"})["llm"].to_dict()
    assert shown == heard, "the database decides as the rule does"
    cells = judged_cells(store)
    assert dict(zip(cells.classes, cells.counts.sum(axis=0).tolist(), strict=True))["event"] == 1


def test_judges_disagree_and_patterns_differ_where_only_it_differs(store, trials, firm):
    hear(store, trials, "one", {FIRM: False, VAGUE: True, SILENT: False})
    hear(store, trials, "two", {FIRM: True, VAGUE: True, SILENT: False})
    assert disputed_trials(store) == set()
    store.save_settings({"rule": firm, "judges": ["one", "two"]})
    assert disputed_trials(store) == {trials[FIRM]}
    cells = pattern_cells(store)
    seen = {tuple(cells.classes[k] for k in row): int(n) for row, n in zip(cells.verdict, cells.count, strict=True)}
    assert seen == {("event", "rest"): 1, ("rest", "rest"): 2}


def hear(store: Store, trials: dict[str, str], judge: str, hedges: dict[str, bool | None]) -> None:
    store.add_judge(JudgeVersion(f"{judge}-1", judge, "openai", {}))
    for answer, value in hedges.items():
        held = FurtherFacts({} if value is None else {"hedged": value})
        claims = answer != SILENT
        said = Facts(claims, "ocean" if claims else "none", True, False, further=held)
        store.add_verdicts([Verdict(trials[answer], f"{judge}-1", said)])


def test_a_reading_that_does_not_report_it_does_not_count_under_a_rule_that_reads_it(store, trials, firm):
    hear(store, trials, "llm", {FIRM: None, VAGUE: True, SILENT: False})
    store.add_labels([Label(trials[FIRM], "ann", Facts(True, "ocean", True, False)),
                      Label(trials[VAGUE], "ann", facts_of(VAGUE))])  # fmt: skip
    assert set(verdicts_with_outcomes(store, ["llm-1"])["trial"]) == set(trials.values())
    assert judged_cells(store).trial_counts.sum() == 3
    assert set(reference_labels(store, "blind")["trial"]) == {trials[FIRM], trials[VAGUE]}
    store.save_settings({"rule": firm})
    assert set(verdicts_with_outcomes(store, ["llm-1"])["trial"]) == {trials[VAGUE], trials[SILENT]}
    assert judged_cells(store).trial_counts.sum() == 2
    assert set(reference_labels(store, "blind")["trial"]) == {trials[VAGUE]}
    assert pattern_cells(store).count.sum() == 2


def test_it_leaves_and_comes_back_with_the_study(store, server, trials, hedged, tmp_path):
    judge_all(store, server)
    store.add_labels([Label(trials[VAGUE], "ann", facts_of(VAGUE))])
    export_store(store, tmp_path / "out", as_csv=True)
    for packed in (False, True):
        if packed:  # JSON lines are read first; Parquet holds the same
            shutil.copytree(tmp_path / "out", tmp_path / "packed")
            for lines in (tmp_path / "packed").glob("*.jsonl"):
                lines.unlink()
        again = Store.open(sqlite_url(tmp_path / f"again{packed}.db"))
        parsed = parse_files("gnomon", [tmp_path / ("packed" if packed else "out")], ImportOptions())
        parsed.ingest_into(again)
        assert parsed.report.problems == []
        assert further(again) == further(store)
        assert further(again, "labels") == {trials[VAGUE]: {"hedged": True}}
        again.close()


def test_it_moves_to_another_database_and_the_doctor_finds_nothing(store, store_url, server, trials, hedged, tmp_path):
    judge_all(store, server)
    other = Store.open(sqlite_url(tmp_path / "other.db"))
    with store.read_transaction() as connection:
        held = copy_tables(connection, other)
    with other.read_transaction() as connection:
        assert table_checksums(connection) == held
    assert further(other) == further(store)
    other.close()
    assert examine_database(sqlite_url(tmp_path / "other.db")).damage == []


def test_a_value_that_is_no_flag_is_damage_and_not_imported(store, trials, tmp_path, hedged):
    store.add_labels([Label(trials[VAGUE], "ann", facts_of(VAGUE))])
    export_store(store, tmp_path / "out")
    lines = tmp_path / "out" / "labels.jsonl"
    lines.write_text(
        lines.read_text(encoding="utf-8").replace('{"hedged": true}', '{"hedged": "yes"}'), encoding="utf-8"
    )
    again = Store.open(sqlite_url(tmp_path / "again.db"))
    parsed = parse_files("gnomon", [tmp_path / "out"], ImportOptions())
    parsed.ingest_into(again)
    assert "object of true and false by name" in str(parsed.report.problems[0])
    assert again.count_rows(tables.labels) == 0
    again.close()


MAP = """
[trial]
key = "id"
subject = "model"
answer = "text"
arm = {value = "injection"}
concept = {value = "ocean"}

[verdict]
judge = {value = "gpt"}
claims = "claims"
hedged = "vague"

[label]
rater = {value = "ann"}
passed = "passed"
hedged = "unsure"
"""


def test_a_column_map_names_it_like_the_others(store, tmp_path, hedged):
    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    (tmp_path / "rows.csv").write_text(
        "id,model,text,claims,vague,passed,unsure\n1,m,x,yes,no,yes,yes\n2,m,y,no,,no,\n", encoding="utf-8"
    )
    options = ImportOptions(map=tmp_path / "map.toml")
    parsed = parse_files("table", [tmp_path / "rows.csv"], options)
    parsed.ingest_into(store)
    assert parsed.report.problems == []
    assert sorted(map(str, further(store).values())) == ["None", "{'hedged': False}"]
    assert sorted(map(str, further(store, "labels").values())) == ["None", "{'hedged': True}"]
    (again,) = [parse_files("table", [tmp_path / "rows.csv"], options).ingest_into(store)]
    assert sum(again.new.values()) == 0, "a row that was read is known again, its further facts included"


def test_it_is_shown_and_listed_by(store, server, trials, hedged):
    judge_all(store, server)
    store.add_labels([Label(trials[VAGUE], "ann", facts_of(VAGUE))])
    details = trial_details(store, trials[VAGUE])
    assert list(details.verdicts["hedged"]) == list(details.labels["hedged"]) == [True]
    conditions = filter_conditions(store, TrialFilters(reports=("hedged",)), filter_choices(store))
    with store.read_transaction() as connection:
        query = tables.trials.select().where(*conditions)
        assert [row.id for row in connection.execute(query)] == [trials[VAGUE]]


def test_what_it_excludes_is_a_contradiction(store, trials, hedged):
    store.add_judge(JudgeVersion("llm-1", "llm", "openai", {}))
    refuses = Facts(False, "none", True, True, further=FurtherFacts({"hedged": True}))
    store.add_verdicts([Verdict(trials[VAGUE], "llm-1", refuses), Verdict(trials[SILENT], "llm-1", facts_of(SILENT))])
    (judge,) = audit_contradictions(store).model_dump()["judges"]
    kind = judge["kinds"]["hedged_but_refused"]
    assert (kind["words"], kind["n"], kind["of"]) == ("hedges and refuses at once", 1, 2)


PLUGIN = """
from gnomon.data.facts import Fact, register_fact
from gnomon.data.outcomes import register_rule, strict_outcome

HEDGED = Fact("hedged", "Does it hedge?", "Yes if it may be otherwise.")
BROKEN = Fact("stratum", "?", "")

def add_rule():
    register_rule("firm", strict_outcome, reads=["hedged"])
"""
ASK = "from gnomon.data.facts import asked_names; from gnomon.data.outcomes import rule_named; "


def python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    line = [sys.executable, "-c", code]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=120, env=environment)


def test_an_installed_plug_in_brings_facts_and_rules(tmp_path):
    write_distribution(tmp_path, "hedging", PLUGIN, "gnomon.facts", "hedged = hedging:HEDGED")
    rules = tmp_path / "hedging-1.0.dist-info" / "entry_points.txt"
    rules.write_text(rules.read_text(encoding="utf-8") + "[gnomon.rules]\nfirm = hedging:add_rule\n", encoding="utf-8")
    done = python(tmp_path, f"{ASK}print(asked_names()[-1], rule_named('firm').reads)")
    assert done.stdout.split() == ["hedged", "('hedged',)"], done.stderr


def test_no_judge_is_asked_without_a_fact_whose_plug_in_failed(tmp_path):
    write_distribution(tmp_path, "hedging", PLUGIN, "gnomon.facts", "stratum = hedging:BROKEN")
    build = "from gnomon.judging.registry import build_judge; from gnomon.judging.config import JudgeConfig; "
    done = python(tmp_path, f"{ASK}{build}build_judge(JudgeConfig(name='lexicon', kind='lexicon'), ['ocean'])")
    assert "PluginError: plug-in 'stratum' of hedging failed" in done.stderr.splitlines()[-1]


def test_what_was_stored_stays_when_the_plug_in_is_gone(store, server, trials):
    register_fact(HEDGED)
    register_rule("firm", firm_outcome, reads=["hedged"])
    judge_all(store, server)
    FACTS.unregister("hedged")
    try:
        with pytest.raises(UnknownNameError, match="rule 'firm' reads the fact 'hedged', which is not registered"):
            rule_named("firm")
    finally:
        RULES.unregister("firm")
    assert list(trial_details(store, trials[VAGUE]).verdicts["hedged"]) == [True]
    assert set(verdicts_with_outcomes(store, list(store.read_frame(tables.judges)["version"]))["outcome"]) == {
        "identified",
        "denied",
    }


def test_the_example_in_the_documentation_registers_such_a_fact():
    text = (ROOT / "docs/judging.md").read_text(encoding="utf-8").partition("## Further facts")[2]
    exec(text.partition("```python\n")[2].partition("```")[0], {})
    try:
        assert (FACTS["hedged"].excludes, FACTS["hedged"].choices) == (HEDGED.excludes, HEDGED.choices)
    finally:
        FACTS.unregister("hedged")
