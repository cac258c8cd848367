"""Background work around certificates: the public lists of void credentials, and files that no row names.

Both run in the worker alone: the lists need the issuer's key, the files the store.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from webapp.certificates.jobs import open_keys
from webapp.certificates.queries import issuing, keys
from webapp.certificates.sealing import KeysMissing
from webapp.clients.files import FileStore
from webapp.clients.stores import store_of
from webapp.core.failpoints import Failpoint, reach
from webapp.core.ids import COMPANY_ID
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for

ORPHAN_AFTER: Final = timedelta(hours=24)
"""A file that no row names for so long is what a try left that was overtaken, failed or killed. The longest a try can
hold on to its row is a lease, which is at most an hour."""

log = structlog.get_logger(__name__)


def sign_revocations(ctx: JobContext) -> int:
    """Sign the lists that do not say any more what the rows do; returns how many it made the newest.

    Harmless at any time and in any number at once.
    """
    from webapp.certificates.signing import lists  # see ``jobs.open_keys``

    ring = open_keys(ctx)
    try:
        signer = ring.signer()
    except KeysMissing as missing:
        log.warning("revocations.wait_for_keys", problem=missing.problem, why=str(missing))
        return 0
    signed = 0
    with acting_for(COMPANY_ID):
        with ctx.read_only() as db:
            void, newest = keys.void_credentials(db), keys.signed_lists(db)
        for year in keys.years_out_of_date(void, newest, signer.key_id):
            now, public_url = ctx.now(), ctx.settings.public_url
            with ctx.unit_of_work() as work:
                document = lists.signed(year, void.get(year, {}), signer, public_url=public_url, now=now)
                signed += lists.keep(work, year, document, newest.get(year), signer, now=now)
                reach(Failpoint.LISTED)
    if signed:
        log.info("revocations.signed", lists=signed)
    return signed


def ring_sign_revocations(ctx: JobContext) -> bool:
    """Ring when a list does not say what the rows do, or was signed by a key that is not in use; whether it rang."""
    with ctx.unit_of_work() as work:
        void, newest = keys.void_credentials(work.db), keys.signed_lists(work.db)
        in_use = keys.credential_key(work.db)
        due = in_use is not None and bool(keys.years_out_of_date(void, newest, in_use))
        if due:
            work.after_commit(JobName.SIGN_REVOCATIONS)
    return due


def sweep_files(ctx: JobContext, *, store: FileStore | None = None) -> int:
    """Remove files that no row has named for a day; returns how many.

    Harmless at any time and in any number at once. A file goes in two steps a day apart (see ``FileStore.sweep``), so
    that one that is named meanwhile comes back.
    """
    store = store or store_of(ctx.settings)

    def named(hashes: frozenset[str]) -> frozenset[str]:
        with ctx.read_only() as db:
            return issuing.files_named(db, hashes)

    removed = store.sweep(named, older_than=ORPHAN_AFTER)
    if removed:
        log.info("files.swept", removed=removed)
    return removed


def ring_sweep_files(ctx: JobContext) -> bool:
    """Ring for a sweep: what lies in the store is not for the sweeper's process to look at."""
    with ctx.unit_of_work() as work:
        work.after_commit(JobName.SWEEP_FILES)
    return True
