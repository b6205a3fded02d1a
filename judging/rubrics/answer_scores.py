"""Probabilities of a rubric's answers, from the log-probabilities of the tokens of a reply.

A reply is one JSON object. Where the value of a key begins, the model chose between tokens that begin yes, tokens that
begin no, and others; a server that is asked for log-probabilities lists the most probable ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from gnomon.data.records import NAMES, NONE, OTHER
from gnomon.judging.rubrics.reply_parser import iterate_objects, value_places

YES, NO = ("true", "yes", "1"), ("false", "no", "0")
"""How the answer of a flag is written in a reply, in lower case."""
_LEAD = " \t\r\n:\"'"
"""Characters before a value that a token may hold too."""
_VOCABULARY = str.maketrans({"\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}": " ", "\N{LOWER ONE EIGHTH BLOCK}": " ",
                             "\N{LATIN CAPITAL LETTER C WITH DOT ABOVE}": "\n"})  # fmt: skip
"""Spaces as vocabularies write them, for servers that give tokens as they stand there."""
_DECODING = ("utf-8", "surrogateescape")
"""A token may end within a character: such bytes are kept one by one."""


@dataclass(frozen=True, slots=True)
class ReplyToken:
    """One token of a reply: its bytes, and the log-probability of each token that was listed in its place, its own too.

    `least` is the smallest probability among the most probable tokens, which no other exceeds; 1 where the server
    listed no others.
    """

    text: bytes
    listed: Mapping[bytes, float]
    least: float = 1.0

    @property
    def own(self) -> float:
        """Probability of the token itself; the most that it can have if it was too small to be listed."""
        return math.exp(self.listed[self.text]) if self.text in self.listed else self.most_unlisted

    @property
    def shares(self) -> Iterator[tuple[str, float]]:
        """Text and probability of each token that was listed."""
        return ((_decode(text), math.exp(value)) for text, value in self.listed.items())

    @property
    def most_unlisted(self) -> float:
        """The most that a token which was not listed can have: what is left, and no more than the least listed one."""
        listed = math.fsum(math.exp(value) for value in self.listed.values())
        return min(max(0.0, 1 - listed), self.least)


def answer_scores(
    tokens: Sequence[ReplyToken], said: Mapping[str, bool], concept: str | None, concepts: Sequence[str]
) -> dict[str, float]:
    """Probabilities of the answers of a reply, by key of the reply; of the names of the list by `NAMES` and the name.

    Estimand: P(yes) of a flag, given that its answer is yes or no, what stands before it in the reply, and the model's
    distribution as the server reports it. All listed tokens that begin yes, in whatever writing, add up, and so do
    those that begin no. Where none of one answer was listed, that answer counts with the most that it can have (what is
    left, and no more than the least listed token): the score is then a bound, the one nearest to the other answer.
    Where neither is among the most probable tokens, as where a schema forces a model to answer, there is no score. Of
    `concept` the shares of the names, given that one of them is chosen: the product over the tokens of a name; a token
    that begins several names counts for none of them, and a name that was not listed is left out.

    Parameters
    ----------
    tokens : sequence of ReplyToken
        The tokens of the reply, its reasoning included or not.
    said : mapping of str to bool
        The flags of the reply as they were read, by key: the probabilities are those of the object that says this.
    concept : str or None
        The name that it was read to name; None leaves the names out.
    concepts : sequence of str
        The study's closed list.

    Returns
    -------
    dict of str to float
        Empty where the tokens do not hold the reply; without a key whose answer is not found in them.
    """
    for written in (tokens, [_unescaped(token) for token in tokens]):
        text = _decode(b"".join(token.text for token in written))
        begin = _object_with(text, said, concept)
        if begin is not None:
            break
    else:
        return {}
    places, scores = value_places(text, begin), {}
    for key, answer in said.items():
        share = _yes_share(_token_at(written, _place(text, places[key][0])), answer=answer)
        if share is not None:
            scores[key] = share
    if concept is not None:
        scores |= _name_shares(written, text, places["concept"], [*concepts, NONE, OTHER])
    return scores


def _decode(content: bytes) -> str:
    return content.decode(*_DECODING)


def _unescaped(token: ReplyToken) -> ReplyToken:
    def plain(text: bytes) -> bytes:
        return _decode(text).translate(_VOCABULARY).encode(*_DECODING)

    return ReplyToken(plain(token.text), {plain(text): value for text, value in token.listed.items()}, token.least)


def _place(text: str, place: int) -> int:
    """A place in the text, in bytes."""
    return len(text[:place].encode(*_DECODING))


def _object_with(text: str, said: Mapping[str, bool], concept: str | None) -> int | None:
    """Where the last object of a text begins that gives these answers."""
    found = None
    for value, begin, _ in iterate_objects(text):
        named = str(value.get("concept")).strip().casefold()
        is_named = concept is None or named == concept.casefold()
        if is_named and all(_flag(value.get(key)) is answer for key, answer in said.items()):
            found = begin
    return found


def _flag(value: JsonValue) -> bool | None:
    word = str(value).strip().lower()
    return True if word in YES else False if word in NO else None


def _token_at(tokens: Sequence[ReplyToken], place: int) -> ReplyToken | None:
    """The token that holds a byte."""
    passed = 0
    for token in tokens:
        passed += len(token.text)
        if place < passed:
            return token
    return None


def _begins(written: str, words: Sequence[str]) -> bool:
    """Whether a token begins one of some words, or holds it and what follows."""
    return any(
        word.startswith(written) or (written.startswith(word) and not written[len(word)].isalnum()) for word in words
    )


def _yes_share(token: ReplyToken | None, *, answer: bool) -> float | None:
    """P(yes) at the first token of an answer; None where that token is not read as the answer that the reply gives, or
    where neither answer is among the most probable tokens.
    """
    if token is None:
        return None
    own = _decode(token.text).lstrip(_LEAD).lower()
    if not own or not _begins(own, YES if answer else NO):
        return None
    yes = no = 0.0
    for text, share in token.shares:
        written = text.lstrip(_LEAD).lower()
        if written and _begins(written, YES):
            yes += share
        elif written and _begins(written, NO):
            no += share
    if yes == no == 0.0:
        return None
    unlisted = token.most_unlisted
    if min(yes, no) == 0.0 and max(yes, no) < unlisted:  # the answer itself is beyond the list: either may lead
        return None
    yes, no = yes or unlisted, no or unlisted
    return yes / (yes + no)


def _name_shares(
    tokens: Sequence[ReplyToken], text: str, place: tuple[int, int], names: Sequence[str]
) -> dict[str, float]:
    """Share of each name among those that the tokens of a quoted value could have begun, the closing quote included."""
    begin, end = _place(text, place[0] + 1), _place(text, place[1])
    known = {name.casefold(): name for name in names}
    mass, several, path, passed = dict.fromkeys(names, 0.0), 0.0, 1.0, 0
    content = text.encode(*_DECODING)
    said = _decode(content[begin : end - 1]).strip().casefold()
    if said not in known:  # written with escapes, which no token of another name would be
        return {}
    for token in tokens:
        first, passed = passed, passed + len(token.text)
        if passed <= begin or first >= end:
            continue
        before = _decode(content[begin : max(begin, first)]).casefold()
        others = [
            (could, share)
            for other, share in token.shares
            if other != _decode(token.text)
            and (could := _names_begun(before, other.casefold(), known, is_first=first <= begin))
        ]
        if not others and token.own < token.least < 1:  # beyond the list, as the other names may be
            return {}
        for could, share in others:
            if len(could) == 1:
                mass[could[0]] += path * share
            else:
                several += path * share
        path *= token.own
    mass[known[said]] += path
    total = math.fsum(mass.values()) + several
    return {NAMES + name: share / total for name, share in mass.items() if share > 0} if total > 0 else {}


def _names_begun(before: str, token: str, known: Mapping[str, str], *, is_first: bool) -> list[str]:
    """The names that a token may continue; one alone, where it closes the quotation."""
    written = before + (token.lstrip(_LEAD) if is_first else token)
    if not written.strip():
        return []
    name, quote, _ = written.partition('"')
    if quote:
        return [known[name.strip()]] if name.strip() in known else []
    return [known[each] for each in known if each.startswith(name.lstrip())]
