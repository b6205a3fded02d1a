"""`gnomon lens` reads injected concepts from later blocks of a study's model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_subjects import LAYERS, TEMPLATE, byte_tokenizer, tiny_model

from gnomon.__main__ import run

STUDY = """
name = "lens"
[[subjects]]
name = "tiny"
model = "{model}"
[design]
concepts = ["ocean", "fear"]
layers = [1, 3]
strengths = [0.0, 4.0]
protocols = ["plain"]
"""


def test_every_later_block_is_read_with_the_vector_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GNOMON_CACHE", str(tmp_path / "cache"))
    tiny_model("llama").save_pretrained(tmp_path / "model")
    byte_tokenizer(TEMPLATE).save_pretrained(tmp_path / "model")
    (tmp_path / "study.toml").write_text(STUDY.format(model=tmp_path / "model"), encoding="utf-8")
    assert run(["lens", str(tmp_path), "--concept", "ocean", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["concept"], row["layer"], row["strength"]) for row in rows] == [
        ("ocean", 1, 0.0),
        ("ocean", 1, 4.0),
        ("ocean", 3, 0.0),
        ("ocean", 3, 4.0),
    ]
    for row in rows:
        assert [read["layer"] for read in row["readings"]] == list(range(row["layer"], LAYERS))
        for read in row["readings"]:
            same = (read["log_probability"], read["rank"]) == (read["plain"], read["plain_rank"])
            assert same == (row["strength"] == 0.0)
    assert run(["lens", str(tmp_path)]) == 0
    assert "half-way" in capsys.readouterr().out
