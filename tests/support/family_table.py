"""The table of tested families in docs/generation.md: `python tests/support/family_table.py` writes it.

The test of each family holds that its line is current.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

PAGE = ROOT / "docs" / "generation.md"
BEGIN = "<!-- families: made by tests/support/family_table.py -->"
END = "<!-- end of families -->"


def outcome_of(name: str) -> str:
    """What is kept of earlier positions of a family, and from where its rows begin; or why it is refused."""
    from family_models import family_subject

    from gnomon.data.errors import InputError
    from gnomon.generation.engine.steering_probe import find_model_form

    try:
        form = find_model_form(family_subject(name))
    except InputError as error:
        return f"refused: {str(error).split('steered: ', 1)[1]}"
    return form.cache if form.continues else f"{form.cache}; prompts are not shared"


def table_text(outcomes: dict[str, str]) -> str:
    """The table, one line for each outcome, families in their order."""
    lines = ["| kept of earlier positions | families |", "|---|---|"]
    for outcome in sorted(set(outcomes.values()), key=lambda each: (each.startswith("refused"), each)):
        names = ", ".join(name.replace(", ", " ") for name, found in outcomes.items() if found == outcome)
        lines.append(f"| {outcome} | {names} |")
    return "\n".join(lines)


def told_outcomes() -> dict[str, str]:
    """What the page tells of each family."""
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (.+) \|$", text[text.index(BEGIN) : text.index(END)], re.MULTILINE)[1:]
    return {name: outcome for outcome, names in rows for name in names.split(", ")}


def main() -> None:
    """Find out all outcomes and write the page."""
    from family_models import FAMILIES, WRAPPERS

    text = PAGE.read_text(encoding="utf-8")
    table = table_text({name: outcome_of(name) for name in [*FAMILIES, *WRAPPERS]})
    before, behind = text[: text.index(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{behind}", encoding="utf-8")


if __name__ == "__main__":
    main()
