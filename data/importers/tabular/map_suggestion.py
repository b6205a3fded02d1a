"""A column map for a table from its column names and values, with what is not sure of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gnomon.data.arms import arm_aliases
from gnomon.data.importers.tabular.column_profiles import ColumnProfile, count_distinct, profile_columns
from gnomon.data.importers.tabular.table_files import FileLayout
from gnomon.data.importers.tabular.value_ranges import (
    PASS_FAIL,
    YES_NO,
    flag_words,
    middle_grade,
    parse_threshold_option,
)
from gnomon.data.raters import kind_of_name
from gnomon.data.records import RaterKind

KEYS = frozenset(
    ("id", "uid", "uuid", "guid", "key", "idx", "index", "item", "example", "sample", "trial", "nr", "qid")
)
SUBJECTS = frozenset(("model", "subject", "llm", "policy", "system", "generator"))
ANSWERS = ("response", "answer", "transcript", "completion", "output", "text", "reply", "generation")
ARMS = frozenset(("arm", "condition", "intervention", "injected", "treatment"))
CONCEPTS = frozenset(("concept", "word", "target"))
STRENGTHS = frozenset(("strength", "coeff", "coefficient", "alpha", "dose"))
RATERS = frozenset(
    ("rater", "annotator", "labeler", "labeller", "coder", "reviewer", "grader", "judge", "evaluator", "who", "user")
)
JUDGED = frozenset(
    ("judge", "judges", "judged", "grader", "verdict", "gpt", "claude", "gemini", "llm", "autograder", "scorer")
)
PEOPLE = frozenset(
    ("human", "humans", "person", "gold", "label", "labels", "annotator", "annotation", "expert", "oracle", "truth")
)
RESULTS = frozenset(
    ("correct", "passed", "pass", "success", "successful", "right", "score", "rating", "grade", "winner", "chosen")
)
CLAIMS = frozenset(("claims", "claim", "claimed", "affirmative", "detected", "detection", "noticed", "notices"))
IDENTIFIED = frozenset(("identified", "identification", "identifies"))
COHERENT = frozenset(("coherent", "coherence", "readable"))
REFUSED = frozenset(("refused", "refusal", "refuses"))
FAILURES = re.compile(
    r"abus|attack|bias|blocked|broken|cheat|concern|confabul|contradict|crash|danger|deceiv|decept|"
    r"defect|deni|deny|disagree|dishonest|distress|error|evasi|exploit|fabricat|fail|false|flag|hack|"
    r"hallucin|hate|illegal|inaccur|inappropr|incoher|incorrect|invalid|irrelev|issue|jailbr|leak|"
    r"lying|malic|misalign|mislead|mismatch|missing|nsfw|offens|overclaim|penal|plagiar|poison|poor|"
    r"problem|refus|reject|risk|sabotag|schem|severity|spam|stereotyp|sycoph|threat|timeout|toxi|"
    r"unfaith|unground|unhelp|unsafe|unsupport|violat|vulnerab|warn|worse|worst|wrong"
)
"""How words begin that name a column in which true is a fail, or may be."""
NEGATIONS = frozenset(
    ("not", "no", "non", "without", "bad", "lie", "lies", "bug", "bugs", "negative", "harm", "harmful")
)
"""Whole words of such columns."""
WORTHS = frozenset(
    (
        *("accepted", "accuracy", "accurate", "agree", "agrees", "approved", "compliant", "correctness"),
        *("faithful", "good", "grounded", "harmless", "helpful", "honest", "match", "matches", "ok", "quality"),
        *("relevant", "safe", "supported", "true", "useful", "valid", "yes"),
    )
)
"""Words of columns in which true is a pass."""
SAMPLES = frozenset(("run", "repeat", "attempt", "try", "iteration", "draw", "replicate"))
VERDICTS = frozenset(("verdict", "label", "labels", "annotation", "decision", "result"))
"""Words of columns that hold what somebody said, not who."""
FEW_WORDS = 6
"""Distinct words up to which a column may hold verdicts in words of its own."""
NOISE = RESULTS | {"verdict", "is", "the", "label", "result", "value", "by", "a", "of"}
"""Words of a column's name that do not name the judge or rater."""


@dataclass(slots=True)
class FactPartDraft:
    """A [verdict] or [label] table: its keys with their columns, and remarks on them."""

    kind: str
    name: str
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class MapSuggestion:
    """A column map, and what is not sure of it.

    Attributes
    ----------
    text : str
        The map as TOML, with remarks as comments.
    doubts : list of str
        What the names and values of the columns leave open; empty if the map can be used as it is.
    """

    text: str
    doubts: list[str]


@dataclass(slots=True)
class _Draft:
    rows: int
    columns: list[ColumnProfile]
    threshold: str | None = None
    used: dict[str, str] = field(default_factory=dict)
    trial: list[str] = field(default_factory=list)
    parts: list[FactPartDraft] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    shared: frozenset[str] = frozenset()

    def free(self) -> list[ColumnProfile]:
        return [column for column in self.columns if column.name not in self.used]

    def use(self, column: ColumnProfile, role: str) -> str:
        self.used[column.name] = role
        return quote_toml(column.name)

    def named(self, words: Collection[str]) -> list[ColumnProfile]:
        """Free columns that have one of these words in their name, those that are nothing else first."""
        found = [column for column in self.free() if not set(words).isdisjoint(column.tokens)]
        return sorted(found, key=lambda column: len(column.tokens))


def quote_toml(text: str) -> str:
    """A text as a basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def suggest_map(paths: Sequence[Path], layout: FileLayout, threshold: str | None = None) -> MapSuggestion:
    """Write a column map for tables.

    Parameters
    ----------
    paths : sequence of Path
        The tables, all of the same columns.
    layout : FileLayout
        What the files do not show of how they are written.
    threshold : str, optional
        From which number on grades pass, as '>= 7'.

    Raises
    ------
    InputError
        If a file cannot be read, or the threshold is none.
    """
    if threshold is not None:
        parse_threshold_option(threshold)
    rows, columns = profile_columns(paths, layout)
    draft = _Draft(rows, columns, threshold)
    if not rows:
        draft.doubts.append("the table has no rows")
    _find_condition(draft)
    rater = _find_rater(draft)
    _find_answer(draft)
    _find_facts(draft, rater)
    _find_subject(draft)
    _find_key(draft, paths, layout, rater)
    _name_rest(draft)
    return MapSuggestion(_write_map(draft, paths, layout), draft.doubts)


def _find_condition(draft: _Draft) -> None:
    """Arm, concept, layer and strength: only where the arm is known."""
    arms = [column for column in draft.named(ARMS) if column.is_names or column.is_flag]
    arm = next(iter(arms), None)
    concept = next((column for column in draft.named(CONCEPTS) if column.is_names), None)
    if arm is None:
        beside = [column.name for column in draft.named({"layer"} | STRENGTHS) if column.is_number]
        if concept is not None and beside:
            draft.doubts.append(
                f"columns '{concept.name}' and '{beside[0]}' say what was injected, and no column says in which rows: "
                'arm in [trial], or arm = {value = "injection"} if in all of them'
            )
        return
    words = set(arm.values.words)
    aliases = arm_aliases()
    lines: list[str] = []
    if words <= set(YES_NO):
        lines = [f"{quote_toml(word)} = '{'injection' if YES_NO[word] else 'control'}'" for word in sorted(words)]
    elif unknown := sorted(words - set(aliases)):
        shown = ", ".join(unknown[:4])
        draft.doubts.append(f"column '{arm.name}' holds {shown}, which are no known arms: [trial.values.arm]")
        return
    if concept is None and (lines or "injection" in {aliases[word] for word in words if word in aliases}):
        draft.doubts.append(f"column '{arm.name}' holds an injection arm, and no column is called concept")
        return
    draft.trial.append(f"arm = {draft.use(arm, 'arm')}")
    if concept is not None:
        draft.trial.append(f"concept = {draft.use(concept, 'concept')}")
    for name, wanted in (("layer", {"layer"}), ("strength", STRENGTHS)):
        found = next((column for column in draft.named(wanted) if column.is_number), None)
        if found is not None:
            draft.trial.append(f"{name} = {draft.use(found, name)}")
    if lines:
        draft.remarks += ["[trial.values.arm]", *lines]


def _find_rater(draft: _Draft) -> ColumnProfile | None:
    """The column that names who judged or labelled, in a table with a row for each."""
    saying = RESULTS | VERDICTS
    named = (column for column in draft.named(RATERS) if column.is_names and len(column.tokens) <= 2)
    found = next((column for column in named if saying.isdisjoint(column.tokens)), None)
    if found is not None:
        draft.use(found, "rater")
    return found


def _find_answer(draft: _Draft) -> None:
    texts = [column for column in draft.free() if not (column.is_number or column.is_flag or column.lists)]
    plain = [column for column in texts if JUDGED.isdisjoint(column.tokens) and PEOPLE.isdisjoint(column.tokens)]
    for word in ANSWERS:
        found = next((column for column in plain if word in column.tokens), None)
        if found is not None:
            draft.trial.append(f"answer = {draft.use(found, 'answer')}")
            return


def _find_subject(draft: _Draft) -> None:
    saying = PEOPLE | RESULTS | VERDICTS | (JUDGED - {"llm"})
    found = [column for column in draft.named(SUBJECTS) if column.is_names and saying.isdisjoint(column.tokens)]
    shortest = [column for column in found if len(column.tokens) == len(found[0].tokens)]
    if len(shortest) == 1:
        draft.trial.insert(0, f"subject = {draft.use(shortest[0], 'subject')}")
    elif shortest:
        draft.remarks.append(
            f"# {', '.join(column.name for column in shortest)} may name the model: subject in [trial]"
        )


def _is_outcome(column: ColumnProfile) -> bool:
    if column.lists or not KEYS.isdisjoint(column.tokens):
        return column.is_flag and not column.lists
    named = (JUDGED | PEOPLE | RESULTS) & set(column.tokens)
    worded = column.is_names and len(column.distinct) <= FEW_WORDS and named and VERDICTS & set(column.tokens)
    graded = column.values.are_percentages or (column.is_number and column.values.grades)
    return column.is_flag or column.is_grade or bool(named and (worded or graded))


def _find_facts(draft: _Draft, rater: ColumnProfile | None) -> None:
    outcomes = [column for column in draft.free() if _is_outcome(column)]
    if rater is not None:
        _find_long_facts(draft, rater, outcomes)
        return
    draft.shared = _shared_words(outcomes)
    named = _facts_by_name(draft, [column for column in outcomes if PEOPLE.isdisjoint(column.tokens)])
    if named is not None:
        draft.parts.append(named)
    for column in outcomes:
        if column.name in draft.used or (named is not None and PEOPLE.isdisjoint(column.tokens)):
            continue
        tokens = set(column.tokens)
        if tokens & PEOPLE and not tokens & (JUDGED if tokens & PEOPLE <= VERDICTS else JUDGED - {"llm"}):
            _add_part(draft, "label", column)
        elif tokens & JUDGED or (tokens & RESULTS):
            _add_part(draft, "verdict", column)


def _facts_by_name(draft: _Draft, outcomes: list[ColumnProfile]) -> FactPartDraft | None:
    """One judge's verdict in columns for claims, identified, coherent and refused."""
    flags = [column for column in outcomes if column.is_flag]
    identified = next((c for c in flags if IDENTIFIED & set(c.tokens) or {"correct", "id"} <= set(c.tokens)), None)
    rest = [column for column in flags if column is not identified]
    claims = next((column for column in rest if CLAIMS & set(column.tokens)), None)
    if claims is None:
        return None
    part = FactPartDraft("verdict", "judge", [f"claims = {draft.use(claims, 'claims')}"])
    if identified is not None:
        part.lines.append(f"identified = {draft.use(identified, 'identified')}")
        if not any(line.startswith("arm") for line in draft.trial):
            draft.doubts.append(
                f"column '{identified.name}' says whether a concept was identified, and no column names arm and concept"
            )
    for name, wanted in (("coherent", COHERENT), ("refused", REFUSED)):
        found = next((column for column in draft.named(wanted) if column.is_flag), None)
        if found is not None:
            part.lines.append(f"{name} = {draft.use(found, name)}")
    return part


def _add_part(draft: _Draft, kind: str, column: ColumnProfile) -> None:
    tokens = [token for token in column.tokens if token not in NOISE]
    name = "_".join(tokens) or column.name
    part = FactPartDraft(kind, name, [f"passed = {draft.use(column, kind)}"])
    if _may_say_failed(column, draft.shared):
        draft.doubts.append(f"column '{column.name}' may say what failed: which value passes? [{kind}.values.passed]")
    elif any(line.startswith("arm") for line in draft.trial):
        draft.doubts.append(
            f"column '{column.name}' counts as passed, which without an injection means that nothing is claimed: if it "
            "says that a concept was named, map it as 'identified' beside 'claims'"
        )
    _add_values(draft, part, column)
    draft.parts.append(part)


def _shared_words(outcomes: Sequence[ColumnProfile]) -> frozenset[str]:
    """Words that the names of several outcomes share, and that name neither a judge nor a person: what is judged."""
    words = Counter(token for column in outcomes for token in set(column.last_tokens))
    known = JUDGED | PEOPLE | NOISE | WORTHS | VERDICTS
    return frozenset(word for word, uses in words.items() if uses > 1 and word.isalpha() and word not in known)


def _may_say_failed(column: ColumnProfile, shared: Collection[str]) -> bool:
    """Whether true may be a fail: by its name, unless its values say pass and fail themselves."""
    if any(word in PASS_FAIL for word in column.values.words):
        return False
    if any(token in NEGATIONS or FAILURES.match(token) for token in column.tokens):
        return True
    return (WORTHS | RESULTS).isdisjoint(column.tokens) and not set(shared).isdisjoint(column.last_tokens)


def _add_values(draft: _Draft, part: FactPartDraft, column: ColumnProfile) -> None:
    """A threshold for grades, which nobody but the user can know."""
    if column.values.is_graded and draft.threshold is not None:
        part.lines.append(f"threshold = {quote_toml(draft.threshold)}")
        return
    if column.values.is_graded:
        example = middle_grade(column.values)
        part.lines.append(f'# threshold = ">= {example:g}"')
        draft.doubts.append(
            f"column '{column.name}' holds numbers from {column.values.lowest:g} to {column.values.highest:g}: which "
            f"of them pass? threshold in [{part.kind}], or --threshold"
        )
        return
    unknown = [word for word in column.values.words if word not in flag_words("passed")]
    if len(unknown) == len(column.values.words):
        part.lines += [f"# [{part.kind}.values.passed]", *(f"# {quote_toml(word)} = " for word in sorted(unknown))]
        draft.doubts.append(f"column '{column.name}' holds {column.values.shown_words(4)}: which of them pass?")
        return
    if unknown:
        shown = ", ".join(f"'{word[:30]}'" for word in unknown[:4])
        draft.remarks.append(f"# column '{column.name}' also holds {shown}: they count as missing")


def _find_long_facts(draft: _Draft, rater: ColumnProfile, outcomes: list[ColumnProfile]) -> None:
    """A row for each judge and rater: names of language models are judges, the others are raters."""
    named = [column for column in outcomes if RESULTS & set(column.tokens) or PEOPLE & set(column.tokens)]
    column = next(iter(named or outcomes), None)
    if column is None or len(named or outcomes) > 1:
        what = ", ".join(each.name for each in outcomes) or "no column"
        draft.doubts.append(f"column '{rater.name}' names who judged, and {what} may say what")
    if column is None:
        return
    names = sorted(rater.values.words)
    words = {name: set(re.findall("[a-z]+", name)) for name in names}
    models = [name for name in names if kind_of_name(name) is RaterKind.MODEL or JUDGED & words[name]]
    people = [name for name in names if name not in models]
    if "judge" in rater.tokens or "grader" in rater.tokens:
        unclear = [name for name in people if not PEOPLE & words[name]]
    else:
        unclear = []
    if unclear:
        draft.doubts.append(f"column '{rater.name}': is {', '.join(unclear[:4])} a person or a judge?")
    draft.use(column, "outcome")
    for kind, who, key in (("verdict", models, "judge"), ("label", people, "rater")):
        if who:
            part = FactPartDraft(kind, "", [f"{key} = {quote_toml(rater.name)}", f"passed = {quote_toml(column.name)}"])
            if len(who) < len(names):
                part.lines.append(f"where = {{{quote_toml(rater.name)} = [{', '.join(map(quote_toml, who))}]}}")
            doubts = list(draft.doubts)
            _add_values(draft, part, column)
            draft.parts.append(part)
            if models and kind == "label":
                draft.doubts = doubts  # the same column, of which the verdicts have said it


def _find_key(draft: _Draft, paths: Sequence[Path], layout: FileLayout, rater: ColumnProfile | None) -> None:
    """The columns that tell trials apart: one of its own, a few together, or the row's number."""
    fixed = [name for name, role in draft.used.items() if role in ("subject", "arm", "concept", "layer", "strength")]
    beside = [*fixed, *([rater.name] if rater is not None else []), *_find_samples(draft, paths, layout)]
    named = sorted(draft.named(KEYS), key=lambda column: -len(column.distinct))
    single = next((c for c in named if not c.is_text and c.filled == draft.rows == len(c.distinct)), None)
    if single is not None:
        draft.trial.insert(0, f"key = {draft.use(single, 'key')}")
        return
    words = [column for column in named if not (column.is_text or column.lists) and column.filled == draft.rows]
    others = [
        column
        for column in draft.free()
        if column not in words and column.filled == draft.rows and len(column.distinct) > 1
        if not (column.is_text or column.lists or column.is_flag or column.is_measurement)
        if not (column.is_grade and (RESULTS | JUDGED | PEOPLE) & set(column.tokens))
    ]
    chosen: list[ColumnProfile] = []
    for column in [*words, *others][:6]:
        chosen.append(column)
        if count_distinct(paths, layout, [*beside, *(each.name for each in chosen)]) == draft.rows:
            names = [draft.use(each, "key") for each in chosen]
            draft.trial.insert(0, f"key = {names[0] if len(names) == 1 else '[' + ', '.join(names) + ']'}")
            return
    draft.trial.insert(0, "key = {row_number = true}")
    if {part.kind for part in draft.parts} == {"verdict", "label"} and rater is not None:
        draft.doubts.append("no column tells which rows are of one response: judges and people cannot be compared")
    draft.remarks.append("# no column tells the rows apart: each row is a trial of its own")


def _find_samples(draft: _Draft, paths: Sequence[Path], layout: FileLayout) -> list[str]:
    """The column that numbers the times a judge was asked of the same response, if there is one."""
    found = next((column for column in draft.named(SAMPLES) if column.filled == draft.rows), None)
    key = next((column for column in draft.named(KEYS) if column.filled == draft.rows), None)
    verdicts = [part for part in draft.parts if part.kind == "verdict"]
    if found is None or key is None or found is key or not verdicts:
        return []
    if count_distinct(paths, layout, [key.name, found.name]) < draft.rows or len(key.distinct) == draft.rows:
        return []
    answer = next((name for name, role in draft.used.items() if role == "answer"), None)
    if answer is None or count_distinct(paths, layout, [key.name, answer]) > len(key.distinct):
        return []
    draft.use(found, "sample")
    for part in verdicts:
        part.lines.append(f"sample = {quote_toml(found.name)}")
    return [found.name]


def _name_rest(draft: _Draft) -> None:
    """Columns that may say something and are not used."""
    if not draft.parts:
        draft.doubts.append("no column is clearly a judge's verdict or a person's label")
    for column in draft.free():
        is_named = (JUDGED | PEOPLE) & set(column.tokens) and not column.is_text
        if column.is_flag or column.lists or is_named:
            what = "a list" if column.lists else "yes and no" if column.is_flag else column.values.shown_words(3)
            draft.doubts.append(f"column '{column.name}' holds {what} and is not used: a judge's, a person's, neither?")


def _write_map(draft: _Draft, paths: Sequence[Path], layout: FileLayout) -> str:
    head = [f"# Column map for {', '.join(path.name for path in paths)}: {draft.rows} rows (docs/importing.md)"]
    head += [f"# not sure: {doubt}" for doubt in draft.doubts]
    for name in ("separator", "encoding", "sheet", "rows"):
        if (value := getattr(layout, name)) is not None:
            head.append(f"{name} = {quote_toml(value)}")
    lines = [*head, "", "[trial]", *draft.trial]
    lines += [remark for remark in draft.remarks if not remark.startswith("#")]
    for part in draft.parts:
        who = "judge" if part.kind == "verdict" else "rater"
        named = [f"{who} = {{value = {quote_toml(part.name)}}}"] if part.name else []
        lines += ["", f"[[{part.kind}]]", *named, *part.lines]
    lines += ["", *(remark for remark in draft.remarks if remark.startswith("#"))]
    return "\n".join(_printable(line) for line in lines).rstrip() + "\n"


def _printable(line: str) -> str:
    """A line without characters that TOML does not allow in comments; in strings they are escaped."""
    return "".join(letter if letter.isprintable() else " " for letter in line)
