"""The Batch API as a transport: every case one verdict, and a killed run collects what it had ordered."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from judging_server import Answer, failure

from gnomon.data.storage import tables
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.runs.panel import run_panel

CONCEPTS = ("ocean", "fear")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def trials(make_trial):
    return [make_trial(replicate=number) for number in range(7)]


@pytest.fixture
def batch(config):
    def make(**more):
        return config(**{"transport": "batch", "batch_size": 3, "poll": 1, **more})

    return make


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def judged(config) -> OpenAICompatibleJudge:
    return OpenAICompatibleJudge(config, CONCEPTS, sleep=at_once)


def ordered(server) -> int:
    """Requests in all batches that the server has taken: what is paid for."""
    files = [server.office.files[batch["input_file_id"]] for batch in server.office.batches.values()]
    return sum(len(file.splitlines()) for file in files)


def test_an_order_whose_answer_is_lost_is_looked_for_before_it_is_made_again(store, trials, server, batch):
    server.office.loses = 1
    (report,) = run_panel(store, [judged(batch())])
    assert report.by_state == {"ok": 7}
    assert ordered(server) == 7


def test_all_cases_come_back_in_batches_each_to_its_own_trial(store, trials, server, batch):
    server.office.patience = 3
    (report,) = run_panel(store, [judged(batch())])
    assert (report.error, report.by_state) == (None, {"ok": 7})
    assert len(server.office.batches) == 3
    assert all(looks == 3 for looks in server.office.looks.values())
    frame = store.read_frame(tables.verdicts)
    assert sorted(frame["trial"]) == sorted(trial.id for trial in trials)
    assert report.usage["calls"] == 8
    single = OpenAICompatibleJudge(batch(transport="chat"), CONCEPTS)
    assert single.version.version == report.version
    (again,) = run_panel(store, [single])
    assert again.asked == 0


@pytest.mark.parametrize("after", ["batch_begun", "ordered", "batch_created", "batch_done"])
def test_a_run_killed_at_any_step_pays_for_nothing_twice(store, trials, server, batch, monkeypatch, after):
    """It dies just after a note was kept, or when the server has taken the order and no note of it is kept yet."""
    log, seen = store.log_event, []

    def dying(kind, detail):
        if after == "ordered" and kind == "batch_created":
            raise Killed
        log(kind, detail)
        seen.append(kind)
        if kind == after:
            raise Killed

    priced = batch(price={"input": 1.0, "output": 1.0}, budget=1.0)
    monkeypatch.setattr(store, "log_event", dying)
    with pytest.raises(Killed):
        run_panel(store, [judged(priced)])
    monkeypatch.setattr(store, "log_event", log)
    (report,) = run_panel(store, [judged(priced)])
    assert report.error is None
    assert ordered(server) == 7
    frame = store.read_frame(tables.verdicts)
    assert sorted(frame["trial"]) == sorted(trial.id for trial in trials)
    assert {note["status"] for note in store.event_details("batch_done")} <= {"completed", "never ordered"}
    runs = store.read_frame(tables.judge_runs)
    assert runs[["reserved_input", "reserved_output"]].sum().tolist() == [0, 0]
    assert runs["input_tokens"].sum() > frame["input_tokens"].sum()


def test_what_a_batch_left_out_is_told_and_asked_again(store, trials, server, batch):
    left_out = []
    server.office.drops = lambda asked: not left_out and not left_out.append(asked["custom_id"])
    server.office.ends = "expired"
    (report,) = run_panel(store, [judged(batch())])
    assert report.by_state == {"error": 1, "ok": 6}
    (event,) = store.event_details("judge_failed")
    assert event["calls"][0]["reason"] == "the batch ended (expired) without an answer"
    (again,) = run_panel(store, [judged(batch())])
    assert (again.asked, again.by_state) == (1, {"ok": 1})


def test_a_batch_that_fails_stops_the_judge_with_the_servers_reason(store, trials, server, batch):
    server.office.ends = "failed"
    (report,) = run_panel(store, [judged(batch())])
    assert "judge 'llm': the server failed batch batch_0: the file is not to our liking" in report.error


def test_lines_that_the_server_refuses_open_the_circuit(store, trials, server, batch):
    server.script = lambda request: Answer("ready") if len(request["messages"]) == 1 else failure(400, "too odd")
    (report,) = run_panel(store, [judged(batch(stop_after=2))])
    assert "stopped after 2 failed call(s) in a row: the server rejects the request (400: too odd)" in report.error


def test_a_server_without_a_batch_api_is_one_clear_line(store, trials, server, batch):
    server.office.refuses = lambda _path: failure(404, "no such page")
    (report,) = run_panel(store, [judged(batch())])
    assert report.error.startswith("judge 'llm': the server's Batch API: not found (404: no such page)")
    assert 'transport = "chat"' in report.error


def test_a_budget_orders_nothing_that_it_may_not_be_able_to_pay(store, trials, server, batch):
    """A case may cost up to half a cent until the server has told how many tokens a prompt has."""
    dear = batch(price={"input": 1.0, "output": 1.0}, budget=0.003, max_tokens=100)
    (report,) = run_panel(store, [judged(dear)])
    assert "the budget of 0.003 USD allows no further call" in report.error
    assert server.office.batches == {}
    run_panel(store, [judged(dear.model_copy(update={"budget": 0.1}))])
    assert store.count_rows(tables.verdicts) == 7


def _in_each_line(change):
    def edited(content: bytes) -> bytes:
        rows = [json.loads(line) for line in content.decode().split("\n") if line]
        return "\n".join(json.dumps(change(row), ensure_ascii=False) for row in rows).encode()

    return edited


@pytest.mark.parametrize(
    "edited",
    [
        _in_each_line(lambda row: {**row, "response": {**row["response"], "status_code": "200"}}),
        _in_each_line(lambda row: {**row, "response": {"body": json.dumps(row["response"]["body"])}}),
        lambda content: content.replace(b"nothing", "no\N{LINE SEPARATOR}thing\N{NEXT LINE}".encode()),
        lambda content: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"),
    ],
)
def test_lines_of_a_result_are_read_in_whatever_form_they_come(store, trials, server, batch, monkeypatch, edited):
    """A separator inside a quotation ends no line; a line that is lost would be paid for again in each run."""
    get = server.office.get

    def changed(path):
        answer = get(path)
        return replace(answer, raw=edited(answer.raw)) if path.endswith("/content") else answer

    monkeypatch.setattr(server.office, "get", changed)
    (report,) = run_panel(store, [judged(batch(batch_size=7))])
    assert (report.error, report.by_state) == (None, {"ok": 7})


def test_a_result_line_that_is_no_response_is_an_error_and_no_crash(store, trials, server, batch, monkeypatch):
    get = server.office.get

    def changed(path):
        answer = get(path)
        odd = ([1], "x", None, {"body": None}, {"status_code": 200, "body": [1]})
        lines = (answer.raw or b"").decode().split("\n")
        made = [
            json.dumps({**json.loads(line), "response": odd[place]}) if place < len(odd) else line
            for place, line in enumerate(filter(None, lines))
        ]
        return replace(answer, raw="\n".join([*made, "[" * 10_000]).encode()) if path.endswith("/content") else answer

    monkeypatch.setattr(server.office, "get", changed)
    (report,) = run_panel(store, [judged(batch(batch_size=7, stop_after=9))])
    assert report.by_state == {"ok": 2, "error": 5}
