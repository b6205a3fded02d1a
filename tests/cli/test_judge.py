"""`gnomon judge` and `gnomon recount` from the shell: costs told first, bad judges beside good ones, no secret left."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from judging_server import Answer, Server, failure, ignoring

from gnomon.commands.study.judge import release_reservations
from gnomon.data.errors import UnknownNameError
from gnomon.data.records import Facts, JudgeVersion, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.judging.judge_spending import JudgeRunRow, TokenCounts

KEY = "sk-hush-0123456789-very-secret"
LEXICON = '[[judges]]\nname = "lexicon"\nkind = "lexicon"\n'


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path, allowed_store):
    """A study whose judges each test appends."""
    study = tmp_path / "study"
    study.mkdir()
    head = f'name = "t"\nimported = true\nconcepts = ["fear", "ocean"]\ndatabase = "{allowed_store.engine.url}"\n'
    (study / "study.toml").write_text(head)
    return study


def add(folder: Path, *tables: str) -> None:
    path = folder / "study.toml"
    path.write_text(path.read_text() + "\n" + "\n".join(tables))


def llm(server: Server, name: str = "llm", **more: object) -> str:
    keys = {"name": name, "kind": "openai", "base_url": server.url, "model": "m", "concurrency": 2, **more}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if key != "price"]
    price = ["price = { input = 1.0, output = 2.0 }"] if "price" in more else []
    return "\n".join(["[[judges]]", *lines, *price, ""])


def test_a_dry_run_says_calls_tokens_cost_and_time_and_asks_nothing(gnomon, folder, server, make_trial):
    for number in range(9):
        make_trial(replicate=number)
    add(folder, llm(server, price=1, samples=2, temperature=0.5), LEXICON)
    done = gnomon("judge", folder, "--judge", "llm", "--limit", "4", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["calls"], told["output_tokens_at_most"], told["currency"]) == (8, 8 * 800, "USD")
    assert told["cost"] == pytest.approx((told["input_tokens"] + 2 * told["output_tokens"]) / 1e6)
    assert 4000 < told["input_tokens"] < 20_000
    assert told["seconds"] == 8.0
    assert "judge llm: 8 calls" in done.stderr
    assert server.requests == []
    server.script = lambda request: replace(ignoring(request), tokens=1100)
    gnomon("judge", folder, "--judge", "llm", "--limit", "4")
    assert len(server.judged) == 8
    (later,) = json.loads(gnomon("judge", folder, "--judge", "llm", "--dry-run", "--json").stdout)
    assert (later["calls"], later["input_tokens"], later["output_tokens"]) == (10, 11_000, 70)
    assert later["basis"] == "the mean of 8 stored verdicts"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            'kind = "openai"\nmodle = "x"',
            "judge 'bad': study.toml line 10: judges 1 ('bad').modle: there is no such key",
        ),
        ('kind = "openai"\nbase_url = "http://x/v1"\nmodel = "m"\nbudget = 1', "judge 'bad' has a budget and no price"),
        ('kind = "openai"\nbase_url = "http://x/v1"\nmodel = "m"\nprice = { input = 1 }', "price.output"),
        (f'kind = "openai"\nbase_url = "http://x/v1"\nmodel = "m"\napi_key_env = "{KEY}"', "api_key_env"),
        (f'kind = "openai"\nbase_url = "http://x/v1"\nmodel = "m"\napi_key = "{KEY}"', "api_key: there is no such key"),
    ],
)
def test_a_judge_that_is_described_wrongly_is_named_and_the_others_go_on(
    gnomon, folder, make_trial, store, wrong, said
):
    make_trial()
    add(folder, f'\n[[judges]]\nname = "bad"\n{wrong}\n', LEXICON)
    done = gnomon("judge", folder, "--json")
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("gnomon: judge 'bad'")
    assert said.replace("study.toml", f"{folder / 'study.toml'}") in last
    assert KEY not in done.stderr + done.stdout
    assert json.loads(done.stdout)[0]["by_state"] == {"ok": 1}
    assert "Traceback" not in done.stderr


def test_bad_servers_are_named_and_the_good_judge_goes_on(gnomon, folder, make_trial, server, monkeypatch):
    """A wrong key, a wrong model, HTML, a hung-up call, an answer without end, another schema: one line each."""
    monkeypatch.setenv("GNOMON_TEST_KEY", KEY)
    make_trial()
    answers = {
        "key": failure(401, f"bad key {KEY}"),
        "model": failure(404, "no such model"),
        "html": Answer(raw=b"<html>hello</html>", kind="text/html"),
        "gone": Answer(hang_up=True),
        "endless": Answer(raw=b"x" * 4_100_000),
        "other": Answer('{"verdict": "pass"}'),
    }
    server.script = lambda request: answers.get(request["model"], Answer())
    tables = [llm(server, name, model=name, api_key_env="GNOMON_TEST_KEY", concurrency=1) for name in answers]
    add(folder, *tables, llm(server, "good", model="good"))
    done = gnomon("judge", folder, "--json", env={**os.environ})
    reports = {report["judge"]: report for report in json.loads(done.stdout)}
    assert done.returncode == 1
    assert reports["good"]["by_state"] == {"ok": 1}
    assert reports["other"]["by_state"] == {"unparsable": 1}
    assert reports["other"]["not_ok"] == 1.0
    said = {"key": "refuses the key", "model": "not found", "html": "not what this protocol returns"}
    said |= {"gone": "no connection", "endless": "has more than 4,000,000 bytes"}
    for name, words in said.items():
        assert reports[name]["error"].startswith(f"judge '{name}': ")
        assert words in reports[name]["error"]
        assert "\n" not in reports[name]["error"]


@pytest.mark.slow
def test_a_key_is_in_nothing_that_is_left(gnomon, folder, make_trial, server, monkeypatch, tmp_path, store):
    """Output, errors, database with its journal, study file, export: the server echoes the key wherever it can."""
    monkeypatch.setenv("GNOMON_TEST_KEY", KEY)
    for number in range(6):
        make_trial(replicate=number)
    replies = iter([Answer(f"echo {KEY}"), failure(400, f"bad {KEY}"), Answer(refusal=f"no, {KEY}")] * 9)
    server.script = lambda request: Answer(f"ready {KEY}") if len(request["messages"]) == 1 else next(replies)
    add(folder, llm(server, api_key_env="GNOMON_TEST_KEY"), llm(server, "files", api_key_env="GNOMON_TEST_KEY",
                                                             transport="batch", poll=0.1))  # fmt: skip
    outputs = []
    for more in ([], ["--dry-run"], ["--attack"]):
        done = gnomon("judge", folder, *more, env={**os.environ})
        outputs += [done.stdout, done.stderr]
    done = gnomon("export", folder, "--out", tmp_path / "out")
    outputs += [done.stdout, done.stderr]
    store.close()
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) > 5
    assert {header["authorization"] for header in server.headers} == {f"Bearer {KEY}"}
    assert not [text for text in outputs if KEY in text]
    assert not [path for path in left if KEY.encode() in path.read_bytes()]
    assert "***" in "".join(outputs) or any(b"***" in path.read_bytes() for path in left)


def test_an_attack_is_measured_with_an_interval_and_judges_no_trial(gnomon, folder, make_trial, store):
    make_trial()
    add(folder, LEXICON)
    done = gnomon("judge", folder, "--attack", "--json")
    (told,) = json.loads(done.stdout)
    assert told["of"] == 51
    assert told["flip_rate"]["low"] <= told["flips"] / told["of"] <= told["flip_rate"]["high"]
    assert "attacks turned it" in done.stderr
    assert store.read_frame(tables.verdicts).empty
    assert store.event_details("judge_attack")[0]["judge"] == "lexicon"


def test_verdicts_are_recounted_under_any_rule_without_a_call(gnomon, folder, make_trial, store: Store, server):
    kinds = [Facts(True, "ocean", True, True), Facts(True, "ocean", False, False), Facts(False, "none", True, False)]
    store.add_judge(JudgeVersion("v", "llm", "openai", {}))
    store.save_settings({"judges": ["llm"]})
    for number, facts in enumerate(kinds):
        store.add_verdicts([Verdict(make_trial(replicate=number).id, "v", facts)])
    add(folder, llm(server))
    told = json.loads(gnomon("recount", folder, "--json").stdout)
    events = {row["rule"]: row["event"]["value"] for row in told["rows"]}
    assert events == {"strict": 0.0, "claim_first": pytest.approx(1 / 3), "lenient": pytest.approx(2 / 3)}
    assert {row["rule"]: row["outcomes"] for row in told["rows"]}["strict"] == {
        "refused": 1,
        "incoherent": 1,
        "denied": 1,
    }
    assert told["rule"] == "strict"
    assert told["states"] == [{"judge": "llm", "calls": 3, "by_state": {"ok": 3}, "not_ok": 0.0}]
    assert server.requests == []
    wrong = gnomon("recount", folder, "--rule", "kind")
    assert wrong.returncode == 2
    assert "outcome rule 'kind' is not known: choose from strict, claim_first, lenient" in wrong.stderr


def test_what_a_killed_run_had_set_aside_is_told_and_released(folder, server, make_trial, store, capsys):
    """The run's row is as SIGKILL leaves it (tests/judging/test_budget.py kills real ones)."""
    make_trial()
    add(folder, llm(server, price=1), LEXICON)
    JudgeRunRow(store, "llm", "v").reserve_tokens(TokenCounts(10, 5), lambda _: TokenCounts(30_000, 10_000))
    (released,) = release_reservations(folder, [])
    assert (released.judge, released.runs, released.input_tokens, released.cost) == ("llm", 1, 30_000, 0.05)
    told = capsys.readouterr().err
    assert "judge llm: 30,000 + 10,000 tokens, 0.0500 USD, that 1 run had set aside no longer count" in told
    (again,) = release_reservations(folder, ["llm"])
    assert (again.runs, again.input_tokens) == (0, 0)
    assert "judge llm: nothing was set aside" in capsys.readouterr().err
    (event,) = store.event_details("judge_released")
    assert event["released"][0]["cost"] == 0.05
    with pytest.raises(UnknownNameError, match="judge 'nobody' is not in study"):
        release_reservations(folder, ["nobody"])
