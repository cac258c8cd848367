"""Password sign-in by Flask-Security, over sign-in sessions of our own in PostgreSQL.

The cookie holds ``<fs_uniquifier>.<token>`` under Flask's signature; the token has 256 bits and the database keeps only
its SHA-256. Every request loads session and person in one statement, so signing out, switching an account off or
changing its role works at the next click, and a flush of Valkey signs nobody out.

Flask-Login's user is the read model ``SignedIn``, never a table's row.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import flask_login
import flask_security
from flask import Flask, current_app, g, request, session
from flask_security import Security, UserMixin
from flask_security.datastore import Datastore, UserDatastore

from webapp.accounts import queries, service
from webapp.accounts.queries import Account, OpenSignIn
from webapp.accounts.rules import MAX_PASSWORD, has_ended
from webapp.config import Environment, Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM, Actor, Role
from webapp.core.errors import Invalid
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only, unit_of_work

_HASHES_AT_ONCE: Final = 2
"""Each hash takes 19 MiB and a core for a while: a flood of sign-ins may not take them all."""
_hashing = threading.BoundedSemaphore(_HASHES_AT_ONCE)
_dummies: dict[int, str] = {}


@dataclass(frozen=True, eq=False)
class SignedIn(UserMixin):
    """Whoever is signed in, as Flask-Login's ``current_user``."""

    account: Account
    token: str

    @property
    def id(self) -> UUID:  # type: ignore[override]  # the mixin writes a number, ours is a UUID
        """The user's id."""
        return self.account.id

    @property
    def active(self) -> bool:  # type: ignore[override]  # the mixin expects columns, here they are read only
        """Accounts that are switched off are never loaded."""
        return self.account.active

    @property
    def fs_uniquifier(self) -> str:  # type: ignore[override]  # as above
        """What Flask-Login keeps in the cookie."""
        return f"{self.account.fs_uniquifier}.{self.token}"

    @property
    def name(self) -> str:
        """The person's name."""
        return self.account.name

    @property
    def role(self) -> Role:
        """The person's role, read anew for each request."""
        return self.account.role

    @property
    def operator_id(self) -> UUID:
        """The operator the person belongs to."""
        return self.account.operator_id

    @property
    def operator_name(self) -> str:
        """The operator's name, for the page's head."""
        return self.account.operator_name

    @property
    def locale(self) -> str:
        """The person's language."""
        return self.account.locale

    @property
    def actor(self) -> Actor:
        """The person as whoever acts."""
        return self.account.actor


class SignInStore(Datastore, UserDatastore):
    """Flask-Security's way to our tables: it only ever looks up whoever holds a cookie."""

    def __init__(self) -> None:
        Datastore.__init__(self, None)  # type: ignore[no-untyped-call]  # the library's own gap
        UserDatastore.__init__(self, SignedIn, None)  # type: ignore[arg-type]  # roles are a column, not a table

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> UserMixin | None:
        """The person whose cookie value is ``fs_uniquifier``, unless their sign-in is over. Any other key: nobody."""
        cookie = str(kwargs.get("fs_uniquifier", ""))
        uniquifier, _dot, token = cookie.partition(".")
        if not token or request.endpoint == "static" or g.get("sign_in_unreadable"):
            return None
        # Should the database not answer, the error page must not ask it again who is reading.
        g.sign_in_unreadable = True
        found = _open_sign_in(uniquifier, token)
        g.sign_in_unreadable = False
        return SignedIn(found.account, token) if found is not None else None


def init_sign_in(app: Flask, settings: Settings) -> None:
    """Put Flask-Security into the app with none of its pages, commands or token headers in use."""
    weak = settings.environment is Environment.TEST
    app.config.update(
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106 - the name of the scheme
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        # Argon2id alone: a second secret in the hash would tie every password to SECRET_KEY.
        SECURITY_PASSWORD_SINGLE_HASH=["argon2"],
        # OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, 2 passes, 1 lane at least.
        SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS={
            "argon2__type": "ID",
            "argon2__memory_cost": 64 if weak else 19_456,
            "argon2__time_cost": 1 if weak else 2,
            "argon2__parallelism": 1,
        },
        SECURITY_CLI_USERS_NAME=False,
        SECURITY_CLI_ROLES_NAME=False,
        SECURITY_API_ENABLED_METHODS=["session"],
        SESSION_PROTECTION=None,
    )
    security = Security(app, SignInStore(), register_blueprint=False)
    # Flask-Principal would load the person before the request has a name, and for public pages and static files too;
    # this desk's guard asks for the person when a route needs one.
    hooks = app.before_request_funcs.get(None, [])
    hooks[:] = [hook for hook in hooks if getattr(hook, "__self__", None) is not security.principal]


def person() -> SignedIn | None:
    """Whoever is signed in."""
    user: Any = flask_login.current_user
    found = user._get_current_object() if user else None
    return found if isinstance(found, SignedIn) else None


def locale_of_person() -> str | None:
    """The language of whoever is signed in."""
    user = person()
    return user.locale if user is not None else None


def hash_password(password: str) -> str:
    """The argon2id hash of a password. Needs the application's context."""
    with _hashing:
        hashed: str = flask_security.hash_password(_normal(password))
    return hashed


def sign_in(email: str, password: str) -> SignedIn:
    """Sign this browser in under a fresh session; any sign-in it had before is over.

    Raises ``Invalid``, the same after the same work, for an unknown address, a wrong password and an account that is
    switched off.
    """
    with read_only() as db:
        account = queries.account_of(db, email)
    right = _verify(password, account.password if account else _dummy())
    now = clock.now()
    if account is None or not right or not account.active:
        if account is not None:
            with acting_as(account.actor), unit_of_work() as work:
                service.refuse_sign_in(work, account, by=SYSTEM, now=now)
        raise Invalid("sign-in-failed", "The e-mail address or the password is not right.")
    before = person()
    token = secrets.token_urlsafe(32)
    browser = service.Browser(hash_of(token), request.user_agent.string or "", request.remote_addr or "")
    settings: Settings = current_app.extensions["settings"]
    stale = current_app.extensions["security"].pwd_context.needs_update(account.password)
    renewed = hash_password(password) if stale else None
    with acting_as(account.actor), unit_of_work() as work:
        if before is not None:
            service.end_sign_in(work, before.account, hash_of(before.token), now=now)
        service.begin_sign_in(
            work, account, browser, absolute=timedelta(hours=settings.session_absolute_hours), now=now
        )
        if renewed is not None:
            service.keep_hash_current(work, account, renewed)
    _forget_browser()
    user = SignedIn(account, token)
    flask_security.login_user(user, remember=False, authn_via=["password"])
    return user


def sign_out() -> None:
    """End this browser's sign-in, in the database and in the cookie."""
    user = person()
    if user is not None:
        with acting_as(user.actor), unit_of_work() as work:
            service.end_sign_in(work, user.account, hash_of(user.token), now=clock.now())
        flask_security.logout_user()
    _forget_browser()


def hash_of(token: str) -> bytes:
    """What the database knows of a token: its SHA-256. A slow hash would add nothing to 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def _open_sign_in(uniquifier: str, token: str) -> OpenSignIn | None:
    with read_only() as db:
        found = queries.open_sign_in(db, hash_of(token), uniquifier)
    if found is None or not found.account.active:
        return None
    settings: Settings = current_app.extensions["settings"]
    now = clock.now()
    idle = timedelta(minutes=settings.session_idle_minutes)
    absolute = found.ends_at - found.created_at
    if has_ended(found.created_at, found.last_seen_at, now=now, idle=idle, absolute=absolute):
        return None
    if now - found.last_seen_at >= service.SEEN_EVERY:
        with acting_as(found.account.actor), unit_of_work() as work:
            service.note_seen(work, found.session_id, now=now)
    return found


def _forget_browser() -> None:
    """Begin the cookie anew; the CSRF token Flask-WTF keeps for the running request goes with it."""
    session.clear()
    g.pop("csrf_token", None)


def _verify(password: str, hashed: str) -> bool:
    if len(password) > MAX_PASSWORD:
        return False
    with _hashing:
        return bool(flask_security.verify_password(_normal(password), hashed))


def _dummy() -> str:
    """A hash nobody's password has, as costly as the app's others: unknown accounts take as long as known ones."""
    key = id(current_app.extensions["security"])
    if key not in _dummies:
        _dummies[key] = hash_password(secrets.token_urlsafe(32))
    return _dummies[key]


def _normal(password: str) -> str:
    """NFKC, so that a password typed on another keyboard is the same password (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFKC", password)
