"""Puts a card together from the audit's own numbers and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gnomon.calibration.agreement.pairwise import JUDGE, RATER
from gnomon.calibration.cards.calibration_card import CalibrationCard, CardAgreement, CardArm, CardParts
from gnomon.calibration.cards.card_basis import card_basis, card_label_rows
from gnomon.calibration.cards.card_file import with_hash
from gnomon.calibration.cards.card_parts import card_parts
from gnomon.calibration.cards.label_agreement import label_agreement, label_pairs
from gnomon.calibration.cards.reliable_rates import withheld_rates
from gnomon.calibration.labels.views import one_label_reading
from gnomon.calibration.observations.shared_reading import one_verdict_reading
from gnomon.calibration.results.agreement import Agreement
from gnomon.calibration.results.audit import AuditDocument, AuditResult, JudgeAudit, MethodComparison, ViewAudit
from gnomon.calibration.results.error_rates import ErrorRates
from gnomon.calibration.sequential.look_charges import charge_looks
from gnomon.calibration.sequential.sequential_results import LookCharge
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import utc_timestamp
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings


@one_label_reading()
@one_verdict_reading()
def make_card(
    store: Store,
    document: AuditResult,
    version: str,
    *,
    view: str,
    splits: Sequence[str] | None = None,
    parts: CardParts | None = None,
) -> CalibrationCard:
    """The card of one judge version.

    Parameters
    ----------
    store : Store
        Store of the study.
    document : AuditDocument or ViewAudit
        Audit with this version and this view; what it says of others is left out.
    version : str
        Judge version.
    view : {"blind", "first", "current"}
        Label view.
    splits : sequence of str, optional
        Splits of the audit, if it was asked for some.
    parts : CardParts, optional
        Further measurements; by default all that the study allows (`card_parts`).

    Raises
    ------
    NotEnoughDataError
        If no trial that the judge has read is labelled.
    """
    entry = next(each for each in document.judges if each.version == version and each.labels == view)
    if not entry.labelled:
        raise NotEnoughDataError(
            f"card of judge '{entry.judge}': no {view} label on a trial that it has read: label some"
        )
    rates = [row for row in document.comparison if (row.version, row.view, row.method) == (version, view, "labels")]
    card = CalibrationCard(
        study=load_settings(store).name,
        created_at=utc_timestamp(),
        basis=card_basis(store, version, view, splits),
        arms=card_arms(entry, {row.arm: row for row in rates}),
        agreement=_card_agreement(store, entry, _agreement_of(document, view)),
        consistency=entry.consistency,
        drift=entry.drift,
        states=entry.states,
        test_split_looks=document.test_split_looks,
        charge=_charge_of(document, version, view),
        verdict=entry.verdict,
        notes=entry.notes,
        parts=card_parts(store, version, view) if parts is None else parts,
    )
    return with_hash(card)


def _charge_of(document: AuditResult, version: str, view: str) -> LookCharge | None:
    """What looks at the test split cost this judge version's rates."""
    charge = charge_looks(document) if isinstance(document, ViewAudit | AuditDocument) else None
    if charge is None:
        return None
    mine = tuple(each for each in charge.rates if (each.version, each.view) == (version, view))
    return charge.model_copy(update={"rates": mine}) if mine else None


def card_arms(entry: JudgeAudit, by_labels: Mapping[str, MethodComparison]) -> tuple[CardArm, ...]:
    """A judge's errors in each arm with labelled trials.

    Parameters
    ----------
    entry : JudgeAudit
        The audit of the judge version.
    by_labels : mapping of str to MethodComparison
        Event rate by the labels alone, by arm.
    """
    unlike = {each.arm for each in entry.nonrandom_labels}
    return tuple(
        CardArm(
            arm=each.arm,
            labels=each.labelled,
            event=_plain_rates(each.as_event),
            passes=_plain_rates(each.as_pass),
            base_rate=by_labels[each.arm].estimate if each.arm in by_labels else None,
            evidence=each.evidence,
            correctable=each.correctable,
            withheld=withheld_rates(each.as_event, each.evidence, labels_unlike=each.arm in unlike),
        )
        for each in entry.strata
        if each.is_whole_arm
    )


def _plain_rates(rates: ErrorRates) -> ErrorRates:
    return ErrorRates(**{name: getattr(rates, name) for name in ErrorRates.model_fields})


def _agreement_of(document: AuditResult, view: str) -> Agreement:
    """The agreement by one view, in an audit of one or of several."""
    if isinstance(document, ViewAudit):
        return document.agreement
    if isinstance(document, AuditDocument):
        return document.agreement[view]
    raise TypeError(f"{type(document).__name__} is no audit")


def _card_agreement(store: Store, entry: JudgeAudit, agreement: Agreement) -> CardAgreement:
    labels = card_label_rows(store, entry.version, entry.labels, entry.splits)
    pairs = label_pairs(store, entry.version, entry.labels, labels)
    me = (JUDGE, entry.judge)
    mine = [
        pair
        for pair in agreement.pairs
        if me in ((pair.a_kind, pair.a), (pair.b_kind, pair.b)) and RATER in (pair.a_kind, pair.b_kind)
    ]
    return label_agreement(pairs, mine, agreement.groups)
