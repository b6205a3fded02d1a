"""What a report is written from: the store, its settings, fits, overview and audit, each read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.results.audit import ViewAudit
from gnomon.calibration.results.error_rates import EvidenceLevel
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import StudySettings, load_settings
from gnomon.stats.bounds.model_bounds import lee_bounds_by_model
from gnomon.stats.bounds.selection_bounds import EffectBounds
from gnomon.stats.estimand_registry import CORRECTED_VIEW
from gnomon.stats.narrative.fit_frames import FitFrames, all_fitted
from gnomon.stats.narrative.study_overview import StudyOverview, summarize_study
from gnomon.stats.results import StoredFit
from gnomon.stats.stored_fits import newest_fits
from gnomon.stats.tables.headline_tables import in_reading_order
from gnomon.study_file import StudyFile

TITLES = {"published": "As published", "judged": "As judged", "corrected": "Corrected for judge error"}


class ReportedStudy(Protocol):
    """What the report needs of a study: its folder, what its file says, and its store."""

    @property
    def folder(self) -> Path:
        """The study's folder."""

    @property
    def file(self) -> StudyFile:
        """What `study.toml` says."""

    @property
    def store(self) -> Store:
        """The database of facts."""


@dataclass(frozen=True)
class StudyMaterial:
    """What every section reads.

    Attributes
    ----------
    name : str
        Name of the study.
    folder : Path
        Its folder.
    store : Store
    settings : StudySettings
    overview : StudyOverview
    fits : mapping of str to FitFrames
        The newest fit of each view, uncorrected ones first.
    stored : mapping of str to StoredFit
        The same as they are stored, in the store's order.
    audit : ViewAudit or None
        The audit in the study's own label view; None without verdicts or labels.
    forbidden : str or None
        Why no corrected estimate may be printed, whatever a fit contains; None if they may be.
    """

    name: str
    folder: Path
    store: Store
    settings: StudySettings
    overview: StudyOverview
    fits: Mapping[str, FitFrames]
    stored: Mapping[str, StoredFit]
    audit: ViewAudit | None
    forbidden: str | None

    @property
    def shown(self) -> dict[str, FitFrames]:
        """The fits whose estimates may be printed."""
        return {
            view: fit for view, fit in self.fits.items() if not (self.forbidden and view.startswith(CORRECTED_VIEW))
        }

    @cached_property
    def lee_bounds(self) -> dict[str, dict[str, EffectBounds]]:
        """Lee's bounds by view and model, of the fits whose estimates may be printed."""
        return {
            view: lee_bounds_by_model(self.store, view, fit.judge)
            for view, fit in self.shown.items()
            if not fit.has_failed
        }

    @property
    def judge(self) -> str | None:
        """The judge of the fit as judged; None without one."""
        return self.fits["judged"].judge if "judged" in self.fits else None


def read_material(study: ReportedStudy) -> StudyMaterial:
    """Everything that a report of a study is written from.

    Raises
    ------
    NotEnoughDataError
        If nothing was fitted yet.
    """
    fits = dict(in_reading_order(all_fitted(study.store)))
    if not fits:
        raise NotEnoughDataError(f"study '{study.file.name}' has no fit: run 'gnomon fit {study.folder}' first")
    settings = load_settings(study.store)
    audit = _audit_document(study.store, settings.label_view)
    return StudyMaterial(
        name=study.file.name,
        folder=study.folder,
        store=study.store,
        settings=settings,
        overview=summarize_study(study.store),
        fits=fits,
        stored=newest_fits(study.store),
        audit=audit,
        forbidden=_reason_not_correctable(study, settings, audit),
    )


def fit_heading(view: str) -> str:
    """A fit as a heading: "As judged", "Corrected for judge error (exposed)"."""
    kind, _, which = view.partition(":")
    return f"{TITLES.get(kind, kind)} ({which})" if which else TITLES.get(kind, kind)


def _audit_document(store: Store, view: str) -> ViewAudit | None:
    if not store.has_rows(tables.verdicts) or not store.has_rows(tables.labels):
        return None
    return audit_study(store, view=view)


def _reason_not_correctable(study: ReportedStudy, settings: StudySettings, audit: ViewAudit | None) -> str | None:
    """Why corrected net detection must not be printed; None if it may be."""
    if study.file.fit.external:
        return None
    if audit is None:
        return "there are no labels, so judge error rates are unknown"
    heard = study.file.fit.judges or settings.judges
    mine = [each for each in audit.judges if each.judge in heard and each.newest]
    usable = [each for each in mine if any(one.level.rank >= EvidenceLevel.WEAK.rank for one in each.evidence.values())]
    if usable:
        return None
    reasons = [f"{each.judge}: {reason}" for each in mine for reason in each.reasons]
    return "no judge passes the audit" + (f" ({'; '.join(reasons)})" if reasons else "")
