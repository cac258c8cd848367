"""The stable names under which jobs are rung. They live in queued messages: never rename one that is in use."""

from __future__ import annotations

from enum import StrEnum


class JobName(StrEnum):
    """Every job there is. ``webapp.jobs.HANDLERS`` has a handler for each; a test holds the two equal."""

    ISSUE_CERTIFICATES = "certificates.issue"
    SIGN_REVOCATIONS = "certificates.sign_revocations"
    SWEEP_FILES = "certificates.sweep_files"
    PREVIEW_DESIGNS = "certificates.preview_designs"
    ERASE_FILES = "certificates.erase_files"
    SEND_CERTIFICATES = "certificates.send"
    MAKE_BATCHES = "certificates.make_batches"
    TIDY_BATCHES = "certificates.tidy_batches"
    NOTE_ERASURES = "households.note_erasures"
    EXPIRE_HOLDS = "assignments.expire_holds"
    RETRY_WAITLIST = "assignments.retry_waitlist"
    RECHECK_APPROVALS = "assignments.recheck"
    EXPIRE_DRAFTS = "bookings.expire_drafts"
    TIDY_ACCOUNTS = "accounts.tidy"
    SEND_LETTERS = "accounts.send_letters"
    SEAL_AUDIT = "audit.seal"
    SYNC_TRAINERS = "trainers.sync"
    IMPORT_ZONES = "zones.import"
