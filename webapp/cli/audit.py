"""``flask --app webapp audit …``: whether the audit is as it was written."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from webapp.audit.rules import Broken, Fault, NotedHead
from webapp.audit.verifying import verify
from webapp.cli.common import as_the_system, ask

audit_group = AppGroup("audit", help="The audit log and the chain of its seals.")

SENTENCES = {
    Fault.ENTRY_CHANGED: "the entry was changed after it was sealed",
    Fault.ENTRY_GONE: "the entry is gone; its seal is still there",
    Fault.SEAL_CHANGED: "the seal was changed; the entry is as it was sealed",
    Fault.SEAL_MISSING: "the seal is missing",
    Fault.UNMATCHED: "entry and seal do not fit: one of them was changed",
    Fault.TAIL_CUT: "the chain ends before the head that was given, or does not contain it: its end was cut off",
    Fault.REWRITTEN: "another seal stands here than the head that was given: the chain was made anew",
    Fault.NEVER_SEALED: "the entry has had no seal for more than a quarter of an hour",
}


@audit_group.command("verify")
@click.option("--head", "noted", default=None, help="A head noted down earlier: POSITION:HEX, or HEX alone.")
def verify_audit(noted: str | None) -> None:
    """Compute the chain of seals again; exit with 1 and name the first place where it does not hold."""
    with as_the_system():
        head = NotedHead.read(noted) if noted else None
    found = ask(lambda db: verify(db, head=head))
    if found.broken is not None:
        raise click.ClickException(f"{_where(found.broken)} {found.checked} entries before it hold.")
    click.echo(f"Whole: {found.checked} entries are as they were sealed, {found.waiting} wait for their seal.")
    click.echo(f"Head: {found.name}")


def _where(broken: Broken) -> str:
    place = f"Broken at position {broken.position}" if broken.position else "Broken"
    entry = f" Entry {broken.entry_id}." if broken.entry_id else ""
    return f"{place}: {SENTENCES[broken.fault]}.{entry}"
