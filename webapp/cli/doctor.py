"""``flask --app webapp doctor``: whether this desk is fit to work, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

import click
from alembic.script import ScriptDirectory
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from webapp.accounts.letter_rounds import STUCK_AFTER
from webapp.accounts.queries.letters import letters_in_trouble
from webapp.certificates.queries.letters import letters_in_trouble as certificate_letters_in_trouble
from webapp.cli.common import table
from webapp.clients.files import FileMissing
from webapp.clients.stores import store_of
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.db import work
from webapp.db.tenancy import acting_as
from webapp.ops import health, queries
from webapp.ops.health import State
from webapp.trainers.syncing.health import service_health

_PROBE: Final = b"Written by the doctor to see whether certificates can be kept.\n"
"""Always the same content, so a store that names files by their hash keeps one of them, however often it is asked."""
_CLOCKS_APART: Final = 5.0
"""Seconds that this machine's clock and the database's may differ."""


class Verdict(StrEnum):
    """What a check found. A note is worth reading; only a failure makes the doctor's exit code 1."""

    OK = "ok"
    NOTE = "note"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's table."""

    check: str
    verdict: Verdict
    words: str


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Look at everything the desk needs, print what was found, and exit with 1 when something fails."""
    settings: Settings = current_app.extensions["settings"]
    findings = [
        *_settings(settings),
        *_database(settings),
        *_processes(settings),
        *_letters(settings),
        *_certificate_letters(),
        *_trainer_service(settings),
        _store(settings),
    ]
    table(("Check", "State", "What was found"), ((f.check, f.verdict.value, f.words) for f in findings))
    if failed := sum(finding.verdict is Verdict.FAILED for finding in findings):
        raise click.ClickException(f"{failed} of {len(findings)} checks failed.")


def _found(check: str, good: bool, words: str, otherwise: str, *, bad: Verdict = Verdict.FAILED) -> Finding:
    return Finding(check, Verdict.OK, words) if good else Finding(check, bad, otherwise)


def _settings(settings: Settings) -> Iterator[Finding]:
    # Whatever makes a desk unfit to boot has stopped this command already; what remains is doubtful, not wrong.
    yield Finding("settings", Verdict.OK, f"{settings.environment.value}, public address {settings.public_url}")
    if settings.is_production:
        address = urlsplit(settings.public_url)
        yield _found(
            "public address",
            address.scheme == "https" and address.hostname not in ("localhost", "127.0.0.1", None),
            "families can open it",
            "PUBLIC_URL stands in every certificate's QR code: give the https:// address that families see",
        )
        yield _found(
            "reverse proxy",
            settings.trusted_proxies > 0,
            f"{settings.trusted_proxies} trusted",
            "TRUSTED_PROXIES is 0: behind a proxy every visitor would seem to come from the proxy's address",
            bad=Verdict.NOTE,
        )
        yield _found(
            "ways to the servers",
            not settings.allow_plaintext_servers and "sslmode=require" not in settings.database_url,
            "encrypted, to servers that prove who they are, or inside this machine",
            "ALLOW_PLAINTEXT_SERVERS is set: something else has to encrypt the way"
            if settings.allow_plaintext_servers
            else "sslmode=require encrypts but does not ask who answers: verify-full does",
            bad=Verdict.NOTE,
        )
        yield _found(
            "keys",
            not settings.previous_keys,
            "one signs",
            "SECRET_KEY_PREVIOUS still counts: unset it when SESSION_ABSOLUTE_HOURS have passed since the change",
            bad=Verdict.NOTE,
        )


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        with work.read_only() as db:
            facts = queries.database_facts(db)
    except SQLAlchemyError as error:
        reason = (str(getattr(error, "orig", error)).strip() or type(error).__name__).splitlines()[0]
        yield Finding("database", Verdict.FAILED, reason)
        return
    yield Finding("database", Verdict.OK, f"PostgreSQL {facts.version}")
    heads = ScriptDirectory(current_app.extensions["migrate"].directory).get_heads()
    yield _found(
        "migrations",
        [facts.migration] == heads,
        f"at head, {facts.migration}",
        f"at {facts.migration or 'nothing'}, not {', '.join(heads)}: run flask --app webapp db upgrade",
    )
    yield _found(
        "role",
        facts.owned == 0 and not facts.unbound and not facts.may_create and not facts.may_rewrite_audit,
        f"{facts.role} owns nothing and cannot rewrite the audit",
        f"{facts.role} owns {facts.owned} things, reads past row-level security: {facts.unbound}, "
        f"may create tables: {facts.may_create}, "
        f"may rewrite the audit: {facts.may_rewrite_audit}",
    )
    yield _found(
        "login",
        not facts.login_is_mighty,
        f"{facts.login} is no more than it needs to be",
        f"DATABASE_URL signs in as {facts.login}, who owns the tables or is a superuser; a login of its own is safer",
        bad=Verdict.NOTE,
    )
    if settings.starts_at is None:
        apart = abs((clock.now() - facts.now).total_seconds())
        yield _found(
            "clocks",
            apart <= _CLOCKS_APART,
            "this machine and the database agree",
            f"this machine and the database are {apart:.0f} seconds apart",
        )


def _processes(settings: Settings) -> Iterator[Finding]:
    found = health.readiness(work.database(), settings.redis_url)
    help_for = {
        "redis": (found.redis, "it answers", "the server of REDIS_URL does not answer"),
        "worker": (found.worker, "at least one works", "nobody answers the doorbell: start python worker.py"),
        "sweeper": (found.sweeper, "one leads", "no sweeper leads: start python worker.py sweep"),
    }
    for check, (state, words, otherwise) in help_for.items():
        yield _found(check, state is State.OK, words, otherwise if state is State.FAILED else "it cannot be told")
    yield from _keys(found)


def _keys(found: health.Readiness) -> Iterator[Finding]:
    if found.keys is not None:  # else the database's own line says so
        words = "certificates can be signed"
        yield _found("certificate keys", found.keys.complete, words, health.missing_keys(found.keys))


def _letters(settings: Settings) -> Iterator[Finding]:
    if not settings.mail_url:
        yield Finding("mail", Verdict.NOTE, f"MAIL_URL is not set: letters are files in {settings.mail_folder}")
    try:
        with work.read_only() as db:
            trouble = letters_in_trouble(db, clock.now() - STUCK_AFTER)
    except SQLAlchemyError:
        return  # the database's own line says so
    yield _found(
        "letters",
        trouble.late == 0,
        "none waits for long",
        f"{trouble.late} wait for more than five minutes: does a worker run, and does the mail server answer?",
    )
    yield _found(
        "letters given up",
        trouble.failed == 0,
        "none in the last 30 days",
        f"{trouble.failed} in the last 30 days: the log says why, at letter.failed",
        bad=Verdict.NOTE,
    )


def _certificate_letters() -> Iterator[Finding]:
    try:
        with work.read_only() as db:
            late, failed = certificate_letters_in_trouble(db, clock.now() - STUCK_AFTER)
    except SQLAlchemyError:
        return  # the database's own line says so
    yield _found(
        "certificate letters",
        late == 0,
        "none waits for long",
        f"{late} wait for more than five minutes: does a worker run, and does the mail server answer?",
    )
    yield _found(
        "certificate letters given up",
        failed == 0,
        "none",
        f"{failed}: the list of certificates leads to them, with a button to try each again",
        bad=Verdict.NOTE,
    )


def _trainer_service(settings: Settings) -> Iterator[Finding]:
    if settings.trainer_service_url is None:
        yield Finding("trainer service", Verdict.OK, "TRAINER_SERVICE_URL is not set: the desk keeps the roster itself")
        return
    try:
        with acting_as(SYSTEM), work.read_only() as db:
            found = service_health(db)
    except SQLAlchemyError:
        return  # the database's own line says so
    contract = "not reached yet" if found.contract is None else f"speaks the {found.contract.value} contract"
    as_of = "never" if found.fresh_at is None else f"{found.fresh_at:%Y-%m-%d %H:%M} UTC"
    old = timedelta(minutes=settings.trainer_recheck_minutes)
    yield _found(
        "trainer service",
        found.fresh_at is not None and clock.now() - found.fresh_at <= old,
        f"{contract}; the roster is as of {as_of}",
        f"{contract}; the roster is as of {as_of}: the page of the synchronisation says why",
    )
    yield _found(
        "trainer quarantine",
        found.in_quarantine == 0,
        "nobody",
        f"{found.in_quarantine} trainers cannot be put on the roster: an admin has to say what names mean",
        bad=Verdict.NOTE,
    )
    yield _found(
        "trainer service breaker",
        found.opened_at is None,
        "closed",
        f"open since {found.opened_at:%Y-%m-%d %H:%M} UTC: call after call had failed" if found.opened_at else "",
        bad=Verdict.NOTE,
    )


def _store(settings: Settings) -> Finding:
    try:
        store = store_of(settings)
        kept = store.get(store.put(_PROBE, media_type="text/plain")) == _PROBE
    except (OSError, ValueError, FileMissing) as error:
        return Finding("certificate store", Verdict.FAILED, f"{settings.certificate_store_url}: {error}")
    return _found(
        "certificate store", kept, "what is written can be read again", "what was written came back different"
    )
