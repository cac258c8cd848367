"""Designs as people would have left them, for tests that open every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import update

from tests.jobs.builders import PlainDrawer
from tests.jobs.designed import logo
from tests.web.client import NOW
from webapp.certificates.designs import jobs, previews, service
from webapp.certificates.designs.built_in import first_draft
from webapp.certificates.designs.models import CertificatePreview
from webapp.clients.files import store_from_url
from webapp.config import Settings
from webapp.core.actor import SYSTEM, Actor, ActorKind
from webapp.core.ids import new_id
from webapp.db.job_context import JobContext
from webapp.db.work import Database


def designed(
    database: Database, settings: Settings, operators: Sequence[tuple[UUID, str]], *, previewed_by: UUID
) -> None:
    """Two versions, a draft and a drawn preview for each operator, signed by the name that stands beside it.

    The previews are those of the person ``previewed_by``.
    """
    kept = store_from_url(settings.certificate_store_url).put(logo(), media_type="image/png")
    for operator_id, name in operators:
        for title in ("One", "Two", None):
            design = replace(first_draft(), signatory_name=name, signatory_title=title or "Three", logo=kept)
            with database.unit_of_work() as work:
                seen = service.save_draft(work, operator_id, design, by=SYSTEM, now=NOW, seen=0)
            if title is not None:
                with database.unit_of_work() as work:
                    service.publish(work, operator_id, by=SYSTEM, now=NOW, seen=seen)
        # As somebody else each time: the next preview of the same person would take its place.
        passing = Actor(ActorKind.SYSTEM, new_id(), "somebody", None, None)
        with database.unit_of_work() as work:
            previews.request(work, operator_id, design, language="en", student_name=name, by=passing, now=NOW)
    jobs.preview(JobContext(settings, database, lambda: NOW), drawer=PlainDrawer())
    with database.unit_of_work() as work:
        work.db.execute(update(CertificatePreview).values(requested_by=previewed_by))
