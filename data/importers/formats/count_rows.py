"""Rows of a table of counts by outcome: which columns a file has, how its outcomes add up, what it leaves open.

What a column means is decided over the whole file: whether claims contain the identified ones, and whether refusals and
incoherent answers are among passed and failed. Where both readings fit and differ, the file is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ConfigDict, RootModel

from gnomon.data.arms import ARMS, arm_aliases
from gnomon.data.importers.column_map import ConstantColumn
from gnomon.data.importers.field_parsers import (
    RowError,
    SourceLocation,
    arm_of,
    is_empty,
    layer_of,
    limit_text,
    parse_bool,
    parse_integer,
    parse_name,
    parse_number,
    parse_word,
    span_of,
)
from gnomon.data.records import Arm

Line = tuple[SourceLocation, dict[str, object]]
Tally = Mapping[str, int]

SYNONYMS = {"model": "subject", "claimed_and_identified": "identified"}
"""Other names of columns."""
ABOUT = (
    "subject",
    "arm",
    "n",
    "parameters",
    "concept",
    "layer",
    "n_layers",
    "depth",
    "strength",
    "span",
    "protocol",
    "shared_controls",
)
OUTCOMES = ("identified", "claimed", "claimed_any", "claimed_other", "denied", "refused", "incoherent", "event")
RESULTS = ("passed", "failed")
INSIDE = ("refused", "incoherent")
"""Outcomes that can also be counted among passed and failed."""
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+")
"""Numbers that are fractions to some and thousands to others."""
FEWEST_TRIALS = 10
"""Trials of a cell from which on outcomes of 0.0 and 1.0 are more likely shares than numbers."""
MOST_TRIALS = 2**31 - 1
"""What the database's columns hold."""
KNOWN = (*ABOUT, *OUTCOMES, *RESULTS)


@dataclass(frozen=True)
class CountedCell:
    """One row of a file: where it is, its cell, and its trials by the file's own outcomes.

    Attributes
    ----------
    place : SourceLocation
        Its location.
    subject, arm, concept, layer, depth, strength, span, protocol
        The cell; None where the file does not say.
    parameters : float or None
        Number of parameters of the model.
    shared : bool or None
        Whether its trials are those of the other rows of its arm; None where the file does not say.
    paired : tuple of float or None
        Layer and strength of its row, also where nothing was added.
    n : int
        Number of trials.
    told : mapping of str to int
        Trials by column, of the columns that the file has.
    """

    place: SourceLocation
    subject: str
    arm: Arm
    n: int
    told: Tally
    parameters: float | None = None
    concept: str | None = None
    layer: int | None = None
    depth: float | None = None
    strength: float | None = None
    span: str | None = None
    protocol: str | None = None
    shared: bool | None = None
    paired: tuple[float | None, float | None] = (None, None)

    @property
    def identifies(self) -> bool:
        """Whether naming the injected concept is the event of its arm."""
        return ARMS[self.arm].counts_identified


@dataclass(frozen=True)
class OutcomeTally:
    """Trials of a row by outcome: none is in two of them. None: the file does not count it."""

    n: int
    event: int
    refused: int | None = None
    incoherent: int | None = None
    misnamed: int | None = None

    def __add__(self, other: OutcomeTally) -> OutcomeTally:
        """Both together."""
        return OutcomeTally(
            self.n + other.n,
            self.event + other.event,
            _total(self.refused, other.refused),
            _total(self.incoherent, other.incoherent),
            _total(self.misnamed, other.misnamed),
        )


@dataclass
class CountColumns:
    """The columns that a file has, by our names, and what is to be told of them."""

    known: tuple[str, ...]
    notes: list[str] = field(default_factory=list)

    def __contains__(self, name: str) -> bool:
        """Whether the file has a column."""
        return name in self.known


class CountMap(RootModel[dict[str, str | ConstantColumn]]):
    """Our names of the columns of a table of counts, each with the table's name or a constant."""

    model_config = ConfigDict(frozen=True)


def mapped_lines(lines: Sequence[Line], names: CountMap) -> list[Line]:
    """The rows with mapped columns under our names; other columns stay as they are.

    Parameters
    ----------
    lines : sequence of (SourceLocation, dict)
        Rows by the table's names.
    names : CountMap
        The map.

    Raises
    ------
    RowError
        If the table lacks a mapped column.
    """
    sources = {name: source for name, source in names.root.items() if isinstance(source, str)}
    fixed = {name: source.value for name, source in names.root.items() if not isinstance(source, str)}
    header = list(dict.fromkeys(name for _, row in lines for name in row))
    if absent := [source for source in sources.values() if source not in header]:
        raise RowError(f"has no column '{absent[0]}', which the map names: it has {', '.join(header)}")
    taken = {*sources.values(), *sources, *fixed}
    made = []
    for place, row in lines:
        rest = {name: value for name, value in row.items() if name not in taken}
        made.append((place, {**rest, **{name: row.get(source) for name, source in sources.items()}, **fixed}))
    return made


def named_rows(lines: Sequence[Line]) -> tuple[list[Line], CountColumns]:
    """The rows by our names of columns, one for each arm; a table with `n_injection` and `n_control` has one row for
    both.

    Raises
    ------
    RowError
        If a column that every table of counts needs is missing, or two columns mean the same.
    """
    header = list(dict.fromkeys(name for _, row in lines for name in row))
    clean = {name: _own_name(name) for name in header}
    if len(set(clean.values())) < len(clean):
        twice = next(name for name, times in Counter(clean.values()).items() if times > 1)
        raise RowError(f"has two columns for '{twice}': remove one")
    rows = [(place, {own: row.get(name) for name, own in clean.items()}) for place, row in lines]
    columns = list(clean.values())
    suffixes = (
        {}
        if "arm" in columns
        else {
            name.removeprefix("n_"): Arm(arm_aliases()[name.removeprefix("n_")])
            for name in columns
            if name.startswith("n_") and name.removeprefix("n_") in arm_aliases()
        }
    )
    if suffixes:
        rows, columns = _rows_by_arm(rows, columns, suffixes)
    for needed in ("arm", "n"):
        if needed not in columns:
            raise RowError(
                f"has no column '{needed}': give 'arm' and 'n', or n_injection, n_control ...; it has "
                f"{', '.join(header)}"
            )
    unread = [name for name in columns if name not in KNOWN]
    made = CountColumns(tuple(name for name in columns if name in KNOWN))
    if unread:
        made.notes.append(f"columns that were not read: {', '.join(unread)}")
    if "claimed_and_identified" in [name.strip().lower() for name in header] and "claimed" in made:
        rows = [(place, {_any_claim(name): cell for name, cell in row.items()}) for place, row in rows]
        made.known = tuple(_any_claim(name) for name in made.known)
    return rows, made


def read_cell(
    place: SourceLocation, row: Mapping[str, object], columns: CountColumns, subject: str | None
) -> CountedCell:
    """One row as a cell with its counts.

    Parameters
    ----------
    place : SourceLocation
        Location of the row.
    row : mapping of str to object
        Cells by our names.
    columns : CountColumns
        Columns of the file.
    subject : str, optional
        Name of the model where the file has none.

    Raises
    ------
    RowError
        If a cell cannot be read, is negative, or has no meaning in the row's arm.
    """
    name = parse_name(row, "subject") if "subject" in columns else subject
    if not name:
        raise RowError("the model has no name: give a column 'subject', or --subject")
    if is_empty(row["arm"]):
        raise RowError("'arm' is empty: choose from injection, control, random ...")
    arm = arm_of(row["arm"], "arm")
    steered = ARMS[arm].is_steered
    if not ARMS[arm].is_judged:
        raise RowError(f"'arm' is '{arm}', whose question is another: leave its rows out")
    span = None if is_empty(row.get("span")) else span_of(row, "span")
    layers = parse_integer(row, "n_layers")
    layer, depth = layer_of(row, "layer"), parse_number(row, "depth")
    if depth is None and layer is not None and layers is not None:
        depth = (layer + 1) / layers if layers > 0 else -1.0
    if depth is not None and not 0 < depth <= 1:
        raise RowError("the layer's depth is not above 0 and at most 1: layers count from 0, n_layers are more")
    protocol = row.get("protocol")
    return CountedCell(
        place,
        name,
        arm,
        _count(row, "n", least=1),
        {
            name: _count(row, name, blank=name == "identified" and not ARMS[arm].counts_identified)
            for name in (*OUTCOMES, *RESULTS)
            if name in columns
        },
        parse_number(row, "parameters"),
        parse_word(row, "concept"),
        layer if steered else None,
        depth if steered else None,
        parse_number(row, "strength") if steered else None,
        span,
        None if is_empty(protocol) else limit_text(str(protocol), "protocol", 100),
        parse_bool(row, "shared_controls"),
        (parse_number(row, "layer"), parse_number(row, "strength")),
    )


def check_shares(rows: Sequence[Line], cells: Sequence[CountedCell], columns: CountColumns) -> None:
    """Refuse outcomes that are all 0.0 and 1.0, of many trials: they are shares, and not one trial of them.

    Parameters
    ----------
    rows : sequence of (SourceLocation, dict)
        Rows by our names.
    cells : sequence of CountedCell
        The rows as cells.
    columns : CountColumns
        Columns of the file.

    Raises
    ------
    RowError
        If no outcome is above 1, and one of those that are 1 is written as a fraction.
    """
    if any(value > 1 for cell in cells for value in cell.told.values()):
        return
    for (place, row), cell in zip(rows, cells, strict=True):
        for name, value in cell.told.items():
            cell_text = row[name]
            written = isinstance(cell_text, float) or (isinstance(cell_text, str) and "." in cell_text)
            if value == 1 and cell.n >= FEWEST_TRIALS and written:
                raise RowError(
                    f"{place}: '{name}' is {row[name]} of {cell.n} trials, and no outcome is above 1: if they are "
                    "shares, write numbers of trials; if not, write 1 without a point"
                )


def tally_outcomes(cells: Sequence[CountedCell], columns: CountColumns) -> list[OutcomeTally]:
    """The counts of all rows by outcome, read in the one way that fits every row.

    Parameters
    ----------
    cells : sequence of CountedCell
        All rows of a file.
    columns : CountColumns
        Columns of the file; receives what is to be told.

    Raises
    ------
    RowError
        If the outcomes of a row do not add up to n, or the columns can be read in two ways that differ.
    """
    if any(name in columns for name in RESULTS):
        if named := [name for name in OUTCOMES if name in columns and name not in INSIDE]:
            raise RowError(f"has 'passed' or 'failed' beside '{named[0]}': give the one or the other")
        return _tally_results(cells, columns)
    if not any(name in columns for name in OUTCOMES):
        raise RowError("has no outcomes: give identified, claimed, denied, refused, incoherent, or passed, failed")
    return _tally_facts(cells, columns)


def _tally_facts(cells: Sequence[CountedCell], columns: CountColumns) -> list[OutcomeTally]:
    if "event" in columns:
        return _tally_events(cells, columns)
    if any(cell.identifies for cell in cells) and "identified" not in columns:
        raise RowError("has no column 'identified', which is the event of the injection arm: add it")
    claims = next((name for name in ("claimed_any", "claimed_other", "claimed") if name in columns), None)
    if claims is None and any(not cell.identifies for cell in cells):
        raise RowError("has no column 'claimed', which is the event where nothing was injected: add it")
    contains = claims == "claimed_any" or (claims == "claimed" and _claims_contain_identified(cells, columns))
    apart = [name for name in ("denied", *INSIDE) if name in columns]
    made = []
    for cell in cells:
        told = cell.told
        named, said = told.get("identified", 0), told[claims] if claims else 0
        if named and not cell.identifies:
            raise RowError(f"{cell.place}: 'identified' is {named} in the {cell.arm} arm, which has none: write 0")
        other = said - named if contains else said
        if other < 0:
            raise RowError(f"{cell.place}: 'identified' is {named} of {said} that claim: fix the row")
        total = named + other + sum(told[name] for name in apart)
        _check_total(cell, total, exact="denied" in columns)
        made.append(
            OutcomeTally(
                cell.n,
                named if cell.identifies else other,
                told.get("refused"),
                told.get("incoherent"),
                other if cell.identifies and claims else None,
            )
        )
    if "denied" not in columns:
        columns.notes.append("there is no column 'denied': what is in no other outcome counts as the rest")
    return made


def _tally_events(cells: Sequence[CountedCell], columns: CountColumns) -> list[OutcomeTally]:
    """The event of each arm and what is neither: for tables that name no single outcomes."""
    if named := [name for name in OUTCOMES if name in columns and name not in ("event", "denied", *INSIDE)]:
        raise RowError(f"has 'event' beside '{named[0]}': give the one or the other")
    apart = [name for name in ("denied", *INSIDE) if name in columns]
    for cell in cells:
        _check_total(cell, cell.told["event"] + sum(cell.told[name] for name in apart), exact=False)
    columns.notes.append("'event' counts what identifies the concept in the injection arm and claims in the others")
    return [
        OutcomeTally(cell.n, cell.told["event"], cell.told.get("refused"), cell.told.get("incoherent"))
        for cell in cells
    ]


def _claims_contain_identified(cells: Sequence[CountedCell], columns: CountColumns) -> bool:
    """Whether the column `claimed` counts the identified ones too, decided by what adds up in every row."""
    here = [cell for cell in cells if cell.identifies and cell.told.get("identified")]
    if not here:
        return False
    apart = [name for name in ("claimed", "denied", *INSIDE) if name in columns]
    exact = "denied" in columns

    def fits(cell: CountedCell, total: int) -> bool:
        return total == cell.n if exact else total <= cell.n

    alone = all(fits(cell, sum(cell.told[name] for name in ("identified", *apart))) for cell in here)
    inside = all(
        cell.told["identified"] <= cell.told["claimed"] and fits(cell, sum(cell.told[name] for name in apart))
        for cell in here
    )
    if alone and inside:
        raise RowError(
            "it is not known whether 'claimed' counts the identified ones too: add a column 'denied', or call it "
            "'claimed_any' (all claims) or 'claimed_other' (claims that do not name the concept)"
        )
    if inside:
        columns.notes.append("'claimed' counts the identified ones too: only so do the outcomes add up to n")
    return inside


def _tally_results(cells: Sequence[CountedCell], columns: CountColumns) -> list[OutcomeTally]:
    """Passed and failed: identified or not in the injection arm, denied or not in the others."""
    inside = [name for name in INSIDE if name in columns]
    apart = _are_apart(cells, columns, inside)
    overlap = 0
    made = []
    for cell in cells:
        told = cell.told
        others = sum(told[name] for name in inside) if apart else 0
        passed = told["passed"] if "passed" in columns else cell.n - others - told["failed"]
        failed = told["failed"] if "failed" in columns else cell.n - others - passed
        _check_total(cell, passed + failed + others, exact=True, least=min(passed, failed))
        refused = told.get("refused")
        among = refused if refused is not None and not apart else 0
        if among > failed:
            raise RowError(f"{cell.place}: 'refused' is {among}, more than the {failed} that failed: fix the row")
        overlap += 0 if apart else told.get("incoherent", 0)
        event = passed if cell.identifies else failed - among
        made.append(OutcomeTally(cell.n, event, refused, told.get("incoherent") if apart else None))
    if overlap:
        columns.notes.append(
            f"'incoherent' ({overlap} trials) is counted among passed and failed and cannot be told from them: left out"
        )
    if any(not cell.identifies for cell in cells):
        columns.notes.append("a trial that failed in an arm other than injection counts as a claim")
    return made


def _are_apart(cells: Sequence[CountedCell], columns: CountColumns, inside: Collection[str]) -> bool:
    """Whether refusals and incoherent answers are outcomes beside passed and failed, rather than among them."""
    if not inside or not all(name in columns for name in RESULTS):
        if any(cell.told[name] for cell in cells for name in inside):
            raise RowError(
                f"it is not known whether '{next(iter(inside))}' is counted among passed and failed: give both columns"
            )
        return False
    return not all(cell.told["passed"] + cell.told["failed"] == cell.n for cell in cells)


def _check_total(cell: CountedCell, total: int, *, exact: bool, least: int = 0) -> None:
    if total > cell.n or least < 0 or (exact and total != cell.n):
        raise RowError(f"{cell.place}: its outcomes add up to {total}, not to n = {cell.n}: fix the row")


def _count(row: Mapping[str, object], name: str, *, least: int = 0, blank: bool = False) -> int:
    cell = row.get(name)
    if isinstance(cell, str) and THOUSANDS.fullmatch(cell.strip()):
        raise RowError(f"'{name}' is '{cell.strip()}', which may be thousands or a fraction: write a whole number")
    value = parse_integer(row, name)
    if value is None and blank:
        return 0
    if value is None:
        raise RowError(f"'{name}' is empty: write a number")
    if value > MOST_TRIALS:
        raise RowError(f"'{name}' is {value}: {MOST_TRIALS} is the most")
    if value < least:
        raise RowError(f"'{name}' is {value}: write {'a number above 0' if least else '0 or more'}")
    return value


def _own_name(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    return SYNONYMS.get(plain, plain)


def _any_claim(name: str) -> str:
    """The name of the column `claimed` of a file whose `claimed_and_identified` says that it counts all claims."""
    return "claimed_any" if name == "claimed" else name


def _rows_by_arm(
    rows: Iterable[Line], columns: Sequence[str], suffixes: Mapping[str, Arm]
) -> tuple[list[Line], list[str]]:
    """Rows of a table with columns such as `n_control` and `claimed_control` as one row for each arm."""
    own: dict[str, dict[str, str]] = {suffix: {} for suffix in suffixes}
    for name in columns:
        for suffix in suffixes:
            stem = name.removesuffix(f"_{suffix}")
            if stem != name and (stem == "n" or _own_name(stem) in (*OUTCOMES, *RESULTS)):
                own[suffix][name] = _own_name(stem)
    split = {name for part in own.values() for name in part}
    outcomes = [name for name in columns if name in OUTCOMES and name not in split]
    rest = [name for name in columns if name not in split and name not in outcomes]
    made: list[Line] = []
    for place, row in rows:
        for suffix, arm in suffixes.items():
            about = {name: row[name] for name in rest}
            mine = {own[suffix][name]: row[name] for name in own[suffix]}
            loose = {name: row[name] for name in outcomes if ARMS[arm].counts_identified and name not in mine}
            made.append((place, {**about, "arm": str(arm), **loose, **mine}))
    names = dict.fromkeys(name for _, row in made for name in row)
    return [(place, {**dict.fromkeys(names), **row}) for place, row in made], list(names)


def _total(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
