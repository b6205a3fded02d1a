"""A key goes to the server that the study file names and nowhere else, and comes back into nothing that is kept."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from judging_server import Answer, failure, ignoring
from sqlalchemy import select

from gnomon.data.errors import UserError
from gnomon.data.foreign_documents.permissions import KEY_HOSTS
from gnomon.data.storage import tables
from gnomon.judging.credentials import HIDDEN, SecretScrubber
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.rubrics.transcript import clean_transcript
from gnomon.judging.runs.cost_estimate import estimate_cost
from gnomon.judging.runs.panel import run_panel
from gnomon.render.verdicts import cost_line

KEY = "sk-0123456789-abcdefghij-secret"
CONCEPTS = ("ocean", "fear")
FACTS = {"claims": True, "concept": "none", "coherent": True, "refused": False}


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(mark):04X}" for mark in text)


HIDING = {
    "plain": KEY,
    "zero-width": "\u200b".join(KEY),
    "bidi": KEY[:10] + "\u202e" + KEY[10:],
    "nul": KEY[:5] + "\x00" + KEY[5:],
    "soft hyphen": KEY[:9] + "\u00ad" + KEY[9:],
    "cut": "x" * 290 + KEY,
    "cut quote": "x" * 385 + KEY,
    "twice": KEY[:12] + KEY + KEY,
}


@pytest.fixture
def keyed(config, monkeypatch):
    monkeypatch.setenv("GNOMON_TEST_KEY", KEY)
    return config(api_key_env="GNOMON_TEST_KEY", concurrency=1, stop_after=3)


def kept(store) -> str:
    """All that is stored, as a reader may come to see it: cleaned, and with the escapes of JSON read."""
    with store.read_transaction() as connection:
        rows = [str(row) for table in tables.metadata.sorted_tables for row in connection.execute(select(table))]
    text = clean_transcript("\n".join(rows))
    return text + text.encode("ascii", "replace").decode("unicode_escape")


@pytest.mark.parametrize("hidden", HIDING.values(), ids=HIDING)
@pytest.mark.parametrize("way", ["quote", "escaped", "text", "refusal", "error", "broken"])
def test_no_part_of_a_key_that_a_server_sends_back_is_kept(store, make_trial, server, keyed, hidden, way):
    make_trial()
    answers = {
        "quote": Answer(json.dumps({"claims_quote": hidden, **FACTS})),
        "escaped": Answer(json.dumps({"claims_quote": "", **FACTS}).replace('""', f'"{escaped(hidden)}"')),
        "text": Answer(f"I have your key {hidden} here"),
        "refusal": Answer(refusal=f"no {hidden} no"),
        "error": failure(400, f"bad key {hidden} sent"),
        "broken": Answer(raw=json.dumps({"error": {"message": hidden, "code": 400}}).encode()),
    }
    server.script = lambda request: ignoring(request) if len(request["messages"]) == 1 else answers[way]
    (report,) = run_panel(store, [OpenAICompatibleJudge(keyed, CONCEPTS)])
    assert sum(report.by_state.values()) == 1
    assert KEY[:12] not in kept(store) + str(report)


def test_a_text_without_a_secret_stays_as_it_is():
    scrub = SecretScrubber([KEY, "short", None, ""]).scrub_text
    text = "A line,\nanother: sk-99999999 \\u0041 \\n and the end"
    assert scrub(text) == text
    assert scrub(f"{text} short {KEY}") == f"{text} *** ***"
    assert SecretScrubber().scrub_text("a\u200bb") == "ab"


class Stranger:
    """A server that nobody named."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stranger.heard.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                stranger.heard.append(b"")

            def log_message(self, *_: object) -> None: ...

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("transport", ["chat", "batch"])
def test_a_redirect_is_a_fault_that_names_its_target(store, make_trial, server, keyed, status, transport):
    make_trial()
    stranger = Stranger()
    redirect = Answer(status=status, raw=b"", headers={"Location": f"{stranger.url}/v1/x"})
    server.office.refuses = lambda _path: redirect
    server.script = lambda request: (
        ignoring(request) if transport == "batch" or len(request["messages"]) == 1 else redirect
    )
    config = keyed.model_copy(update={"transport": transport, "poll": 0.01})
    (report,) = run_panel(store, [OpenAICompatibleJudge(config, CONCEPTS)])
    stranger.stop()
    assert f"the server redirects ({status}) to {stranger.url}/v1/x" in report.error
    assert "base_url" in report.error
    assert stranger.heard == []
    assert len(server.judged) <= 1


@pytest.mark.attack
@pytest.mark.parametrize("more", [{"api_key_env": "GNOMON_TEST_KEY"}, {"headers_env": {"x-key": "GNOMON_TEST_KEY"}}])
@pytest.mark.parametrize("kept_for", ["[]", '["GNOMON_TEST_KEY@of.somebody", "OTHER@of.nobody"]'])
def test_a_study_file_alone_sends_no_variable_to_a_server(config, make_trial, monkeypatch, more, kept_for):
    """A stranger's study names a server of theirs, and a variable of the user's."""
    monkeypatch.setenv("GNOMON_TEST_KEY", KEY)
    monkeypatch.setenv(KEY_HOSTS, kept_for)
    judge = OpenAICompatibleJudge(config(**more, base_url="https://of.nobody/v1"), CONCEPTS)
    with pytest.raises(UserError, match=r"not sent to of\.nobody.*export GNOMON_KEY_HOSTS=") as caught:
        next(judge.judge_trials([make_trial()]))
    assert KEY not in str(caught.value)
    assert "GNOMON_TEST_KEY@of.nobody" in str(caught.value)


def test_a_dry_run_says_where_transcripts_and_keys_would_go(store, make_trial, config):
    make_trial()
    keyed = config(api_key_env="OPENAI_API_KEY", headers_env={"x": "MINE"}, base_url="https://api.openai.com/v1")
    line = cost_line(estimate_cost(store, OpenAICompatibleJudge(keyed, CONCEPTS), keyed))
    assert (
        "transcripts go to https://api.openai.com/v1 with the value of OPENAI_API_KEY; MINE is not sent there" in line
    )
    assert """export GNOMON_KEY_HOSTS='["MINE@api.openai.com"]'""" in line


@pytest.mark.attack
@pytest.mark.parametrize("mark", ["\u200b", "\u2060", "\ufeff", "\u202e", "\x1b"])
def test_characters_that_are_not_shown_go_before_a_secret_is_looked_for(mark):
    secret = "sk-0123456789abcdef"
    said = SecretScrubber([secret]).scrub_text(f"your key is {mark.join(secret)}")
    assert said == f"your key is {HIDDEN}"
