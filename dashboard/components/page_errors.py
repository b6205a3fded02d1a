"""The border of the app for errors: whatever a page, a fragment or a button raises becomes one line on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.data.errors import GnomonError
from gnomon.data.maintenance.fault_report import describe_error
from gnomon.data.maintenance.integrity import blame_wrong_row

NO_PAGE = "This page cannot be shown."
NOT_DONE = "This could not be done."
ROWS_BLAMED = 20_000
"""Rows of each table in which a page looks for one that no version of Gnomon wrote; `gnomon doctor` looks at all."""
Given = ParamSpec("Given")
_UNDONE = "what a button could not do"


@contextmanager
def errors_in_one_line(title: str = NO_PAGE) -> Iterator[None]:
    """Context manager: any error inside is shown as one line, never as a traceback.

    An exception that is no error of Gnomon is explained by the database if a row of it holds what no version wrote.
    What a button could not do is shown first.

    Parameters
    ----------
    title : str
        What the reader is told first.
    """
    if (undone := st.session_state.pop(_UNDONE, None)) is not None:
        _show_line(NOT_DONE, undone)
    try:
        yield
    except Exception as error:
        _show_line(title, _one_line(error))


def with_errors_in_one_line(draw: Callable[Given, None]) -> Callable[Given, None]:
    """A fragment, which Streamlit runs again without its page, with the border around it."""

    @wraps(draw)
    def bordered(*args: Given.args, **kwargs: Given.kwargs) -> None:
        with errors_in_one_line():
            draw(*args, **kwargs)

    return bordered


def tell_on_page(act: Callable[Given, object]) -> Callable[Given, None]:
    """A button's callback, which Streamlit runs before its page, with the border around it: the page then tells."""

    @wraps(act)
    def bordered(*args: Given.args, **kwargs: Given.kwargs) -> None:
        try:
            act(*args, **kwargs)
        except Exception as error:
            st.session_state[_UNDONE] = _one_line(error)

    return bordered


def _show_line(title: str, line: str) -> None:
    st.error(title, icon=":material/error:")
    st.text(line)


def _one_line(error: Exception) -> str:
    if isinstance(error, GnomonError):
        return describe_error(error)[0]
    try:
        _, store = study_picker.current_study()
        return describe_error(blame_wrong_row(store.engine, error, ROWS_BLAMED) or error)[0]
    except Exception:
        return describe_error(error)[0]
