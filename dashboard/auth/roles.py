"""Access control: roles by login, or on a loopback address full access for everybody."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.data.foreign_documents.toml_documents import read_toml_file

VARIABLE = "GNOMON_ACCESS"
SECRETS = "secrets.toml"
NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
LONGEST_NAME = 100
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Role(StrEnum):
    """What a person may do: read; read and label; read, label and adjudicate."""

    VIEWER = "viewer"
    RATER = "rater"
    ADMIN = "admin"

    @property
    def may_label(self) -> bool:
        """Whether the person may label."""
        return self is not Role.VIEWER

    @property
    def may_adjudicate(self) -> bool:
        """Whether the person may decide between raters."""
        return self is Role.ADMIN


@dataclass(frozen=True, slots=True)
class Account:
    """A person who logged in and is listed: the name that their labels bear, and their role."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Access:
    """How a server identifies people: `name` asks for a name and allows everything, `oidc` asks for a login.

    `roles` maps people to roles: each is an e-mail address, or the provider's issuer and subject of an account with a
    space between them. A person who is not listed may do nothing, not even read. An address counts only if the
    provider says that it is verified; with `email_verified` optional also if it says nothing of that.
    """

    auth: Literal["name", "oidc"] = "name"
    roles: Mapping[str, str] = field(default_factory=dict)
    email_verified: Literal["required", "optional"] = "required"

    def role_of(self, claims: Mapping[str, object]) -> Role | None:
        """Role for the claims of an identity provider; None for an unknown account or unverified address."""
        account = self.account_of(claims)
        return account.role if account else None

    def account_of(self, claims: Mapping[str, object]) -> Account | None:
        """The listed person whom the claims of an identity provider are about, if any; by subject before address."""
        issuer, subject = claims.get("iss"), claims.get("sub")
        if isinstance(issuer, str) and isinstance(subject, str) and (role := self.roles.get(f"{issuer} {subject}")):
            return Account(subject, Role(role))
        address = self._verified_address(claims)
        role = {name.lower(): role for name, role in self.roles.items() if is_plain_address(name)}.get(address or "")
        return Account(address, Role(role)) if address and role else None

    def _verified_address(self, claims: Mapping[str, object]) -> str | None:
        """The address in lower case. One with marks that are not ASCII is none: some of them become letters there."""
        address, verified = claims.get("email"), claims.get("email_verified")
        counts = verified is True or verified == "true" or (verified is None and self.email_verified == "optional")
        return address.lower() if counts and isinstance(address, str) and is_plain_address(address) else None

    def to_environment(self) -> str:
        """The access settings as the value of an environment variable."""
        return json.dumps(asdict(self))


def access_from_environment() -> Access:
    """How this server identifies people.

    Raises
    ------
    InputError
        If the environment variable does not hold valid access settings.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return Access()
    try:
        return check_roles(Access(**json.loads(text)))
    except (TypeError, ValueError) as error:
        raise InputError(f"{VARIABLE}: {error}: start the dashboard with 'gnomon dashboard DIR'") from error


def check_roles(found: Access) -> Access:
    """Validate access settings and return them.

    Raises
    ------
    ValueError
        If the kind of access or a role is unknown, or a login is required and no role is listed.
    """
    if found.email_verified not in ("required", "optional"):
        raise ValueError(f"email_verified is '{found.email_verified}': choose required or optional")
    if found.auth not in ("name", "oidc"):
        raise ValueError(f"auth is '{found.auth}': choose name or oidc")
    for address, role in found.roles.items():
        if role not in list(Role):
            raise ValueError(f"role '{role}' of {address} is not known: choose from {', '.join(Role)}")
    if found.auth == "oidc" and not found.roles:
        raise ValueError('auth = "oidc" needs roles: nobody may do anything without one')
    return found


def is_plain_address(text: str) -> bool:
    """Whether a text can be an e-mail address that has one spelling: ASCII, no blanks, one `@`."""
    return text.isascii() and text.isprintable() and " " not in text and text.count("@") == 1


def check_people(found: Access) -> None:
    """Check that everybody listed can be recognised after a login.

    Raises
    ------
    InputError
        If an entry is neither an address nor issuer and subject, or two are one person's.
    """
    known: dict[str, str] = {}
    for person in found.roles:
        issuer, _, subject = person.partition(" ")
        if not is_plain_address(person) and not (issuer.startswith("https://") and 0 < len(subject) <= LONGEST_NAME):
            raise InputError(
                f"[dashboard.roles]: '{person}' is no e-mail address in ASCII: list another account by "
                '"ISSUER SUBJECT", https://... and the subject that the provider gives it (docs/access.md)'
            )
        key = person.lower() if is_plain_address(person) else person
        if key in known:
            raise InputError(f"[dashboard.roles]: '{known[key]}' and '{person}' are one address: keep one of them")
        known[key] = person


def check_address(found: Access, address: str, secrets: Path) -> None:
    """Check that a server is not open to others without a login, and that a login is fully configured.

    Parameters
    ----------
    found : Access
        How the server identifies people.
    address : str
        Address on which the server listens.
    secrets : Path
        TOML file with the [auth] table of the login; not read without a login.

    Raises
    ------
    InputError
        If others could reach the server without a login, or the login lacks a setting.
    """
    if found.auth == "name":
        if address not in LOOPBACK:
            raise InputError(
                f"{address}: others could read and label there under any name: give the study a [dashboard] with "
                'auth = "oidc" and roles (docs/access.md), or leave --address out'
            )
        return
    check_people(found)
    read_login(secrets)


def read_login(secrets: Path) -> dict[str, object]:
    """The [auth] table of a login, with every setting that it needs.

    Raises
    ------
    InputError
        If the file is missing or is not TOML, or the login lacks a setting.
    """
    try:
        given = read_toml_file(secrets)[1].get("auth", {})
    except FileNotFoundError:
        raise InputError(f"{secrets}: not there: a login needs its [auth] table (docs/access.md)") from None
    except DocumentError as error:
        raise InputError(f"{secrets}: cannot be read as TOML: fix it (docs/access.md)") from error
    if missing := [key for key in NEEDED if not given.get(key)]:
        raise InputError(f"{secrets}: [auth] lacks {', '.join(missing)} (docs/access.md)")
    return dict(given)
