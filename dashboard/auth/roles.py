"""Access control: roles by login, or on a loopback address full access for everybody."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from gnomon.data.errors import InputError

VARIABLE = "GNOMON_ACCESS"
SECRETS = "secrets.toml"
NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
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
class Access:
    """How a server identifies people: `name` asks for a name and allows everything, `oidc` asks for a login.

    `roles` maps e-mail addresses to roles; a person who is not listed may do nothing, not even read.
    """

    auth: Literal["name", "oidc"] = "name"
    roles: Mapping[str, str] = field(default_factory=dict)

    def role_of(self, claims: Mapping[str, object]) -> Role | None:
        """Role for the claims of an identity provider; None for an unknown or unverified address."""
        address = str(claims.get("email") or "").strip().lower()
        if not address or claims.get("email_verified") is False:
            return None
        role = {name.strip().lower(): role for name, role in self.roles.items()}.get(address)
        return Role(role) if role else None

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
    if found.auth not in ("name", "oidc"):
        raise ValueError(f"auth is '{found.auth}': choose name or oidc")
    for address, role in found.roles.items():
        if role not in list(Role):
            raise ValueError(f"role '{role}' of {address} is not known: choose from {', '.join(Role)}")
    if found.auth == "oidc" and not found.roles:
        raise ValueError('auth = "oidc" needs roles: nobody may do anything without one')
    return found


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
    read_login(secrets)


def read_login(secrets: Path) -> dict[str, object]:
    """The [auth] table of a login, with every setting that it needs.

    Raises
    ------
    InputError
        If the file is missing or is not TOML, or the login lacks a setting.
    """
    try:
        given = tomllib.loads(secrets.read_text(encoding="utf-8")).get("auth", {})
    except FileNotFoundError:
        raise InputError(f"{secrets}: not there: a login needs its [auth] table (docs/access.md)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{secrets}: cannot be read as TOML: fix it (docs/access.md)") from error
    if missing := [key for key in NEEDED if not given.get(key)]:
        raise InputError(f"{secrets}: [auth] lacks {', '.join(missing)} (docs/access.md)")
    return dict(given)
