"""Previews: promised on a page, drawn by a work-horse, tidied after an hour.

The web never compiles, so a preview is a row like any other promise. Nobody has more than one that waits: a newer one
takes its place, and a work-horse that was at the older one throws away what it drew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, text, tuple_, update
from sqlalchemy.orm import Session, aliased

from webapp.certificates.designs.models import CertificatePreview
from webapp.certificates.designs.previewing import KEPT_FOR, MAX_ATTEMPTS, PreviewState, Sample
from webapp.certificates.designs.rules import Design
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.job_names import JobName
from webapp.db.promises import FREE, NO_ANSWER, Held, Promises
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.models import Operator

RETRY_AFTER = timedelta(seconds=2)
PREVIEWS: Final = Promises(CertificatePreview, PreviewState.WAITING, wait=lambda _: RETRY_AFTER)

# A function of the database that looks at every operator's previews and tells their operators only.
_DUE = text("SELECT * FROM certificate_previews_due(:now, :kept_since)")


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview as whoever asked for it sees it. ``student_name`` is what they typed."""

    id: UUID
    operator_id: UUID
    state: PreviewState
    language: str
    student_name: str
    requested_at: datetime
    pdf_sha256: str | None
    png_sha256: str | None
    problem: str | None

    @property
    def settled(self) -> bool:
        """Whether nothing more happens by itself: the page stops asking."""
        return self.state is not PreviewState.WAITING


@dataclass(frozen=True, slots=True)
class PreviewClaim(Held):
    """One preview taken for drawing."""

    design: Design
    sample: Sample


def request(
    work: Work, operator_id: UUID, design: Design, *, language: str, student_name: str, by: Actor, now: datetime
) -> UUID:
    """Promise a sample of a checked design; what the person waits for already is overtaken. Returns the new id.

    ``language`` is one of the design's, else English is shown. Raises ``NotFound`` for an operator not theirs.
    """
    if work.db.scalar(select(Operator.id).where(Operator.id == operator_id, owned_by(Operator.id, by))) is None:
        raise NotFound()
    # Two clicks at once: the second waits here for the first, so that only one of their rows is left waiting.
    work.db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"preview {by.id}", 0))))
    work.db.execute(
        update(CertificatePreview)
        .where(CertificatePreview.requested_by == by.id, CertificatePreview.state == PreviewState.WAITING)
        .values(state=PreviewState.OVERTAKEN, **FREE)
        .execution_options(synchronize_session=False)
    )
    preview_id = new_id()
    work.db.add(
        CertificatePreview(
            id=preview_id,
            operator_id=operator_id,
            requested_by=by.id,
            requested_at=now,
            content=design.to_json(),
            logo_sha256=design.logo,
            signature_sha256=design.signature,
            language=design.spoken(language),
            student_name=student_name,
            state=PreviewState.WAITING,
            attempts=0,
            next_at=now,
        )
    )
    work.after_commit(JobName.PREVIEW_DESIGNS)
    return preview_id


def newest(db: Session, operator_id: UUID, *, by: Actor) -> Preview | None:
    """The last preview that somebody asked for of an operator's design."""
    wanted = _of(by).where(CertificatePreview.operator_id == operator_id)
    found = db.execute(
        wanted.order_by(CertificatePreview.requested_at.desc(), CertificatePreview.id.desc()).limit(1)
    ).one_or_none()
    return Preview(*found) if found is not None else None


def preview(db: Session, preview_id: UUID, *, by: Actor) -> Preview:
    """One preview of one's own. Raises ``NotFound`` for everybody else's."""
    found = db.execute(_of(by).where(CertificatePreview.id == preview_id)).one_or_none()
    if found is None:
        raise NotFound()
    return Preview(*found)


def _of(by: Actor) -> Any:
    """The columns of a ``Preview``, of somebody's own."""
    return select(
        CertificatePreview.id,
        CertificatePreview.operator_id,
        CertificatePreview.state,
        CertificatePreview.language,
        CertificatePreview.student_name,
        CertificatePreview.requested_at,
        CertificatePreview.pdf_sha256,
        CertificatePreview.png_sha256,
        CertificatePreview.problem,
    ).where(CertificatePreview.requested_by == by.id, owned_by(CertificatePreview.operator_id, by))


def operators_with_work(db: Session, *, now: datetime) -> list[UUID]:
    """Whose previews wait to be drawn at ``now``, or are to be tidied."""
    return list(db.scalars(_DUE, {"now": now, "kept_since": now - KEPT_FOR}))


def claim_next(work: Work, operator_id: UUID, *, now: datetime, lease_for: timedelta) -> PreviewClaim | None:
    """Take the operator's preview that has waited longest; None when there is none. The try is counted here."""
    found = work.db.scalar(
        select(CertificatePreview)
        .where(CertificatePreview.operator_id == operator_id, PREVIEWS.is_due(now))
        .order_by(CertificatePreview.requested_at, CertificatePreview.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if found is None:
        return None
    names = select(Operator.name, func.operator_name(COMPANY_ID)).where(Operator.id == operator_id)
    operator_name, company_name = work.db.execute(names).one()
    held = PREVIEWS.take(found, now=now, lease_for=lease_for)
    design = Design.from_json(found.content, logo=found.logo_sha256, signature=found.signature_sha256)
    sample = Sample(found.id, found.language, found.student_name, operator_name, company_name)
    return PreviewClaim(held.id, held.lease, held.attempt, design, sample)


def record_drawn(work: Work, claim: PreviewClaim, *, pdf_sha256: str, png_sha256: str) -> bool:
    """Show a preview with its files. False when it was overtaken meanwhile, or the lease was lost."""
    values = {"state": PreviewState.DRAWN, "pdf_sha256": pdf_sha256, "png_sha256": png_sha256}
    return PREVIEWS.settle(work, claim, values) is not None


def record_failure(work: Work, claim: PreviewClaim, problem: str, *, lasting: bool, now: datetime) -> bool:
    """Say why a preview could not be drawn, or try once more shortly. ``problem`` is a code. False as above."""
    over = lasting or claim.attempt >= MAX_ATTEMPTS
    values = (
        {"state": PreviewState.FAILED, "problem": problem} if over else {"next_at": now + PREVIEWS.wait(claim.attempt)}
    )
    return PREVIEWS.settle(work, claim, values) is not None


def give_up_exhausted(work: Work, operator_id: UUID, *, now: datetime) -> None:
    """Fail the previews whose last allowed try ended without a word: its process was killed."""
    work.db.execute(
        update(CertificatePreview)
        .where(
            CertificatePreview.operator_id == operator_id,
            CertificatePreview.state == PreviewState.WAITING,
            CertificatePreview.attempts >= MAX_ATTEMPTS,
            PREVIEWS.is_free(now),
        )
        .values(state=PreviewState.FAILED, problem=NO_ANSWER, **FREE)
        .execution_options(synchronize_session=False)
    )


def outlived(db: Session, operator_id: UUID, *, now: datetime) -> list[tuple[UUID, list[str]]]:
    """The previews of an operator that are to go, with the hashes of the files that go with them."""
    rows = db.execute(
        select(CertificatePreview.id, CertificatePreview.pdf_sha256, CertificatePreview.png_sha256)
        .where(CertificatePreview.operator_id == operator_id, _is_outlived(now))
        .order_by(CertificatePreview.id)
    )
    return [(id_, [sha256 for sha256 in (pdf, png) if sha256 is not None]) for id_, pdf, png in rows]


def forget(work: Work, preview_id: UUID) -> None:
    """Delete a preview whose files are gone; done again it finds nothing."""
    work.db.execute(delete(CertificatePreview).where(CertificatePreview.id == preview_id))


def _is_outlived(now: datetime) -> ColumnElement[bool]:
    """Older than an hour, overtaken, or settled while its person has asked for a newer one."""
    newer = aliased(CertificatePreview)
    is_newer = tuple_(newer.requested_at, newer.id) > tuple_(CertificatePreview.requested_at, CertificatePreview.id)
    is_past = exists().where(newer.requested_by == CertificatePreview.requested_by, is_newer)
    return or_(
        CertificatePreview.requested_at < now - KEPT_FOR,
        CertificatePreview.state == PreviewState.OVERTAKEN,
        and_(CertificatePreview.state != PreviewState.WAITING, is_past),
    )
