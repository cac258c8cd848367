"""Designing: a draft is changed as often as it takes, then published as a version that stays as it is.

Audit entries hold numbers and a fingerprint, never what a design says: it names who signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from webapp.audit import service as audit
from webapp.certificates.designs.models import CertificateDesign, CertificateDesignDraft
from webapp.certificates.designs.rules import Design
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import new_id
from webapp.core.seen import fingerprint
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.models import Operator


def save_draft(work: Work, operator_id: UUID, design: Design, *, by: Actor, now: datetime, seen: int) -> int:
    """Keep what somebody is at work on; returns the draft's new version.

    ``seen`` is the version that was changed, 0 for none. Raises ``NotFound`` for an operator that is not theirs,
    ``Invalid`` for a design that breaks a rule, and ``Conflict`` when somebody else changed the draft meanwhile.
    """
    checked = design.checked()
    _lock_operator(work, operator_id, by)
    draft = work.db.get(CertificateDesignDraft, operator_id)
    _check_seen(draft, seen)
    if draft is None:
        draft = CertificateDesignDraft(operator_id=operator_id, version=0)
        work.db.add(draft)
    draft.version += 1
    draft.content = checked.to_json()
    draft.logo_sha256, draft.signature_sha256 = checked.logo, checked.signature
    draft.changed_at, draft.changed_by, draft.changed_by_name = now, by.id, by.name
    _tell(work, "draft_saved", operator_id, operator_id, by=by, now=now, after=_shown(checked))
    return draft.version


def hold_draft(work: Work, operator_id: UUID, *, by: Actor, seen: int) -> None:
    """Let nobody save the draft until this transaction ends. Raises as ``save_draft`` does."""
    _lock_operator(work, operator_id, by)
    _check_seen(work.db.get(CertificateDesignDraft, operator_id), seen)


def discard_draft(work: Work, operator_id: UUID, *, by: Actor, now: datetime) -> None:
    """Throw the draft away; nothing happens when there is none. Raises ``NotFound``."""
    _lock_operator(work, operator_id, by)
    draft = work.db.get(CertificateDesignDraft, operator_id)
    if draft is None:
        return
    before = _shown(_design_of(draft))
    work.db.delete(draft)
    _tell(work, "draft_discarded", operator_id, operator_id, by=by, now=now, before=before)


def publish(work: Work, operator_id: UUID, *, by: Actor, now: datetime, seen: int) -> int:
    """Make the draft the next version, in use from now on; returns its number.

    Certificates promised before keep theirs. Raises ``NotFound``, and ``Conflict`` when there is no draft, when it is
    not the one that was seen, or when it says the same as the version in use.
    """
    _lock_operator(work, operator_id, by)
    draft = work.db.get(CertificateDesignDraft, operator_id)
    if draft is None:
        raise Conflict("design-no-draft", "There is no draft to publish: perhaps somebody has just published it.")
    _check_seen(draft, seen)
    design = _design_of(draft).checked()
    current = _current(work, operator_id)
    if current is not None and _design_of(current) == design:
        raise Conflict("design-same", "The draft says the same as the design in use: there is nothing to publish.")
    work.db.delete(draft)
    return _publish(work, operator_id, design, current, by=by, now=now)


def go_back(work: Work, operator_id: UUID, number: int, *, by: Actor, now: datetime) -> int:
    """Publish what an older version says as a new one; returns its number.

    Raises ``NotFound``, and ``Conflict`` when it is in use or says the same as the one that is.
    """
    _lock_operator(work, operator_id, by)
    older = work.db.scalar(
        select(CertificateDesign).where(
            CertificateDesign.operator_id == operator_id, CertificateDesign.number == number
        )
    )
    if older is None:
        raise NotFound()
    current = _current(work, operator_id)
    if current is not None and _design_of(current) == _design_of(older):
        raise Conflict("design-same", "This version says the same as the design in use.")
    return _publish(work, operator_id, _design_of(older), current, by=by, now=now, taken_from=number)


def stop_using(work: Work, operator_id: UUID, *, by: Actor, now: datetime) -> None:
    """Use none of the operator's designs any more: the company's applies, or the built-in one. Raises ``NotFound``.

    Nothing happens when none is in use.
    """
    _lock_operator(work, operator_id, by)
    current = _current(work, operator_id)
    if current is not None:
        _put_away(work, current)
        before = {"number": current.number}
        _tell(work, "stopped", current.id, operator_id, by=by, now=now, before=before, after={"number": None})


def _publish(
    work: Work,
    operator_id: UUID,
    design: Design,
    current: CertificateDesign | None,
    *,
    by: Actor,
    now: datetime,
    taken_from: int | None = None,
) -> int:
    newest = select(func.max(CertificateDesign.number)).where(CertificateDesign.operator_id == operator_id)
    number = (work.db.scalar(newest) or 0) + 1
    if current is not None:
        _put_away(work, current)
    made = CertificateDesign(
        id=new_id(),
        operator_id=operator_id,
        number=number,
        in_use=True,
        content=design.to_json(),
        logo_sha256=design.logo,
        signature_sha256=design.signature,
        taken_from=taken_from,
        published_at=now,
        published_by=by.id,
        published_by_name=by.name,
    )
    work.db.add(made)
    before = {"number": current.number if current is not None else None}
    after = {"number": number, "taken_from": taken_from, **_shown(design)}
    _tell(work, "published", made.id, operator_id, by=by, now=now, before=before, after=after)
    return number


def _put_away(work: Work, current: CertificateDesign) -> None:
    """At once and not at the commit: no two of an operator are ever in use."""
    work.db.execute(update(CertificateDesign).where(CertificateDesign.id == current.id).values(in_use=False))


def _lock_operator(work: Work, operator_id: UUID, by: Actor) -> None:
    """Let one person at a time change an operator's designs. Raises ``NotFound``, also for another's (rule E2)."""
    mine = select(Operator.id).where(Operator.id == operator_id, owned_by(Operator.id, by))
    if work.db.scalar(mine.with_for_update(key_share=True)) is None:
        raise NotFound()


def _current(work: Work, operator_id: UUID) -> CertificateDesign | None:
    found: CertificateDesign | None = work.db.scalar(
        select(CertificateDesign).where(
            CertificateDesign.operator_id == operator_id, CertificateDesign.in_use.is_(True)
        )
    )
    return found


def _check_seen(draft: CertificateDesignDraft | None, seen: int) -> None:
    if (draft.version if draft is not None else 0) != seen:
        raise Conflict(
            "design-draft-changed",
            "Somebody changed this draft a moment ago. Open it again before you go on with it.",
        )


def _design_of(row: CertificateDesign | CertificateDesignDraft) -> Design:
    return Design.from_json(row.content, logo=row.logo_sha256, signature=row.signature_sha256)


def _shown(design: Design) -> dict[str, Any]:
    """What the audit may know of a design."""
    return {
        "languages": sorted(design.wording),
        "logo": design.logo is not None,
        "signature": design.signature is not None,
        "fingerprint": fingerprint(design.to_json(), design.logo, design.signature),
    }


def _tell(
    work: Work,
    what: str,
    subject_id: UUID,
    operator_id: UUID,
    *,
    by: Actor,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    audit.record(
        work,
        f"certificate_design.{what}",
        "certificate_design",
        subject_id,
        operator_id=operator_id,
        by=by,
        before=before,
        after=after,
        at=now,
    )
