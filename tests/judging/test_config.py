"""A judge's config says what is wrong with it, and never shows a secret."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gnomon.judging.config import JudgeConfig
from gnomon.judging.protocols import Judge
from gnomon.judging.registry import build_judge

GOOD = {"name": "llm", "kind": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"modle": "x"}, "Extra inputs are not permitted"),
        ({"kind": "magic"}, "judge kind 'magic' is not known: choose from lexicon, learned, logprob, openai"),
        ({"base_url": None, "model": None}, "judge 'llm' of kind openai needs base_url and model"),
        ({"base_url": "ftp://x/v1"}, "base_url is no http or https address"),
        ({"base_url": "https://api.openai.com\\.x/v1"}, "base_url is no http or https address"),
        ({"base_url": "https://api.openai.com\t.x/v1"}, "base_url is no http or https address"),
        ({"base_url": "https://api.openai.co\u217f/v1"}, "base_url is no http or https address"),
        ({"base_url": "http://me:hush@x/v1"}, "must hold no user, password or query"),
        ({"base_url": "http://x/v1?key=hush"}, "must hold no user, password or query"),
        ({"kind": "lexicon", "model": None}, "of kind lexicon takes no base_url: it asks no server"),
        ({"api_key_env": "sk-hush-123"}, "should match pattern"),
        ({"concurrency": 0}, "greater than or equal to 1"),
        ({"temperature": "warm"}, "'server'"),
        ({"rubric": "loose"}, "'blind' or 'informed'"),
        ({"name": ""}, "at least 1 character"),
    ],
)
def test_a_wrong_key_or_value_is_refused_without_showing_it(change, said):
    with pytest.raises(ValidationError) as caught:
        JudgeConfig.model_validate({**GOOD, **change})
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("kind", ["lexicon", "learned", "openai"])
def test_every_kind_is_built_into_a_judge_of_that_name(kind):
    config = JudgeConfig.model_validate(GOOD if kind == "openai" else {"name": "llm", "kind": kind})
    judge = build_judge(config, ("ocean", "fear"), ())
    assert isinstance(judge, Judge)
    assert (judge.version.name, judge.version.kind, judge.enforces_schema) == ("llm", kind, None)


def test_two_names_are_two_versions():
    versions = {
        build_judge(JudgeConfig(name=name, kind="lexicon"), ("ocean",)).version.version for name in ("a", "b", "a")
    }
    assert len(versions) == 2
