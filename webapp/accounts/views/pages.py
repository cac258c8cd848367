"""What the pages about second factors and one's own account are handed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import make_response, render_template
from flask.typing import ResponseReturnValue

from webapp.accounts.device import browser_and_system
from webapp.accounts.passkeys import MAX_PASSKEYS
from webapp.accounts.queries import Account, SecondFactors
from webapp.accounts.queries.passkeys import PasskeyRow
from webapp.accounts.queries.sign_ins import SignInRow
from webapp.accounts.second_step import secret_in_hand
from webapp.accounts.totp import totp
from webapp.web.words import _


@dataclass(frozen=True, slots=True)
class SecondFactorPage:
    """Asking for a second factor: what the person has, and where the page leads."""

    factors: SecondFactors
    goal: str | None


@dataclass(frozen=True, slots=True)
class TotpPage:
    """Setting up an authenticator app: the QR code as a ``data:`` address, and the key for typing."""

    picture: str
    key: str
    email: str
    replaces: bool
    goal: str | None


@dataclass(frozen=True, slots=True)
class CodesPage:
    """Recovery codes, told this once."""

    codes: tuple[str, ...]
    goal: str
    email: str

    @property
    def text(self) -> str:
        """The codes as a text file."""
        return "\n".join((f"Zonedesk {self.email}", "", *self.codes, ""))


@dataclass(frozen=True, slots=True)
class OwnSignIn:
    """A browser the person is signed in with; the instants are UTC."""

    id: UUID
    device: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    here: bool


@dataclass(frozen=True, slots=True)
class MePage:
    """One's own account."""

    account: Account
    sign_ins: tuple[OwnSignIn, ...]
    factors: SecondFactors
    needs_factor: bool
    passkeys: tuple[PasskeyRow, ...]
    most_passkeys: int = MAX_PASSKEYS


def totp_page(account: Account, *, replaces: bool, goal: str | None) -> TotpPage:
    """The page that sets up the secret in hand, drawing one when there is none."""
    sealed = secret_in_hand(account)
    return TotpPage(
        picture=totp().picture(sealed, account.id, account.email),
        key=totp().key(sealed, account.id),
        email=account.email,
        replaces=replaces,
        goal=goal,
    )


def show_codes(codes: tuple[str, ...], *, email: str, goal: str) -> ResponseReturnValue:
    """Answer with fresh recovery codes and the way on.

    The answer to the POST itself, not a redirect: then nothing has to keep the codes until another page shows them.
    """
    return make_response(render_template("accounts/recovery_codes.html", page=CodesPage(codes, goal, email)), 200)


def own_sign_in(row: SignInRow, *, here: UUID) -> OwnSignIn:
    """A browser as its person knows it."""
    return OwnSignIn(
        row.id, device_words(row.device), row.address, row.created_at, row.last_seen_at, here=row.id == here
    )


def device_words(user_agent: str) -> str:
    """A browser in the reader's words: "Firefox on Windows"."""
    browser, system = browser_and_system(user_agent)
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or system or _("Unknown browser")
