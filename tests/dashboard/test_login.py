"""Login and roles: a stranger sees nothing, a viewer cannot label, a rater's labels bear the login's address."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import dashboard_demo as demo
import pytest
from dashboard_browser import (
    ANSWER,
    answer_on_screen,
    answers_on_screen,
    calm,
    chosen,
    press_until,
    settle,
    start_as_suggested,
)
from dashboard_oidc import CLIENT, SECRET, provider

from bench.support.browser import serving
from bench.support.raters import DENIES
from gnomon.dashboard.auth.roles import VARIABLE, Access, access_from_environment, check_address
from gnomon.data.errors import InputError
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

PEOPLE = {"Ann@lab.example": "rater", "vic@lab.example": "viewer", "ada@lab.example": "admin"}


def test_roles_are_by_verified_address():
    access = Access("oidc", PEOPLE)
    assert access.role_of({"email": "ann@LAB.example", "email_verified": True}) == "rater"
    assert access.role_of({"email": "vic@lab.example", "email_verified": "true"}) == "viewer"
    assert access.role_of({"email": "ann@lab.example.evil.example", "email_verified": True}) is None
    assert access.role_of({"sub": "ann@lab.example", "email_verified": True}) is None
    assert access.role_of({"email": None, "email_verified": True}) is None


@pytest.mark.attack
@pytest.mark.parametrize("said", [False, "false", "False", "TRUE", "yes", "1", 0, 1, [], {}, ["true"], ""])
@pytest.mark.parametrize("setting", ["required", "optional"])
def test_only_a_yes_verifies_an_address(said, setting):
    access = Access("oidc", PEOPLE, setting)
    assert access.role_of({"email": "ann@lab.example", "email_verified": said}) is None


@pytest.mark.attack
def test_silence_on_an_address_counts_only_where_the_study_says_so():
    for claims in ({"email": "ann@lab.example"}, {"email": "ann@lab.example", "email_verified": None}):
        assert Access("oidc", PEOPLE).role_of(claims) is None
        assert Access("oidc", PEOPLE, "optional").role_of(claims) == "rater"


@pytest.mark.attack
@pytest.mark.parametrize(
    "address",
    ["\u212aim@lab.example", "kim@lab.example\n", " kim@lab.example", "k\u0131m@lab.example", "kim@lab.example\0",
     "\uff4bim@lab.example", "kim@lab\u3002example", ["kim@lab.example"], {"kim@lab.example": 1}],
)  # fmt: skip
def test_an_address_that_only_looks_like_a_listed_one_has_no_role(address):
    access = Access("oidc", {"kim@lab.example": "admin"})
    assert access.role_of({"email": address, "email_verified": True}) is None


@pytest.mark.attack
def test_an_account_is_listed_by_issuer_and_subject_whatever_its_address():
    access = Access("oidc", {"https://a.example 17": "rater", "ann@lab.example": "admin"})
    claims = {"iss": "https://a.example", "sub": "17", "email": "ann@lab.example", "email_verified": True}
    account = access.account_of(claims)
    assert (account.name, account.role) == ("17", "rater")
    for other in ({"iss": "https://b.example"}, {"sub": "18"}, {"sub": 17}, {"iss": None}):
        assert access.account_of({**claims, "email": "", **other}) is None


@pytest.mark.parametrize(
    "person", ["ann", "b\u00e4r@lab.example", "a@b@c", "http://a.example 7", "https://a.example ", ""]
)
def test_a_listed_person_who_could_not_be_recognised_is_refused_when_the_server_starts(tmp_path, person):
    with pytest.raises(InputError, match="is no e-mail address in ASCII"):
        check_address(Access("oidc", {person: "rater"}), "127.0.0.1", tmp_path / "none")


def test_one_address_in_two_spellings_is_refused(tmp_path):
    with pytest.raises(InputError, match="are one address"):
        check_address(
            Access("oidc", {"a@lab.example": "rater", "A@lab.example": "admin"}), "127.0.0.1", tmp_path / "none"
        )


def test_others_are_let_in_by_login_alone_and_a_login_needs_its_secrets(tmp_path: Path):
    check_address(Access(), "127.0.0.1", tmp_path / "none")
    with pytest.raises(InputError, match="under any name"):
        check_address(Access(), "0.0.0.0", tmp_path / "none")
    with pytest.raises(InputError, match="not there"):
        check_address(Access("oidc", PEOPLE), "0.0.0.0", tmp_path / "none")
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[auth]\nclient_id = "x"\nclient_secret = "told to nobody"\n')
    with pytest.raises(InputError, match="lacks redirect_uri, cookie_secret, server_metadata_url") as raised:
        check_address(Access("oidc", PEOPLE), "127.0.0.1", secrets)
    assert "told to nobody" not in str(raised.value)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "mapping"),
        ('{"auth": "none"}', "auth is 'none': choose name or oidc"),
        ('{"auth": "oidc"}', "needs roles"),
        ('{"auth": "oidc", "roles": {"a@lab.example": "owner"}}', "role 'owner' of a@lab.example is not known"),
        ('{"door": "open"}', "unexpected keyword argument 'door'"),
    ],
)
def test_a_server_that_is_told_wrongly_who_may_come_in_lets_nobody_in(monkeypatch, told, why):
    monkeypatch.setenv(VARIABLE, told)
    with pytest.raises(InputError, match=f"{VARIABLE}: .*{why}"):
        access_from_environment()


@pytest.mark.browser
def test_a_server_that_is_told_wrongly_who_may_come_in_says_so_and_shows_nothing(context, tmp_path):
    store = Store.open(url := sqlite_url(tmp_path / "gnomon.db"))
    demo.fill(store, fits=False)
    store.close()
    with serving({"lab": url}, tmp_path / "log.txt", {VARIABLE: '{"auth": "oidc"}'}) as address:
        page = context.new_page()
        for path in ("", "transcripts", "label?rater=ann"):
            page.goto(f"{address}/{path}")
            page.get_by_text("needs roles: nobody may do anything without one").wait_for()
            calm(page)
            assert page.locator(ANSWER).count() == page.get_by_test_id("stDataFrame").count() == 0
        page.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a server that asks for a login, and the URL of its study."""
    folder = tmp_path_factory.mktemp("guarded")
    url, secrets = sqlite_url(folder / "gnomon.db"), folder / "secrets.toml"
    store = Store.open(url)
    demo.fill(store, fits=False)
    store.close()
    with ExitStack() as stack:
        issuer = stack.enter_context(provider())
        access = {"GNOMON_ACCESS": Access("oidc", {**PEOPLE, f"{issuer} kim": "viewer"}).to_environment()}
        address = stack.enter_context(serving({"lab": url}, folder / "log.txt", access, secrets))
        auth = {
            "redirect_uri": f"{address}/oauth2callback", "cookie_secret": "of the tests, long enough to sign with",
            "client_id": CLIENT, "client_secret": SECRET,
            "server_metadata_url": f"{issuer}/.well-known/openid-configuration",
        }  # fmt: skip
        secrets.write_text("[auth]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in auth.items()))
        yield address, url
    assert "Traceback" not in (folder / "log.txt").read_text(), (folder / "log.txt").read_text()[-3000:]


@pytest.fixture
def as_(chromium, guarded: tuple[str, str]) -> Iterator[Callable[[str], object]]:
    """Opens the server in a browser in which an account is logged in at the provider."""
    contexts = []

    def open_(account: str, path: str = "", log_in: bool = True):
        context = chromium.new_context(viewport={"width": 1440, "height": 1000})
        contexts.append(context)
        context.set_default_timeout(20_000)
        context.add_cookies([{"name": "account", "value": account, "domain": "127.0.0.1", "path": "/"}])
        page = context.new_page()
        page.goto(f"{guarded[0]}/{path}")
        page.get_by_role("button", name="Log in").wait_for()
        if log_in:
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("button", name="Log out").wait_for()
            calm(page)
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.browser
@pytest.mark.parametrize("path", ["", "label", "transcripts", "scaling"])
def test_before_the_login_no_page_shows_anything(as_, path):
    page = as_("ann@lab.example", path, log_in=False)
    calm(page)
    assert page.get_by_role("heading", level=1).all_text_contents() == ["Gnomon"]
    assert page.get_by_test_id("stSidebarNav").count() == 0
    assert "lab" not in page.inner_text("body").lower()


@pytest.mark.browser
@pytest.mark.parametrize("account", ["eve@lab.example", "ann@lab.example/doubted"])
def test_a_stranger_and_an_address_in_doubt_see_nothing(as_, account):
    page = as_(account)
    page.get_by_text("is not among the people of this study").wait_for()
    assert page.get_by_role("heading", level=1).all_text_contents() == ["Gnomon"]
    assert page.get_by_test_id("stSidebarNav").count() == 0


@pytest.mark.browser
def test_a_viewer_reads_and_cannot_label_by_any_address(as_, guarded):
    page = as_("vic@lab.example")
    page.get_by_role("heading", name="lab", level=1).wait_for()
    page.goto(f"{guarded[0]}/label?rater=ann@lab.example")
    page.get_by_text("You may read this study, not label it").wait_for()
    assert page.locator(ANSWER).count() == 0


@pytest.mark.browser
def test_a_raters_labels_bear_the_address_of_the_login_whatever_the_page_is_asked(as_, guarded):
    page = as_("ann@lab.example")
    page.goto(f"{guarded[0]}/label?rater=ada@lab.example")
    start_as_suggested(page)
    settle(page)
    assert page.get_by_text("Where raters differ").count() == 0
    for key, name in DENIES.items():
        press_until(page, key, lambda name=name: chosen(page, name))
    before = answer_on_screen(page)
    press_until(page, "Enter", lambda: before not in (answers_on_screen(page) or [before]))
    events = Store.open(guarded[1]).read_frame(tables.labels)
    assert "ada@lab.example" not in set(events["rater"])
    assert list(events.loc[events["rater"] == "ann@lab.example", "role"]) == ["rater"]


@pytest.mark.browser
def test_an_account_that_is_listed_by_its_subject_is_let_in(as_):
    page = as_("kim")
    page.get_by_text("Logged in as viewer").wait_for()
    page.get_by_role("heading", name="lab", level=1).wait_for()


@pytest.mark.browser
def test_an_admin_adjudicates(as_, guarded):
    page = as_("ada@lab.example")
    page.goto(f"{guarded[0]}/label")
    start_as_suggested(page)
    page.get_by_text("Where raters differ").click()
    calm(page)
    first = answer_on_screen(page)
    press_until(page, "k", lambda: first not in (answers_on_screen(page) or [first]))
    for key, name in DENIES.items():
        press_until(page, key, lambda name=name: chosen(page, name))
    before = answer_on_screen(page)
    press_until(page, "Enter", lambda: before not in answers_on_screen(page))
    events = Store.open(guarded[1]).read_frame(tables.labels)
    assert list(events.loc[events["rater"] == "ada@lab.example", "role"]) == ["adjudicator"]
