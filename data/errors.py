"""The one exception tree: what a person reads when something is wrong, and the exit status that goes with it."""

from __future__ import annotations


class GnomonError(Exception):
    """Something failed. The message is one line: the thing, what is wrong with it, how to mend it."""

    exit_status = 1


class UserError(GnomonError):
    """The user can mend it: a wrong name, a wrong file, a wrong value."""

    exit_status = 2


class StudyFileError(UserError):
    """A `study.toml` that cannot be read; the message names key and line."""


class UnknownNameError(UserError):
    """A subject, concept, judge, rater or protocol that the study does not have."""


class MissingPackageError(UserError):
    """A package that this step needs is not installed; the message says how to install it."""


class InputError(UserError):
    """A value or file that does not hold what it should."""


class NotEnoughDataError(UserError):
    """A figure was asked for that the data at hand cannot give."""


class StoreError(GnomonError):
    """The database could not do what was asked: disk full, locked, damaged."""


class StoreVersionError(UserError):
    """The database was written by a newer version of Gnomon."""


class JudgeError(GnomonError):
    """A judge cannot go on: dead endpoint, wrong key, wrong model."""


class FitFailedError(GnomonError):
    """A fit did not pass its convergence gates; its figures are not shown."""
