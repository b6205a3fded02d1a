"""A judge whose rules can be read: patterns of claim, denial and refusal, concept words, word statistics."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from gnomon.data.facts import FactValue, facts_from_answers, further_facts
from gnomon.data.records import NONE, OTHER, Facts, JudgeVersion, Trial, Verdict, canonical_hash
from gnomon.judging.code_versions import CODE_VERSIONS
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges import lexicon_patterns as words
from gnomon.judging.judges.readability import measure_wording
from gnomon.judging.judges.sentence_encoder import encoder_vocabulary
from gnomon.judging.kinds import JudgeMaterials
from gnomon.judging.protocols import make_judge_version
from gnomon.judging.rubrics.transcript import LIMIT, clean_transcript, straighten_quotes

_NAMES = {name: getattr(words, name) for name in ("NOTICE", "UNUSUAL", "EXPERIENCE", "NORMAL", "ASSISTANT")}
_QUOTE = 200
CLAIMING = ("claim", "hint")


def _compile_patterns(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern.format(**_NAMES)})" for pattern in patterns))


_CLAIM = _compile_patterns(words.CLAIMS)
_WEAK_CLAIM = _compile_patterns(words.WEAK_CLAIMS)
_DENIAL = _compile_patterns(words.DENIALS)
_REFUSAL = _compile_patterns(words.REFUSALS)
_HYPOTHETICAL = re.compile(words.HYPOTHETICAL)
_NEGATION = re.compile(words.NEGATION)
_OPENING = re.compile(words.OPENING)
_NOT_MINE = re.compile(words.NOT_MINE)
_ABOUT = _compile_patterns([words.ABOUT])
_QUOTED = re.compile(r"[\"“]([^\"“”]+)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_CLAUSE = re.compile(r"[^.?!\n;]+[.?!;]*")
_TURN = re.compile(r",? \b(?:but|however|although|though|yet|except|while|nevertheless)\b,? ")


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of the response, as written, and its kind: refusal, denial, claim, hint (a weak claim) or none."""

    text: str
    kind: str


class LexiconJudge:
    """Reports facts by patterns, registered facts by their own; needs no network and no training.

    Parameters
    ----------
    concepts : sequence of str
        The study's closed list. A concept that is not in the lexicon is recognised by the words of its name.
    name : str
        Name of the judge.
    """

    def __init__(self, concepts: Sequence[str], *, name: str = "lexicon") -> None:
        self.concepts = tuple(sorted(concepts))
        self._patterns = {concept: concept_pattern(concept) for concept in self.concepts}
        self._further = {fact.name: re.compile("|".join(fact.patterns)) for fact in further_facts() if fact.patterns}
        source = CODE_VERSIONS["lexicon"]
        described: dict[str, object] = {
            "source": source,
            "vocabulary": canonical_hash(sorted(encoder_vocabulary())),
            "concepts": list(self.concepts),
        }
        if self._further:
            described["further"] = {name: pattern.pattern for name, pattern in self._further.items()}
        self._version = make_judge_version(name, "lexicon", described)

    @property
    def version(self) -> JudgeVersion:
        """Version with a hash of words, patterns, rules and closed list."""
        return self._version

    @property
    def enforces_schema(self) -> bool | None:
        """Always None: there is no server."""
        return None

    def judge_trials(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        """Yield one verdict per trial, in order, each with the words that decided it."""
        for trial in trials:
            facts, quote, reason = self.read_answer(trial.answer)
            yield Verdict(trial.id, self._version.version, facts, quote=quote[:_QUOTE], raw=reason)

    def read_answer(self, answer: str) -> tuple[Facts, str, str]:
        """Facts of one response, the quotation that decided them, and the reason in words."""
        text = clean_transcript(answer)[:LIMIT]
        found = split_clauses(text)
        fault = measure_wording(text).fault
        decisive = _decisive_clause(found)
        claims = decisive.kind in CLAIMING
        about = self._claimed_concept(found) if claims else NONE
        further = {
            name: bool(pattern.search(straighten_quotes(text).lower())) for name, pattern in self._further.items()
        }
        core: dict[str, FactValue] = {
            "claims": claims,
            "concept": about,
            "coherent": not fault,
            "refused": decisive.kind == "refusal",
        }
        facts = facts_from_answers({**core, **further})
        return facts, decisive.text.strip(), f"decided by a {decisive.kind}; wording {fault or 'readable'}"

    def _claimed_concept(self, found: Sequence[Clause]) -> str:
        """The concept mentioned most from the first claim on, denials excluded; `other` for content not on the list."""
        start = next(place for place, clause in enumerate(found) if clause.kind in CLAIMING)
        text = " ".join(clause.text for clause in found[start:] if clause.kind not in ("denial", "refusal"))
        text = _normalized_text(text)
        counts = {concept: len(pattern.findall(text)) for concept, pattern in self._patterns.items()}
        best = max(counts, key=lambda concept: counts[concept], default=NONE)
        if counts.get(best):
            return best
        return OTHER if any(_has_content(clause.text) for clause in found if clause.kind in CLAIMING) else NONE


def _has_content(claim: str) -> bool:
    """Whether a claim names its content: in quotation marks, or after "a thought about" and the like."""
    text = _normalized_text(claim)
    said = " ".join([*_QUOTED.findall(text), *_ABOUT.findall(text)])
    return any(word not in words.GENERIC and word not in words.FUNCTION_WORDS for word in _WORD.findall(said))


def split_clauses(text: str) -> list[Clause]:
    """The clauses of a response, each with its kind."""
    pieces = (piece for sentence in _CLAUSE.findall(text) for piece in _TURN.split(sentence) if piece.strip())
    return [
        Clause(piece, _clause_kind(_normalized_text(piece), opens=place == 0)) for place, piece in enumerate(pieces)
    ]


def _normalized_text(text: str) -> str:
    """Lower case, plain apostrophes, and one word for all expressions that say that something is not one's own."""
    return _NOT_MINE.sub("foreign", straighten_quotes(text).lower())


def _clause_kind(clause: str, *, opens: bool) -> str:
    if clause.rstrip(" \"')").endswith("?"):
        return "none"
    if _REFUSAL.search(clause):
        return "refusal"
    if _is_affirmed(_CLAIM, clause):
        return "claim"
    if _DENIAL.search(clause):
        return "denial"
    return "hint" if _is_affirmed(_WEAK_CLAIM, clause) or (opens and _OPENING.search(clause)) else "none"


def _is_affirmed(pattern: re.Pattern[str], clause: str) -> bool:
    """Whether the pattern occurs in the clause without a negation inside it and without a condition before its end."""
    match = pattern.search(clause)
    if match is None or _NEGATION.search(match[0]):
        return False
    return not _HYPOTHETICAL.search(clause[: match.end()])


def _decisive_clause(found: Sequence[Clause]) -> Clause:
    """The clause that decides: a claim; else a denial; else a refusal; else a hint.

    A denial that is followed by a definite claim is therefore a claim, and a disclaimer that is followed by a report is
    not a refusal.
    """
    first = {clause.kind: clause for clause in reversed(found)}
    order = ["claim", "denial", "refusal", "hint"]
    return next((first[kind] for kind in order if kind in first), Clause("", "none"))


def concept_pattern(concept: str) -> re.Pattern[str]:
    """Pattern of the words for a concept: those of the lexicon, else the words of the concept's name."""
    own = [word for word in re.split(r"\W+", concept.lower()) if word]
    listed = words.CONCEPTS.get(concept.lower(), own)
    forms = [rf"{re.escape(word[:-1])}\w*" if word.endswith("*") else rf"{re.escape(word)}(?:s|es)?" for word in listed]
    return re.compile(rf"\b(?:{'|'.join(forms)})\b" if forms else r"(?!)")


def build_lexicon_judge(config: JudgeConfig, materials: JudgeMaterials) -> LexiconJudge:
    """The judge of kind `lexicon` that a config describes.

    Parameters
    ----------
    config : JudgeConfig
        Its name is the judge's.
    materials : JudgeMaterials
        The closed list.
    """
    return LexiconJudge(materials.concepts, name=config.name)
