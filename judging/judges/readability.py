"""Word statistics that separate readable English from word salad. Knows nothing of meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.judging.judges.lexicon_patterns import FAULTS, FUNCTION_WORDS
from gnomon.judging.judges.sentence_encoder import encoder_vocabulary
from gnomon.judging.rubrics.transcript import straighten_quotes

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_STRAY_CAPITAL = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
_STRAY_MARK = re.compile(r"[a-z][.?!][a-zA-Z]|[^\x00-\x7f‘’“”–—…é]|[\[\]{}<>|_*#@=+/\\]")
_WINDOW = 50
_ENDINGS = ("s", "es", "ed", "d", "ing", "ly", "ness")


@dataclass(frozen=True, slots=True)
class WordingStatistics:
    """Statistics of a text; `words` is the number of words, all others are shares or rates per word.

    `function`: function words among all words; `known`: words of a general vocabulary; `letters`: letters among the
    characters that are not white space; `varied`: different words among 50 consecutive ones, averaged over the text
    (moving-average type-token ratio, Covington and McFall 2010); `looped`: words in three-word sequences that occur
    more than once; `top`: the most frequent word among those that are not function words; `capitals`: capitalised words
    in mid-sentence per word; `marks`: brackets, slashes, foreign letters and the like per word.
    """

    words: int
    function: float
    known: float
    letters: float
    varied: float
    looped: float
    top: float
    capitals: float
    marks: float

    @property
    def fault(self) -> str:
        """Why the text is not readable English, by the first of `FAULTS` that applies; empty if it is readable."""
        if self.words == 0:
            return "no words"
        for name, (statistic, low, high, fewest) in FAULTS.items():
            if self.words >= fewest and not low <= getattr(self, statistic) <= high:
                return name
        return ""


def measure_wording(text: str) -> WordingStatistics:
    """Word statistics of a text."""
    said = [word.lower() for word in _WORD.findall(straighten_quotes(text))]
    total = max(1, len(said))
    marks = [mark for mark in text if not mark.isspace()]
    content = Counter(word for word in said if word not in FUNCTION_WORDS)
    return WordingStatistics(
        words=len(said),
        function=sum(word in FUNCTION_WORDS for word in said) / total,
        known=sum(_is_known(word) for word in said) / total,
        letters=sum(mark.isascii() and mark.isalpha() for mark in marks) / max(1, len(marks)),
        varied=_lexical_variety(said),
        looped=_count_repeated_words(said) / total,
        top=max(content.values(), default=0) / max(1, content.total()),
        capitals=len(_STRAY_CAPITAL.findall(text)) / total,
        marks=len(_STRAY_MARK.findall(text)) / total,
    )


def _lexical_variety(said: Sequence[str]) -> float:
    windows = [said[start : start + _WINDOW] for start in range(max(1, len(said) - _WINDOW + 1))]
    return sum(len(set(window)) / max(1, len(window)) for window in windows) / len(windows)


def _count_repeated_words(said: Sequence[str]) -> int:
    """Number of words in three-word sequences that occur more than once."""
    triples = list(zip(said, said[1:], said[2:], strict=False))
    counts = Counter(triples)
    return len({place + step for place, triple in enumerate(triples) if counts[triple] > 1 for step in range(3)})


def _is_known(word: str) -> bool:
    stem = word.partition("'")[0]
    if word in FUNCTION_WORDS or stem in encoder_vocabulary():
        return True
    return any(stem.endswith(ending) and stem.removesuffix(ending) in encoder_vocabulary() for ending in _ENDINGS)
