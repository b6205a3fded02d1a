"""How a trial was chosen to be labelled: whose verdicts took part, and the share of its kind that is labelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class LabelSelection:
    """How a call of the label queue chose a trial.

    Attributes
    ----------
    judges : tuple of str
        Versions (or names) of the judges whose verdicts defined the strata of the call; empty for a draw that no
        verdict took part in.
    kind : str
        The trial's stratum among all trials, by these verdicts: trials of one kind had the same chance in every call.
    of_kind : int
        Trials of that kind in the study at the time of the call, labelled or not.
    labelled_of_kind : int
        Those of them that were labelled before the call or drawn in it.
    """

    judges: tuple[str, ...]
    kind: str = ""
    of_kind: int = 0
    labelled_of_kind: int = 0

    @property
    def inclusion_probability(self) -> float | None:
        """Realised inclusion probability over all calls so far, labelled / all of the kind; None if not recorded."""
        return self.labelled_of_kind / self.of_kind if self.of_kind else None

    def as_document(self) -> dict[str, JsonValue]:
        """The selection as the JSON object that is stored with a label."""
        return {**asdict(self), "judges": list(self.judges)}

    @classmethod
    def from_document(cls, document: object) -> LabelSelection | None:
        """The selection from a stored document; None where there is none or it is none."""
        if not is_selection_document(document) or not isinstance(document, Mapping):
            return None
        counts = {name: int(document.get(name) or 0) for name in ("of_kind", "labelled_of_kind")}
        return cls(tuple(str(one) for one in document["judges"]), str(document.get("kind") or ""), **counts)


def is_selection_document(value: object) -> bool:
    """Whether a value is what the column of selections may hold: NULL, or an object with the list `judges`."""
    if value is None:
        return True
    if not isinstance(value, Mapping) or not isinstance(value.get("judges"), list):
        return False
    counts = [value.get(name, 0) for name in ("of_kind", "labelled_of_kind")]
    whole = all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts)
    return whole and all(isinstance(one, str) for one in value["judges"]) and isinstance(value.get("kind", ""), str)
