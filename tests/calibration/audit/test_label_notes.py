"""What an import says of the labels that it brought."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnomon.commands.transfer import import_files
from gnomon.data.importers import ImportOptions
from gnomon.render.documents import ImportDocument

MAP = """
source = "x"
[trial]
key = "id"
subject = {value = "m-7b"}
answer = "text"
[verdict]
judge = {value = "j"}
claims = "judge"
[[label]]
rater = {value = "ann"}
claims = "ann"
[[label]]
rater = {value = "gpt-4o"}
claims = "gpt"
"""


def bring(folder: Path, lines: list[str]) -> ImportDocument:
    table, columns = folder / "t.csv", folder / "map.toml"
    table.write_text("id,text,judge,ann,gpt\n" + "\n".join(lines))
    columns.write_text(MAP)
    return import_files("table", [table], folder / "study", ImportOptions(map=columns), json=False)


def test_labels_chosen_by_verdicts_and_a_machine_among_raters_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{n},a{n},{int(n < 40)},{int(n < 30) if n < 40 or n > 280 else ''},{int(n < 50)}" for n in range(300)]
    document = bring(tmp_path, lines)
    printed = capsys.readouterr().err
    for told in (
        "gpt-4o is a language model, no person: its labels on 300 trials are no human labels",
        "labels of the control arm do not look like a random sample: 67.8 % of the 59 labelled trials",
    ):
        assert any(told in note for note in document.label_notes)
        assert told in printed


def test_a_random_sample_by_one_person_needs_no_note(tmp_path: Path) -> None:
    assert bring(tmp_path, [f"{n},a{n},{n % 2},{n % 2 if n % 3 else ''}," for n in range(60)]).label_notes == ()
