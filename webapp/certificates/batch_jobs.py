"""Making files of many certificates, and clearing them away, in the background."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

import structlog
from rq.timeouts import BaseTimeoutException

from webapp.certificates import batches
from webapp.certificates.joining import CannotRead, Joined, PdfToPrint, ZipOfFiles, joining
from webapp.certificates.queries import batches as queries
from webapp.certificates.rules import BatchKind, CertificateState, LeftOut
from webapp.clients.files import FileMissing, FileStore, LargeFileStore
from webapp.clients.stores import BATCHES, store_of
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for
from webapp.operators.queries import operator_ids

LEASE: Final = timedelta(seconds=60)
RING_AGAIN_AFTER: Final = timedelta(seconds=5)
AT_A_TIME: Final = 25
"""Certificates looked up by one statement, after which the page is told how far it is."""
ORPHANS_AFTER: Final = timedelta(hours=6)
"""A file without a batch that is older was left by a process that was killed: no job takes so long."""
_TIDIED_AT_ONCE: Final = 100
_MEDIA: Final = {BatchKind.PDF: "application/pdf", BatchKind.ZIP: "application/zip"}

log = structlog.get_logger(__name__)


class _Overtaken(Exception):
    """The lease was lost: somebody else makes this batch."""


def make(ctx: JobContext, *, store: FileStore | None = None, shelf: LargeFileStore | None = None) -> bool:
    """Make the batch that is due longest, if any, and ring again for the rest; whether it was published.

    Harmless at any time and in any number at once: a batch is made by whoever holds its lease, always from its
    beginning. ``store`` holds the certificates and ``shelf`` the batches; they are those of the settings unless given.
    """
    store, shelf = store or store_of(ctx.settings), shelf or store_of(ctx.settings, area=BATCHES)
    made = False
    with ctx.read_only() as db:
        due = queries.due_batches(db, ctx.now(), 2)
    for batch_id, operator_id in due[:1]:
        with acting_for(operator_id):
            with ctx.unit_of_work() as work:
                claim = batches.claim(work, batch_id, now=ctx.now(), lease_for=LEASE)
            made = claim is not None and _make(ctx, claim, operator_id, store, shelf)
    if len(due) > 1:
        with ctx.unit_of_work() as work:
            work.after_commit(JobName.MAKE_BATCHES)
    return made


def ring(ctx: JobContext) -> bool:
    """Ring for batches that wait too long, whatever became of their first ring; whether it rang."""
    with ctx.unit_of_work() as work:
        late = bool(queries.due_batches(work.db, ctx.now() - RING_AGAIN_AFTER, 1))
        if late:
            work.after_commit(JobName.MAKE_BATCHES)
    return late


def _make(ctx: JobContext, claim: batches.Claim, operator_id: UUID, store: FileStore, shelf: LargeFileStore) -> bool:
    """Join outside any transaction, keep the file, then publish; whatever goes wrong stays with this batch."""
    # Part of the file, so no two files are the same: removing one never takes another's content away.
    mark = f"{claim.id}/{claim.lease}"
    try:
        file = PdfToPrint(mark) if claim.kind is BatchKind.PDF else ZipOfFiles(mark, ctx.now())
        with joining(file) as joined:
            left_out = _fill(ctx, claim, operator_id, store, joined)
            if len(left_out) == len(claim.items):
                sha256, size = None, 0
            else:
                with joined.finish() as whole:
                    size = whole.seek(0, 2)
                    sha256 = shelf.put_file(whole, media_type=_MEDIA[claim.kind])
    except BaseTimeoutException:
        raise  # RQ stops the whole job: the lease runs out and the batch comes round again
    except _Overtaken:
        log.info("certificate_batch.overtaken", batch_id=str(claim.id))
        return False
    except OSError as error:
        return _failed(ctx, claim, "not-stored", error)
    except Exception as error:
        return _failed(ctx, claim, f"unexpected-{type(error).__name__}", error)
    with ctx.unit_of_work() as work:
        published = batches.publish(work, claim, sha256=sha256, size=size, left_out=left_out, now=ctx.now())
    if not published and sha256 is not None:
        shelf.remove(sha256)
    log.info("certificate_batch.made" if published else "certificate_batch.overtaken", batch_id=str(claim.id))
    return published


def _fill(
    ctx: JobContext, claim: batches.Claim, operator_id: UUID, store: FileStore, joined: Joined
) -> list[tuple[UUID, LeftOut]]:
    """Put in every certificate that can be; returns the others, with why. Raises ``_Overtaken``, OSError."""
    left_out = []
    items, done = iter(claim.items), 0
    while some := [*islice(items, AT_A_TIME)]:
        found = _sources(ctx, some)
        for item in some:
            source = found.get(item.certificate_id)
            why = _put(source, store, joined)
            if why is not None:
                left_out.append((item.certificate_id, why))
        done += len(some)
        with ctx.unit_of_work() as work:
            if not batches.record_progress(work, claim, done, now=ctx.now(), lease_for=LEASE):
                raise _Overtaken
    return left_out


def _sources(ctx: JobContext, items: list[queries.Item]) -> dict[UUID, queries.Source]:
    """The certificates, each read on behalf of its own operator: an admin's batch may hold several operators'."""
    found: dict[UUID, queries.Source] = {}
    for owner in sorted({item.operator_id for item in items}):
        with acting_for(owner), ctx.read_only() as db:
            found |= queries.sources(db, [item.certificate_id for item in items if item.operator_id == owner])
    return found


def _put(source: queries.Source | None, store: FileStore, joined: Joined) -> LeftOut | None:
    """Put one in; or why it cannot be."""
    if source is None:
        return LeftOut.MISSING
    if source.erased:
        return LeftOut.ERASED
    if source.state is not CertificateState.ISSUED or source.pdf_sha256 is None:
        return LeftOut.NOT_ISSUED
    try:
        joined.add(source.number, source.student_name, store.get(source.pdf_sha256))
    except FileMissing:
        log.error("certificate.file_missing", certificate_id=str(source.certificate_id))
        return LeftOut.MISSING
    except CannotRead:
        log.error("certificate.file_unreadable", certificate_id=str(source.certificate_id))
        return LeftOut.UNREADABLE
    return None


def _failed(ctx: JobContext, claim: batches.Claim, problem: str, error: Exception) -> bool:
    # Without the error's text, which may quote a name or a path.
    log.error("certificate_batch.try_failed", batch_id=str(claim.id), error=type(error).__name__)
    with ctx.unit_of_work() as work:
        batches.record_failure(work, claim, problem, now=ctx.now())
    return False


def tidy(ctx: JobContext, *, shelf: LargeFileStore | None = None) -> int:
    """Remove files whose day is over, rows of long ago, and what killed processes left; returns how many rows it was.

    Harmless at any time and in any number at once: a file goes before its row says so.
    """
    shelf = shelf or store_of(ctx.settings, area=BATCHES)
    with ctx.read_only() as db:
        over = queries.batches_over(db, ctx.now(), _TIDIED_AT_ONCE)
    settled = 0
    for batch_id, operator_id in over:
        with acting_for(operator_id):
            settled += _clear(ctx, batch_id, shelf)
    try:
        _sweep(ctx, shelf)
    except OSError as error:
        log.error("certificate_batches.not_swept", error=type(error).__name__)
    return settled


def ring_tidy(ctx: JobContext) -> bool:
    """Ring for the clearing up: it touches files, which the sweeper does not."""
    with ctx.unit_of_work() as work:
        work.after_commit(JobName.TIDY_BATCHES)
    return True


def _clear(ctx: JobContext, batch_id: UUID, shelf: LargeFileStore) -> bool:
    with ctx.read_only() as db:
        sha256 = queries.file_of(db, batch_id)
    try:
        if sha256 is not None:
            shelf.remove(sha256)
    except OSError as error:
        # The row stays due, and the next ring tries again.
        log.error("certificate_batch.file_not_removed", batch_id=str(batch_id), error=type(error).__name__)
        return False
    with ctx.unit_of_work() as work:
        if sha256 is not None:
            return batches.record_gone(work, batch_id, now=ctx.now())
        batches.forget(work, batch_id)
    return True


def _sweep(ctx: JobContext, shelf: LargeFileStore) -> None:
    """Remove old files that no batch has. Their age is the machine's, so it is compared with the machine's clock."""
    before = datetime.fromtimestamp(time.time(), UTC) - ORPHANS_AFTER
    shelf.forget_unfinished(before)
    old = set(shelf.kept_before(before))
    if not old:
        return
    with ctx.read_only() as db:
        operators = operator_ids(db)
    for operator_id in operators:
        with acting_for(operator_id), ctx.read_only() as db:
            old -= queries.files_in_use(db)
    for sha256 in sorted(old):
        shelf.remove(sha256)
        log.info("certificate_batches.orphan_removed")
