"""Loads subjects and builds engines for the names `torch`, which takes the fast steps on a GPU, and `fast`."""

from __future__ import annotations

from typing import Any

from gnomon.generation.engine.steering_probe import load_steerable_subject
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.fast_engine.fast_engine import FastEngine
from gnomon.generation.fast_engine.fast_proof import find_fast_steps, prove_fast_steps
from gnomon.generation.subjects.loading import LoadedSubject


def load_default_subject(name: str, model: str, **options: Any) -> LoadedSubject:
    """Load a subject; on a GPU, find out whether its steps may run as the fast engine runs them.

    Parameters
    ----------
    name : str
        Name of the subject in the study.
    model : str
        As for `load_subject`.
    **options : object
        Further arguments of `load_subject`.

    Raises
    ------
    UserError
        As `load_subject` does, or if its architecture can't be steered.
    """
    subject = load_steerable_subject(name, model, **options)
    if _is_on_gpu(subject):
        find_fast_steps(subject)
    return subject


def load_fast_subject(name: str, model: str, **options: Any) -> LoadedSubject:
    """Load a subject for the fast engine.

    Parameters
    ----------
    name : str
        Name of the subject in the study.
    model : str
        As for `load_subject`.
    **options : object
        Further arguments of `load_subject`.

    Raises
    ------
    UserError
        As `load_subject` does, or if its architecture can't be steered, or not by the fast engine.
    """
    subject = load_steerable_subject(name, model, **options)
    prove_fast_steps(subject)
    return subject


def default_engine(subject: LoadedSubject, rows: int | None = None) -> TorchEngine:
    """The fast engine on a GPU if the subject's steps are proven to run so, else the eager one.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    rows : int, optional
        Rows that run together; by default as many as fit in memory.
    """
    if _is_on_gpu(subject) and find_fast_steps(subject).options is not None:
        return FastEngine(subject, rows)
    return TorchEngine(subject, rows)


def _is_on_gpu(subject: LoadedSubject) -> bool:
    return bool(subject.model_device.type == "cuda")
