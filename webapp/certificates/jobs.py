"""Making certificates in the background, and removing their files when a family is erased.

``issue`` runs in work-horses only: it compiles with Typst (see ``pdf``) and opens private keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

import structlog
from rq.timeouts import BaseTimeoutException

from webapp.certificates import erasing, posting, service
from webapp.certificates.designs.jobs import KeptLooks
from webapp.certificates.pdf import CertificatePayload, CertificateRenderer, RenderFailed
from webapp.certificates.queries import issuing
from webapp.certificates.queries import keys as known
from webapp.certificates.sealing import CannotBeSigned, Keys, KeysMissing, Seal
from webapp.clients.files import FileMissing, FileStore
from webapp.clients.stores import store_of
from webapp.core.failpoints import Failpoint, reach
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for

BATCH: Final = 200
"""Certificates one job makes with its one compiler before it hands over to a fresh process, which frees its memory.

That one takes a third of a second to open everything, and RQ leaves each certificate a second and a half.
"""
RING_AGAIN_AFTER: Final = timedelta(seconds=5)
"""A certificate due for longer is rung again: its own ring may be lost."""
STUCK_AFTER: Final = timedelta(minutes=5)
"""A certificate due for longer is worth a person's attention."""

if TYPE_CHECKING:
    from webapp.certificates.signing.keyring import Keyring

log = structlog.get_logger(__name__)


class Renderer(Protocol):
    """Turns payloads into PDF files; raises ``RenderFailed`` for one that cannot be drawn."""

    def render(self, payload: CertificatePayload) -> bytes:
        """The file of one certificate, not yet signed."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a certificate consists of."""

    pdf: bytes
    credential: bytes


def issue(
    ctx: JobContext, *, store: FileStore | None = None, renderer: Renderer | None = None, keys: Keys | None = None
) -> int:
    """Make what is due, at most ``BATCH`` certificates; returns how many it published, and rings again for the rest.

    Harmless at any time and in any number at once: a row is made by whoever holds its lease. What cannot be signed
    waits, untried. ``store``, ``renderer`` and ``keys`` are those of the settings and the project unless given.
    """
    store = store or store_of(ctx.settings)
    published = made = 0
    for operator_id in _operators_with_due(ctx):
        with acting_for(operator_id):
            keys = keys or open_keys(ctx)
            seal = _seal(ctx, keys, operator_id)
            while seal is not None and made < BATCH and (claim := _claim(ctx)) is not None:
                renderer = renderer or CertificateRenderer(looks=KeptLooks(ctx, store))
                made += 1
                published += _make(ctx, claim, store, renderer, seal)
    if made == BATCH and _operators_with_due(ctx):
        reach(Failpoint.HANDING_OVER)
        with ctx.unit_of_work() as work:
            work.after_commit(JobName.ISSUE_CERTIFICATES)
    return published


def open_keys(ctx: JobContext) -> Keyring:
    """The keys in use, as the database names them and the folder holds them; no file is opened yet."""
    # Loaded here, because the sweeper, which imports this module, has no use for it. The worker has loaded it before.
    from webapp.certificates.signing.folder import KeySettings
    from webapp.certificates.signing.keyring import Keyring

    with ctx.read_only() as db:
        in_use, issuer = known.keys_in_use(db), known.issuer(db, ctx.settings.public_url)
    folder = KeySettings(data_dir=ctx.settings.data_dir).folder
    return Keyring(folder, in_use, issuer, ctx.settings.public_url)


def _seal(ctx: JobContext, keys: Keys, operator_id: UUID) -> Seal | None:
    try:
        return keys.seal(operator_id)
    except KeysMissing as missing:
        with ctx.unit_of_work() as work:
            waiting = service.wait_for_keys(work, missing.problem, now=ctx.now())
        log.warning("certificates.wait_for_keys", problem=missing.problem, why=str(missing), waiting=waiting)
        return None


def _operators_with_due(ctx: JobContext) -> list[UUID]:
    with ctx.read_only() as db:
        return [waiting.operator_id for waiting in issuing.waiting(db, now=ctx.now())]


def _claim(ctx: JobContext) -> service.Claim | None:
    lease_for = timedelta(seconds=ctx.settings.certificate_lease_seconds)
    with ctx.unit_of_work() as work:
        return service.claim_next(work, now=ctx.now(), lease_for=lease_for)


def files_of(claim: service.Claim, renderer: Renderer, seal: Seal) -> Files:
    """Draw, sign, and write the credential. Raises ``RenderFailed`` and ``CannotBeSigned``, which are final."""
    payload = CertificatePayload.from_json(claim.payload)
    drawn = renderer.render(payload)
    reach(Failpoint.RENDERED)
    pdf = seal.pdf(drawn, at=claim.created_at)
    reach(Failpoint.SIGNED)
    credential = seal.credential(payload, claim)
    reach(Failpoint.CREDENTIAL)
    return Files(pdf, credential)


def _make(ctx: JobContext, claim: service.Claim, store: FileStore, renderer: Renderer, seal: Seal) -> bool:
    """Make and keep the files outside any transaction, then publish; whatever goes wrong stays with this row."""
    reach(Failpoint.CLAIMED)
    try:
        files = files_of(claim, renderer, seal)
        pdf_sha256 = store.put(files.pdf, media_type="application/pdf")
        reach(Failpoint.PDF_STORED)
        credential_sha256 = store.put(files.credential, media_type="application/ld+json")
        reach(Failpoint.STORED)
    except BaseTimeoutException:
        raise  # RQ stops the whole job: the lease runs out and the row comes round again
    except (RenderFailed, CannotBeSigned) as error:
        # Without its text, which may quote the name it could not set.
        log.error("certificate.not_drawable", certificate_id=str(claim.id), error=error.code)
        return _failed(ctx, claim, error.code, lasting=True)
    except FileMissing as error:
        log.error("certificate.picture_missing", certificate_id=str(claim.id), sha256=str(error))
        return _failed(ctx, claim, "picture-missing", lasting=False)
    except OSError as error:
        log.warning("certificate.not_stored", certificate_id=str(claim.id), error=type(error).__name__)
        return _failed(ctx, claim, "not-stored", lasting=False)
    except Exception as error:
        log.exception("certificate.try_failed", certificate_id=str(claim.id))
        return _failed(ctx, claim, f"unexpected-{type(error).__name__}", lasting=False)
    with ctx.unit_of_work() as work:
        made = service.Made(pdf_sha256=pdf_sha256, credential_sha256=credential_sha256)
        published = service.publish(work, claim, made, now=ctx.now())
        if published and ctx.settings.certificate_mail_on_issue:
            posting.send_when_issued(work, claim.id, now=ctx.now())
    reach(Failpoint.PUBLISHED)
    log.info("certificate.issued" if published else "certificate.overtaken", certificate_id=str(claim.id))
    return published


def _failed(ctx: JobContext, claim: service.Claim, problem: str, *, lasting: bool) -> bool:
    with ctx.unit_of_work() as work:
        service.record_failure(work, claim, problem, lasting=lasting, now=ctx.now())
    reach(Failpoint.FAILED)
    return False


def ring_again(ctx: JobContext) -> bool:
    """Ring for certificates that wait too long, whatever became of their first ring; whether it rang."""
    reach(Failpoint.SWEEPING)
    now = ctx.now()
    given_up = 0
    for operator_id in _operators_with_due(ctx):
        with acting_for(operator_id), ctx.unit_of_work() as work:
            given_up += service.give_up_exhausted(work, now=now)
    with ctx.unit_of_work() as work:
        late = [one for one in issuing.waiting(work.db, now=now) if now - one.oldest >= RING_AGAIN_AFTER]
        if late:
            work.after_commit(JobName.ISSUE_CERTIFICATES)
            reach(Failpoint.RINGING_AGAIN)
    if given_up or any(now - one.oldest > STUCK_AFTER for one in late):
        log.error("certificates.stuck", due=sum(one.due for one in late), given_up=given_up)
    return bool(late)


def erase_files(ctx: JobContext, *, store: FileStore | None = None) -> int:
    """Remove the files of certificates whose family was erased, at most ``BATCH``; returns how many rows are settled.

    Harmless at any time and in any number at once. A file goes before its row says so: whoever is killed in between
    has it removed once more, which finds nothing.
    """
    store = store or store_of(ctx.settings)
    with ctx.read_only() as db:
        due = issuing.due_file_erasures(db, limit=BATCH)
    settled = 0
    for certificate_id, operator_id in due:
        with acting_for(operator_id):
            settled += _erase_file(ctx, certificate_id, store)
    return settled


def _erase_file(ctx: JobContext, certificate_id: UUID, store: FileStore) -> bool:
    with ctx.read_only() as db:
        found = issuing.files_to_erase(db, certificate_id)
    if found is None:
        return False
    try:
        for sha256 in found:
            store.remove(sha256)
    except OSError as error:
        # The row stays due, and the next ring tries again.
        log.error("certificate.file_not_erased", certificate_id=str(certificate_id), error=type(error).__name__)
        return False
    with ctx.unit_of_work() as work:
        return erasing.record_file_erased(work, certificate_id, now=ctx.now())


def ring_erase_files(ctx: JobContext) -> bool:
    """Ring for files that are still to be removed, whatever became of their first ring; whether it rang."""
    with ctx.unit_of_work() as work:
        due = bool(issuing.due_file_erasures(work.db, limit=1))
        if due:
            work.after_commit(JobName.ERASE_FILES)
    return due
