"""A panel's worth in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.numerics.number_formats import coefficient_with_interval
from gnomon.calibration.panel_worth.panel_results import MajorityVote, PanelWorth

NO_GAIN = 0.005
"""A change of the vote's error below half a point is called none."""


def panel_sentences(found: PanelWorth) -> tuple[str, ...]:
    """The panel's worth in sentences, the main one first."""
    return (_main_sentence(found), *_further_sentences(found), *_vote_sentences(found), _condition_sentence(found))


def _main_sentence(found: PanelWorth) -> str:
    k, whole = len(found.members), found.whole
    if whole.effective is None or whole.correlation is None:
        return f"What {k} {found.group} are worth together is not known: {whole.reason}."
    what = "Errors" if found.basis == "errors" else "Votes"
    within = "within arm and label" if found.basis == "errors" else "within arms"
    number = whole.effective
    return (
        f"{k} {found.group} are worth {number.value:.1f} independent ones ({number.low:.1f} to {number.high:.1f}). "
        f"{what} of two of them correlate by {coefficient_with_interval(whole.correlation)} "
        f"{within}, on {whole.trials:,} trials that two or more read."
    )


def _further_sentences(found: PanelWorth) -> Iterator[str]:
    predicted = [vote for vote in found.votes if vote.is_predicted]
    now = next((vote for vote in reversed(found.votes) if not vote.is_predicted), None)
    if now is None or not predicted or now.error is None or now.effective is None:
        return
    for vote in _odd_or_last(predicted):
        if vote.error is None or vote.effective is None:
            continue
        gain = now.error - vote.error
        more = vote.members - now.members
        told = "stay as it is" if abs(gain) < NO_GAIN else _change_words(now.error, vote.error)
        who = f"one more {found.group[:-1]}" if more == 1 else f"{more} more {found.group}"
        yield (
            f"Predicted: with {who} like these, all {vote.members} would be worth "
            f"{vote.effective:.1f} independent ones instead of {now.effective:.1f}, and the "
            f"majority's error would {told}."
        )


def _odd_or_last(predicted: list[MajorityVote]) -> list[MajorityVote]:
    """The smallest larger panel with an odd number of members: an even one breaks ties by a coin."""
    odd = [vote for vote in predicted if vote.members % 2]
    return odd[:1] or predicted[-1:]


def _change_words(now: float, then: float) -> str:
    return f"{'fall' if then < now else 'rise'} from {_percent(now)} to {_percent(then)}"


def _vote_sentences(found: PanelWorth) -> Iterator[str]:
    now = next((vote for vote in reversed(found.votes) if not vote.is_predicted), None)
    singles = [member for member in found.members if member.error is not None]
    if now is None or now.error is None or not singles:
        return
    best = min(singles, key=lambda member: member.error.value if member.error is not None else 1.0)
    if best.error is None:
        return
    told = (
        f"On {found.complete:,} labelled trials that all read, the majority is wrong on {_percent(now.error)}, "
        f"the best alone ({best.name}) on {_percent(best.error.value)}"
    )
    if found.weighted is not None:
        told += f", a vote with weights learnt from other labels on {_percent(found.weighted.value)}"
    yield f"{told}."


def _condition_sentence(found: PanelWorth) -> str:
    if found.basis == "votes":
        return (
            f"No label was used, or too few: {found.group} who rightly agree correlate too, so that this is the least "
            "that they are worth."
        )
    source = (
        "adjudicators' labels" if found.group == "raters" else f"{found.view} labels of {' and '.join(found.splits)}"
    )
    return f"This takes {source} as the truth; errors in them count as errors of all {found.group} together."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
