"""The few-shot set of an LLM judge: labelled answers of the train split, of every kind, on the study's closed list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import NONE, OTHER, Facts, canonical_hash
from gnomon.judging.judges.lexicon import LexiconJudge
from gnomon.judging.rubrics.blind import LabelledExample

LONGEST = 700


def draw_examples(
    pairs: Sequence[tuple[str, Facts]], concepts: Sequence[str], number: int
) -> tuple[LabelledExample, ...]:
    """`number` examples, the kinds in turn: claims of each concept, denials, refusals, what can't be read.

    Only answers whose label the lexicon confirms are taken: its quotation then stands for the words that decide. The
    order is that of the answers' hashes, so that the same labels give the same set.

    Parameters
    ----------
    pairs : answers with their labels, of the train split only: an example may be no trial that measures the judge.
    concepts : the closed list; answers about anything else on no list are left out.
    number : how many.

    Raises
    ------
    NotEnoughDataError
        where there are not so many.
    """
    lexicon = LexiconJudge(concepts)
    kinds: dict[str, list[LabelledExample]] = defaultdict(list)
    for answer, facts in sorted(pairs, key=lambda pair: canonical_hash(["example", pair[0]])):
        read, quote, _ = lexicon.read_answer(answer)
        if read == facts and facts.concept in (*concepts, NONE, OTHER) and len(answer) <= LONGEST:
            kinds[_example_kind(facts)].append(LabelledExample(answer, facts, quote[:100]))
    found = _in_turn([kinds[kind] for kind in sorted(kinds)], number)
    if len(found) < number:
        raise NotEnoughDataError(
            f"{number} examples are wanted and the train split has {len(found)}: lower 'examples' in study.toml"
        )
    return tuple(found)


def _example_kind(facts: Facts) -> str:
    if not facts.coherent:
        return "unreadable"
    return "refused" if facts.refused else f"claims {facts.concept}" if facts.claims else "denied"


def _in_turn(kinds: Sequence[Sequence[LabelledExample]], number: int) -> list[LabelledExample]:
    """One of each kind, then a second of each, up to the number."""
    longest = max((len(kind) for kind in kinds), default=0)
    turns = [kind[turn] for turn in range(longest) for kind in kinds if turn < len(kind)]
    return turns[:number]
