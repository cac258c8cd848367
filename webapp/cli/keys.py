"""``flask --app webapp keys …``: what certificates are signed with. Run it where the worker runs, as the worker's user.

The web process imports this as well, so what touches private keys is imported by the commands themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import click
from flask import current_app
from flask.cli import AppGroup

from webapp.certificates.queries import keys
from webapp.certificates.rules import KeyKind
from webapp.cli.common import ask, change, operator_id_of, operator_option, table
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.operators.queries import operators_index

if TYPE_CHECKING:
    from webapp.certificates.signing.folder import KeyFolder

SELF_MADE = (
    "Certificates for PDFs are made by the desk itself: they show that a file was not changed, and programs that show"
    " PDFs call them unknown."
)
keys_group = AppGroup("keys", help="What certificates are signed with.")
_KINDS = {"credentials": KeyKind.ED25519, "pdf": KeyKind.X509}


@keys_group.command("make")
def make_keys() -> None:
    """Make the keys that are missing: the company's for credentials, each operator's for PDFs. Twice does no harm."""
    from webapp.certificates.signing import keeping

    folder = _folder()
    with _files():
        made = change(lambda work: keeping.make_missing(work, folder, by=SYSTEM, now=clock.now()))
    click.echo(f"{len(made)} keys made, in {folder.path}." if made else "Nothing is missing; no key was made.")
    if made:
        click.echo(SELF_MADE)


@keys_group.command("rotate")
@click.argument("kind", type=click.Choice(sorted(_KINDS)))
@operator_option
def rotate_key(kind: str, operator_name: str | None) -> None:
    """Begin a new key of KIND. The one before signs nothing new, and what it signed stays valid.

    Only the company has a key for credentials; of PDFs it is that of --operator, the company's when not given.
    """
    from webapp.certificates.signing import keeping

    if kind == "credentials" and operator_name is not None:
        raise click.UsageError("Credentials are the company's: leave --operator out.")
    folder = _folder()
    with _files():
        key_id = change(
            lambda work: keeping.rotate(
                work, folder, operator_id_of(work.db, operator_name), _KINDS[kind], by=SYSTEM, now=clock.now()
            )
        )
    click.echo(f"{folder.file(_KINDS[kind], key_id)} signs from now on; keys list shows the one before.")


@keys_group.command("withdraw")
@click.argument("key_id", metavar="KEY", type=click.UUID)
def withdraw_key(key_id: UUID) -> None:
    """Take back KEY, which got into wrong hands: everything it signed is void. Stop the workers first.

    Make another with keys make, and reissue what it signed.
    """
    from webapp.certificates.signing import keeping

    change(lambda work: keeping.withdraw(work, key_id, by=SYSTEM, now=clock.now()))
    click.echo("Withdrawn. Make another with: flask --app webapp keys make")


@keys_group.command("list")
def list_keys() -> None:
    """List all keys, the newest first, and whether this machine has the private half."""
    folder = _folder()
    known = ask(keys.all_keys)
    operators, _total = ask(lambda db: operators_index(db, visible_to=SYSTEM))
    names = {row.id: row.name for row in operators}
    table(
        ("Key", "For", "Since", "State", "Private half here"),
        (
            (
                key.id,
                "credentials"
                if key.kind is KeyKind.ED25519
                else f"PDFs of {names.get(key.operator_id, 'the company')}",
                f"{key.since:%Y-%m-%d %H:%M} UTC",
                "withdrawn" if key.withdrawn_at else "retired" if key.retired_at else "in use",
                folder.file(key.kind, key.id).exists(),
            )
            for key in known
        ),
    )
    click.echo(SELF_MADE)


def _folder() -> KeyFolder:
    from webapp.certificates.signing.folder import KeySettings

    settings: Settings = current_app.extensions["settings"]
    return KeySettings(data_dir=settings.data_dir).folder


@contextmanager
def _files() -> Iterator[None]:
    """Turn what is wrong with the folder into one sentence."""
    from webapp.certificates.credentials.keys import KeyUnusable

    try:
        yield
    except KeyUnusable as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"The key could not be written: {error}") from error
