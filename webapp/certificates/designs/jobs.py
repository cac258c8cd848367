"""Drawing previews, and finding the designs that certificates name. Both in work-horses only (see ``pdf``)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog
from rq.timeouts import BaseTimeoutException

from webapp.certificates.designs import previews, queries
from webapp.certificates.designs.looks import Look
from webapp.certificates.designs.rules import Design
from webapp.certificates.pdf import CertificatePayload, CertificateRenderer, RenderFailed
from webapp.clients.files import FileMissing, FileStore
from webapp.clients.stores import store_of
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for

BATCH: Final = 20
"""Previews one job draws before it hands over to a fresh process."""
RING_AGAIN_AFTER: Final = timedelta(seconds=2)
"""A preview due for longer is rung again: somebody sits there and waits."""

log = structlog.get_logger(__name__)


class Drawer(Protocol):
    """Draws a payload in a design; raises ``RenderFailed`` for one that cannot be drawn."""

    def render_in(self, look: Look, payload: CertificatePayload) -> bytes:
        """The PDF."""

    def picture_in(self, look: Look, payload: CertificatePayload) -> bytes:
        """The PNG."""


class KeptLooks:
    """Designs with their pictures, out of database and store; each is read once for a job."""

    def __init__(self, ctx: JobContext, store: FileStore) -> None:
        self._ctx, self._store = ctx, store
        self._found: dict[tuple[UUID, int], Look] = {}

    def look(self, operator_id: UUID, number: int) -> Look:
        """See ``looks.Looks``. Raises ``FileMissing`` for a picture that is lost, and ``OSError``."""
        if (operator_id, number) not in self._found:
            with self._ctx.read_only() as db:
                design = queries.drawn(db, operator_id, number)
            if design is None:
                raise RenderFailed(f"there is no certificate design {number} of this operator", code="no-design")
            self._found[operator_id, number] = self.with_pictures(design)
        return self._found[operator_id, number]

    def with_pictures(self, design: Design) -> Look:
        """A design with its pictures read from the store. Raises as ``look``."""
        return Look(design, {part: self._store.get(sha256) for part, sha256 in design.pictures().items()})


def preview(ctx: JobContext, *, store: FileStore | None = None, drawer: Drawer | None = None) -> int:
    """Draw the previews that wait, at most ``BATCH``, and tidy those outlived; returns how many were drawn.

    Harmless at any time and in any number at once. ``store`` and ``drawer`` are those of the settings and the project
    unless given.
    """
    store = store or store_of(ctx.settings)
    looks = KeptLooks(ctx, store)
    drawn = tried = 0
    with ctx.read_only() as db:
        operators = previews.operators_with_work(db, now=ctx.now())
    for operator_id in operators:
        with acting_for(operator_id):
            with ctx.unit_of_work() as work:
                previews.give_up_exhausted(work, operator_id, now=ctx.now())
            while tried < BATCH and (claim := _claim(ctx, operator_id)) is not None:
                drawer = drawer or CertificateRenderer()
                tried += 1
                drawn += _draw(ctx, claim, looks, store, drawer)
            _tidy(ctx, operator_id, store)
    if tried == BATCH:
        with ctx.unit_of_work() as work:
            work.after_commit(JobName.PREVIEW_DESIGNS)
    return drawn


def _claim(ctx: JobContext, operator_id: UUID) -> previews.PreviewClaim | None:
    lease_for = timedelta(seconds=ctx.settings.certificate_lease_seconds)
    with ctx.unit_of_work() as work:
        return previews.claim_next(work, operator_id, now=ctx.now(), lease_for=lease_for)


def _draw(ctx: JobContext, claim: previews.PreviewClaim, looks: KeptLooks, store: FileStore, drawer: Drawer) -> bool:
    """Draw and keep both files outside any transaction, then show them; whatever goes wrong stays with this row."""
    try:
        look, payload = looks.with_pictures(claim.design), claim.sample.payload(ctx.settings.public_url)
        pdf_sha256 = store.put(drawer.render_in(look, payload), media_type="application/pdf")
        png_sha256 = store.put(drawer.picture_in(look, payload), media_type="image/png")
    except BaseTimeoutException:
        raise  # RQ stops the whole job: the lease runs out and the row comes round again
    except RenderFailed as error:
        return _failed(ctx, claim, error.code, lasting=True)
    except FileMissing:
        return _failed(ctx, claim, "picture-missing", lasting=True)
    except OSError as error:
        log.warning("preview.not_stored", preview_id=str(claim.id), error=type(error).__name__)
        return _failed(ctx, claim, "not-stored", lasting=False)
    except Exception:
        log.exception("preview.try_failed", preview_id=str(claim.id))
        return _failed(ctx, claim, "unexpected", lasting=False)
    with ctx.unit_of_work() as work:
        shown = previews.record_drawn(work, claim, pdf_sha256=pdf_sha256, png_sha256=png_sha256)
    if not shown:
        # Overtaken meanwhile: no row knows these files, and no other preview has the same (``Sample.payload``).
        for sha256 in (pdf_sha256, png_sha256):
            store.remove(sha256)
    log.info("preview.drawn" if shown else "preview.overtaken", preview_id=str(claim.id))
    return shown


def _failed(ctx: JobContext, claim: previews.PreviewClaim, problem: str, *, lasting: bool) -> bool:
    with ctx.unit_of_work() as work:
        previews.record_failure(work, claim, problem, lasting=lasting, now=ctx.now())
    return False


def _tidy(ctx: JobContext, operator_id: UUID, store: FileStore) -> None:
    """Remove outlived previews, files before rows: whoever is killed in between finds the rows again."""
    with ctx.read_only() as db:
        gone = previews.outlived(db, operator_id, now=ctx.now())
    for preview_id, files in gone:
        try:
            for sha256 in files:
                store.remove(sha256)
        except OSError as error:
            log.error("preview.file_not_removed", preview_id=str(preview_id), error=type(error).__name__)
            continue
        with ctx.unit_of_work() as work:
            previews.forget(work, preview_id)


def ring_again(ctx: JobContext) -> bool:
    """Ring for previews that wait too long or are to be tidied, whatever became of their ring; whether it rang."""
    with ctx.unit_of_work() as work:
        late = bool(previews.operators_with_work(work.db, now=ctx.now() - RING_AGAIN_AFTER))
        if late:
            work.after_commit(JobName.PREVIEW_DESIGNS)
    return late
