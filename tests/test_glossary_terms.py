"""Terms of art in README, tutorial, how-to, explanation pages and notebooks are in the glossary.

What counts as a term of art is a rule that a script can check: a word or phrase of `VOCABULARY` (statistics, language
models, and Gnomon's own words), and whatever a page sets in italics, but for the names of what is seen on the screen.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("tutorial", "how-to", "explanation", "notebooks")
PAGES = [ROOT / "README.md", *sorted(path for name in FOLDERS for path in (ROOT / "docs" / name).glob("*.*"))]
VOCABULARY = """
accuracy; adjudication; agreement; arm; audit; base rate; battery; binomial; bootstrap; calibration card; chance
level; Cohen's kappa; concept; concept vector; confidence interval; confusion matrix; control arm; corrected;
coverage; credible interval; criterion; cut fit; d'; depth; design-based; detection; divergence; drift; engaged;
estimand; estimate; evidence; exposure; fact; false alarm; Fleiss' kappa; gate; guideline; Gwet's AC1;
identification; injection arm; inter-rater; joint posterior; judge; Krippendorff's alpha; label; label view; layer;
Lee bounds; log-odds; logit; negative predictive value; net detection; odds ratio; outcome; outcome rule; p-value;
partial pooling; posterior; posterior mean; PPI++; precision; prior; protocol; R-hat; rater; raw net detection;
recall; refusal; replicate; residual stream; rubric; sensitivity; shrinkage; span; specificity; split; standard
error; steering; strength; transcript; transport; trial; variant; verdict; yes-bias; yes-shift; Youden's J
"""
SEEN = {"second", "uncertain", "adjudicate", "Evidence", "anything but a denial"}
"""Names of queues and columns on the screen, and words that are stressed."""


def terms() -> set[str]:
    """Terms of the glossary and what they are also called, in small letters."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]*)\|$", (ROOT / "docs/glossary.md").read_text("utf-8"), re.M)
    return {part.strip(" `").lower() for row in rows for cell in row for part in re.split("[,;]", cell) if part.strip()}


def prose(page: Path) -> str:
    """What a page says in words: no code, no addresses of links."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "code", text))


def terms_used(text: str) -> set[str]:
    """Words of the vocabulary, in the singular or plural, and what stands in italics."""
    words = [word.strip() for word in VOCABULARY.replace("\n", " ").split(";")]
    used = {word for word in words if re.search(rf"(?<![\w-]){re.escape(word)}(?:s|es)?(?![\w-])", text, re.IGNORECASE)}
    return used | (set(re.findall(r"(?<![\w*])\*([A-Za-z][A-Za-z' -]+)\*(?!\*)", text)) - SEEN)


def missing_terms(text: str) -> set[str]:
    """Terms of art of a text that the glossary lacks."""
    known = terms()
    return {term for term in terms_used(text) if term.lower() not in known}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_term_of_a_page_is_in_the_glossary(page):
    assert missing_terms(prose(page)) == set()


def test_a_term_that_the_glossary_lacks_is_found():
    assert missing_terms("The inter-rater bootstrap of *frobnication*, and sensitivity.") == {
        "inter-rater",
        "bootstrap",
        "frobnication",
    }
    assert {"Youden's J", "arm", "estimate"} <= terms_used("Youden's J by arms and estimates")
