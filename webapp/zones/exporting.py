"""The zones of the list, all pages of them, as they are put into a file.

Page after page, each read in a short transaction of its own, so that a slow download keeps no transaction open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from webapp.core.actor import Actor
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only
from webapp.zones import queries
from webapp.zones.files.writing import ExportedZone

PAGE: Final = 500


def exported(*, actor: Actor, search: str, operator_id: UUID | None) -> Iterator[ExportedZone]:
    """The zones that the list shows for the same filter, in its order."""
    behind: queries.ListPlace | None = None
    while True:
        with acting_as(actor), read_only() as db:
            page = queries.zones_for_file(
                db, visible_to=actor, search=search, operator_id=operator_id, limit=PAGE, behind=behind
            )
        yield from (ExportedZone(operator_name, command) for _place, operator_name, command in page)
        if len(page) < PAGE:
            return
        behind = page[-1][0]
