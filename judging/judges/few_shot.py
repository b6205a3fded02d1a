"""Few-shot examples of an LLM judge: labelled responses of every kind, from the train split, on the closed list."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import TypeVar, cast

from gnomon.data.errors import NotEnoughDataError
from gnomon.data.facts import facts_from_answers, further_names, reported_answers
from gnomon.data.records import NONE, OTHER, Facts, canonical_hash
from gnomon.judging.judges.lexicon import LexiconJudge
from gnomon.judging.kinds import LabelledResponse
from gnomon.judging.rubrics.blind import QUOTE_BOUND, LabelledExample

LONGEST = 700
Drawn = TypeVar("Drawn")
_DENIED, _REFUSED, _UNREADABLE = "denied", "refused", "unreadable"
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|$)", re.DOTALL)


def draw_balanced_examples(
    own: Sequence[LabelledResponse], further: Sequence[LabelledResponse], concepts: Sequence[str], number: int
) -> tuple[LabelledExample, ...]:
    """Draw examples of which half claim and half do not, from the study's own labels before any others.

    Claims are drawn of each concept on the list in turn, then of what is not on it and without content; the others are
    denials, refusals and unreadable responses in turn. A claim about something that is not on the list is only taken
    where every concept of the list has an example. The order is that of the responses' hashes, so that the same labels
    give the same examples.

    Parameters
    ----------
    own : sequence of LabelledResponse
        The study's own responses with their labels, of the train split only: no trial that measures the judge may be
        an example.
    further : sequence of LabelledResponse
        Responses of another study with their labels, of the train split only.
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
        If fewer than `number` responses are usable, or none of them claims a concept of the list, or all of them do.
    """
    kinds: dict[str, list[LabelledResponse]] = defaultdict(list)
    seen: set[str] = set()
    for pool in (own, further):
        for each in sorted(pool, key=lambda each: canonical_hash(["example", each.answer])):
            if each.answer not in seen and _is_usable(each, concepts):
                seen.add(each.answer)
                kinds[_example_kind(each.facts)].append(each)
    listed = [kinds[_claim_of(name)] for name in sorted(concepts)]
    claimed = list(_in_turn(listed))
    others = list(_in_turn([kinds[kind] for kind in (_DENIED, _REFUSED, _UNREADABLE)]))
    if number > 1 and not (claimed and others):
        wanted = "claims a concept of this study" if others else "claims nothing"
        raise NotEnoughDataError(
            f"{number} examples are wanted and no labelled response of the train split {wanted}: label some, or set "
            "examples = 0 in study.toml"
        )
    first = len(listed) if all(listed) else len(claimed)
    off_list = [kinds[_claim_of(OTHER)]] if all(listed) else []
    claims = [*claimed[:first], *_in_turn([kinds[_claim_of(NONE)], *off_list, claimed[first:]])]
    mixed = dict.fromkeys(each for pair in zip_longest(claims, others) for each in pair if each is not None)
    if len(mixed) < number:
        raise NotEnoughDataError(
            f"{number} examples are wanted and the train split has {len(mixed)}: lower 'examples' in study.toml"
        )
    lexicon = LexiconJudge(concepts)
    return tuple(
        LabelledExample(each.answer, each.facts, _deciding_words(each, lexicon), each.question)
        for each in list(mixed)[:number]
    )


def draw_examples(
    pairs: Sequence[tuple[str, Facts]], concepts: Sequence[str], number: int
) -> tuple[LabelledExample, ...]:
    """Draw examples for the first edition of the rubrics: of each kind in turn, where the lexicon judge agrees.

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
            kinds[_example_kind(facts)].append(LabelledExample(answer, facts, quote[:QUOTE_BOUND]))
    found = list(_in_turn([kinds[kind] for kind in sorted(kinds)]))[:number]
    if len(found) < number:
        raise NotEnoughDataError(
            f"{number} examples are wanted and the train split has {len(found)}: lower 'examples' in study.toml"
        )
    return tuple(found)


def stored_examples(examples: Iterable[LabelledExample], *, has_questions: bool) -> list[list[object]]:
    """Examples as a judge version holds them.

    Parameters
    ----------
    examples : iterable of LabelledExample
        The examples.
    has_questions : bool
        Whether the prompt shows what was asked.
    """
    return [
        [each.answer, reported_answers(each.facts), each.quote, *([each.question] if has_questions else [])]
        for each in examples
    ]


def examples_from_stored(stored: object) -> tuple[LabelledExample, ...]:
    """Examples from a stored judge version; none where it holds none."""
    rows = cast("Sequence[Sequence[object]]", stored) if isinstance(stored, list) else ()
    return tuple(
        LabelledExample(
            str(answer), facts_from_answers(cast("Mapping[str, bool | str]", said)), str(quote), *map(str, question)
        )
        for answer, said, quote, *question in rows
    )


def _is_usable(each: LabelledResponse, concepts: Sequence[str]) -> bool:
    facts = each.facts
    on_list = facts.concept in (*concepts, NONE, OTHER)
    clear = not (facts.claims and facts.refused) and (facts.claims or facts.concept == NONE)
    return on_list and clear and len(each.answer) <= LONGEST and facts.further.keys() >= set(further_names())


def _deciding_words(each: LabelledResponse, lexicon: LexiconJudge) -> str:
    """The words that decide: those that the lexicon judge found where it agrees, else the first sentence."""
    read, quote, _ = lexicon.read_answer(each.answer)
    if quote and replace(read, further=each.facts.further) == each.facts:
        return quote[:QUOTE_BOUND]
    sentence = _SENTENCE.match(each.answer.strip())
    return sentence[0][:QUOTE_BOUND] if sentence else ""


def _claim_of(concept: str) -> str:
    return f"claims {concept}"


def _example_kind(facts: Facts) -> str:
    if not facts.coherent:
        return _UNREADABLE
    return _REFUSED if facts.refused else _claim_of(facts.concept) if facts.claims else _DENIED


def _in_turn(kinds: Sequence[Sequence[Drawn]]) -> Iterator[Drawn]:
    """One of each kind, then a second of each, to the end."""
    return (each for each in chain.from_iterable(zip_longest(*kinds)) if each is not None)
