"""Identity of the current session: OIDC account or self-declared rater name."""

from __future__ import annotations

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.auth import exposure_log
from gnomon.dashboard.auth.roles import LONGEST_NAME, Access, Role, access_from_environment


def has_entered() -> bool:
    """Whether this session may see the study; otherwise the page says what to do."""
    if access_from_environment().auth == "name":
        return True
    if not st.user.is_logged_in:
        st.title("Gnomon")
        st.markdown("This server asks who you are before it shows a study.")
        st.button("Log in", type="primary", on_click=st.login)
        return False
    if current_role() is None:
        st.title("Gnomon")
        st.text(
            f"{_shown_address() or 'This account'} is not among the people of this study, or its "
            f"address is not verified."
        )
        st.markdown("Ask whoever runs this server to add you, or log in with another account.")
        st.button("Log out", on_click=st.logout)
        return False
    with st.sidebar:
        st.caption(f"Logged in as {current_role()}")
        st.text(_account_name())
        st.button("Log out", on_click=st.logout, type="tertiary")
    return True


def current_role() -> Role | None:
    """Role of this session's person, looked up at every run of a page: hidden buttons are not what protects."""
    found: Access = access_from_environment()
    return Role.ADMIN if found.auth == "name" else found.role_of(st.user.to_dict())


def is_known() -> bool:
    """Whether this session's person may see the study."""
    return access_from_environment().auth == "name" or (bool(st.user.is_logged_in) and current_role() is not None)


def may_adjudicate() -> bool:
    """Whether this session's person may decide between raters."""
    who = current_role()
    return who is not None and who.may_adjudicate


def _shown_address() -> str:
    """What the provider says is the address, for a person who is not let in: nothing is decided by it."""
    return clean_name(str(st.user.to_dict().get("email") or ""))


def _account_name() -> str:
    """Name of the listed account that is logged in; empty for others, who see no page."""
    account = access_from_environment().account_of(st.user.to_dict())
    return account.name if account else ""


def by_login() -> bool:
    """Whether the rater's name is the address of the login and cannot be chosen."""
    return access_from_environment().auth == "oidc"


def rater_name() -> str | None:
    """Rater of this session: the address of the login, or the name that was confirmed in this session."""
    if by_login():
        return _account_name()
    name: str | None = st.session_state.get("rater")
    return name


def suggested_name() -> str:
    """The name in the page's URL, which outlives a reload; anybody can write a URL, so the person must confirm it."""
    return clean_name(st.query_params.get("rater") or "")


def has_started() -> bool:
    """Whether the person said in this session that they will label: until then no transcript is kept for them."""
    return bool(st.session_state.get("labels"))


def start_labelling(name: str) -> None:
    """Begin to label; without a login under this name."""
    if by_login() or clean_name(name):
        st.session_state["labels"] = True
    if not by_login():
        set_name(name)


def stop_labelling() -> None:
    """Forget the name, so that the page asks for one again."""
    for key in ("labels", "rater"):
        st.session_state.pop(key, None)
    st.query_params.pop("rater", None)


def clean_name(name: str) -> str:
    """A name of printable marks and single spaces, of bounded length."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in name).split())[:LONGEST_NAME]


def set_name(name: str) -> None:
    """Set the rater's name, and record under it which verdicts this session has seen so far."""
    flat = clean_name(name)
    if flat:
        st.session_state["rater"] = flat
        _, store = study_picker.current_study()
        exposure_log.record_views(store, flat, st.session_state.get("looked_at", ()))
