"""The prompt of a trial with the texts marked at which a vector was added, and what cannot be known of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pydantic import JsonValue

from gnomon.data.arms import ARMS
from gnomon.data.records import GENERATED, Arm, Span

Content = Mapping[str, JsonValue]
"""A protocol as the store keeps it."""


@dataclass(frozen=True, slots=True)
class PromptTurn:
    """A message of the prompt: its role, and its text in pieces, each with whether it was steered."""

    role: str
    pieces: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        """The whole message."""
        return "".join(text for text, _ in self.pieces)


@dataclass(frozen=True, slots=True)
class SteeredPrompt:
    """A prompt with its marks.

    Attributes
    ----------
    turns : tuple of PromptTurn
        The messages, in order.
    is_answer_steered : bool
        Whether the response was steered too.
    notes : tuple of str
        Where the vector was added, in sentences, and what the marks cannot show.
    """

    turns: tuple[PromptTurn, ...]
    is_answer_steered: bool
    notes: tuple[str, ...]


@dataclass
class _Marks:
    """Steered letters of each message, gathered span by span."""

    texts: Sequence[str]
    letters: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    answer: bool = False

    def add(self, first: tuple[int, int], end: tuple[int, int]) -> None:
        """Mark from one place (message, letter) to before another."""
        for turn in range(first[0], end[0] + 1):
            begin = first[1] if turn == first[0] else 0
            stop = end[1] if turn == end[0] else len(self.texts[turn])
            if begin < stop:
                self.letters.setdefault(turn, []).append((begin, stop))

    def to_the_end(self, first: tuple[int, int]) -> None:
        """Mark from a place to the end of the response."""
        if self.texts:
            self.add(first, (len(self.texts) - 1, len(self.texts[-1])))
        self.answer = True

    def find(self, text: str) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Where a text begins and ends that stands exactly once in the messages."""
        found = [(turn, each.index(text)) for turn, each in enumerate(self.texts) if text and text in each]
        if len(found) != 1 or self.texts[found[0][0]].count(text) != 1:
            return None
        turn, begin = found[0]
        return (turn, begin), (turn, begin + len(text))

    def pieces(self, turn: int) -> tuple[tuple[str, bool], ...]:
        """A message's text, cut where marks begin and end."""
        text, marked = self.texts[turn], self.letters.get(turn, [])
        cuts = sorted({0, len(text), *(place for part in marked for place in part)})
        return tuple(
            (text[begin:end], any(first <= begin < stop for first, stop in marked)) for begin, end in pairwise(cuts)
        )


def mark_steered(
    content: Content, *, arm: str, span: str, strength: float, source: str = GENERATED, has_preface: bool = False
) -> SteeredPrompt:
    """The prompt of a trial, with the texts marked at which its vector was added.

    Marks are of letters, steering is of tokens, which are not stored: a token at the edge of a mark may hold further
    letters. What the stored protocol does not tell is said in a note and is not marked.

    Parameters
    ----------
    content : mapping of str to JsonValue
        The trial's protocol as the store keeps it.
    arm, span : str
        Arm and span of the trial's condition.
    strength : float
        Strength of the trial's condition.
    source : str, default "generated"
        Source of the trial.
    has_preface : bool, default False
        Whether the model's first message began with words that the protocol does not hold.
    """
    messages = _messages(content)
    marks, notes = _Marks([text for _, text in messages]), []
    if not messages:
        notes.append("The prompt is not stored in this study.")
    if has_preface:
        notes.append("Before the first message the model read the preface of the study file, which is not stored.")
    notes += _mark_condition(content, marks, arm=Arm(arm), span=span, strength=strength, source=source)
    turns = tuple(PromptTurn(role, marks.pieces(place)) for place, (role, _) in enumerate(messages))
    return SteeredPrompt(turns, marks.answer, tuple(notes))


def _messages(content: Content) -> list[tuple[str, str]]:
    turns = content.get("messages")
    told = [turn for turn in turns if isinstance(turn, Mapping)] if isinstance(turns, list) else []
    return [(str(turn.get("role") or ""), str(turn.get("content") or "")) for turn in told]


def _mark_condition(
    content: Content, marks: _Marks, *, arm: Arm, span: str, strength: float, source: str
) -> Iterable[str]:
    if not ARMS.find(arm).is_steered:
        yield "No vector was added."
        return
    yield f"A vector was added {_mark_span(content, marks, span)}."
    for further, share in _further_spans(content):
        yield f"It was also added, at {share:g} times the strength, {_mark_span(content, marks, further)}."
    if not strength:
        yield "Its strength was 0, so that it changed nothing."
    if source == GENERATED:
        yield (
            "The positions were checked token by token when the trial was generated, and are not stored: a token at "
            "the edge of a mark may hold further letters."
        )
        return
    yield "The trial was imported: where the vector was added is what its source says."
    if span == Span.GENERATION:
        yield "Where a source does not say, the response is assumed."


def _further_spans(content: Content) -> list[tuple[str, float]]:
    further = content.get("also")
    found = []
    for each in further if isinstance(further, list) else []:
        if isinstance(each, Mapping) and isinstance(share := each.get("share", 1.0), int | float):
            found.append((str(each.get("span")), float(share)))
    return found


def _mark_span(content: Content, marks: _Marks, span: str) -> str:
    """Mark a span; returns where it is, to go on after "added"."""
    if span == Span.ALL:
        marks.to_the_end((0, 0))
        return "at every token of prompt and response, those of the chat template included"
    if span == Span.GENERATION:
        marks.answer = True
        return "at the response, from the prompt's last token on"
    if span == Span.FROM_MARKER:
        marker = str(content.get("marker") or "")
        if (place := marks.find(marker)) is None:
            marks.answer = True
            return "from the protocol's marker on, which the stored prompt does not show, to the end of the response"
        marks.to_the_end(place[0])
        return f"from “{marker}” to the end of the response"
    spans = content.get("spans")
    named = spans.get(span) if isinstance(spans, Mapping) else None
    return _mark_named(marks, span, named) if isinstance(named, Mapping) else _unknown_place(span)


def _unknown_place(span: str) -> str:
    return f"at span '{span}'; the stored protocol does not say where that is"


def _mark_named(marks: _Marks, span: str, named: Content) -> str:
    marks.answer = marks.answer or bool(named.get("answer"))
    place = _place_of(marks, named)
    if place is None:
        return _unknown_place(span)
    marks.add(*place)
    part = named.get("part")
    where = (
        f"at the text marked here, span '{span}'" if part is None else f"at the {part} token of the text marked here"
    )
    return f"{where}, and at the response" if named.get("answer") else where


def _place_of(marks: _Marks, named: Content) -> tuple[tuple[int, int], tuple[int, int]] | None:
    turn = named.get("turn")
    if isinstance(turn, int) and not isinstance(turn, bool):
        return ((turn, 0), (turn, len(marks.texts[turn]))) if 0 <= turn < len(marks.texts) else None
    begin = marks.find(str(named.get("text") or ""))
    end = begin if named.get("to") is None else marks.find(str(named["to"]))
    return None if begin is None or end is None or end[1] <= begin[0] else (begin[0], end[1])
