"""A judge's version is what it was for the same config: no stored verdict is asked for again because code moved."""

from __future__ import annotations

import pytest

from gnomon.data.bundled import calibration_set
from gnomon.judging.config import JudgeConfig
from gnomon.judging.registry import build_judge

CONCEPTS = ("ocean", "fear", "light")
SERVER = {"base_url": "http://x/v1", "model": "m"}
VERSIONS = [
    ("lexicon", {}, "9fad4d0991034eb5b52dbed103b5e1f2"),
    ("learned", {}, "58f19ebcd64eb3836f60723d57eea126"),
    ("openai", {**SERVER, "edition": 1, "examples": 4}, "12b6015422c428f792195cfb508772b6"),
    ("openai", {**SERVER, "edition": 1, "rubric": "informed"}, "89a11bc7d21d7b3423b83388e768f99e"),
    ("openai", {**SERVER, "examples": 4}, "b2eb833c9a817b9c5a4d59c141349ba5"),
    ("openai", {**SERVER, "rubric": "informed"}, "93d38989036e68426cdf8860f2ba91c2"),
]


@pytest.mark.parametrize(("kind", "settings", "version"), VERSIONS)
def test_the_same_config_is_the_same_version(kind, settings, version):
    config = JudgeConfig(name=kind[:1], kind=kind, **settings)
    assert build_judge(config, CONCEPTS, calibration_set().training_pairs()).version.version == version
