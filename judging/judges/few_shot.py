"""Few-shot examples of an LLM judge: labelled responses of every kind, from the train split, on the closed list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from gnomon.data.errors import NotEnoughDataError
from gnomon.data.facts import further_names
from gnomon.data.records import NONE, OTHER, Facts, canonical_hash
from gnomon.judging.judges.lexicon import LexiconJudge
from gnomon.judging.rubrics.blind import LabelledExample

LONGEST = 700


def draw_examples(
    pairs: Sequence[tuple[str, Facts]], concepts: Sequence[str], number: int
) -> tuple[LabelledExample, ...]:
    """Draw examples from each kind in turn: claims of each concept, denials, refusals, unreadable responses.

    Only responses whose label agrees with the lexicon judge are taken, because the lexicon's quotation then stands for
    the words that decide, and only those labelled on every registered fact. The order is that of the responses'
    hashes, so that the same labels give the same examples.


    Parameters
    ----------
    pairs : sequence of (str, Facts)
        Responses with their labels, of the train split only: no trial that measures the judge may be an example.
    concepts : sequence of str
        The study's closed list; responses labelled with any other concept are left out.
    number : int
        Number of examples.

    Returns
    -------
    tuple of LabelledExample
        Exactly `number` examples.

    Raises
    ------
    NotEnoughDataError
        If fewer than `number` responses are usable.
    """
    lexicon = LexiconJudge(concepts)
    kinds: dict[str, list[LabelledExample]] = defaultdict(list)
    for answer, facts in sorted(pairs, key=lambda pair: canonical_hash(["example", pair[0]])):
        read, quote, _ = lexicon.read_answer(answer)
        confirmed = replace(read, further=facts.further) == facts and facts.further.keys() >= set(further_names())
        if confirmed and facts.concept in (*concepts, NONE, OTHER) and len(answer) <= LONGEST:
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
    """One of each kind, then a second of each, up to `number`."""
    longest = max((len(kind) for kind in kinds), default=0)
    turns = [kind[turn] for turn in range(longest) for kind in kinds if turn < len(kind)]
    return turns[:number]
