"""Leadership of periodic work: one lease row per name, held by whoever renews it.

All times here are the database's own, so that two machines whose clocks differ still agree who leads.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Interval, delete, func, literal, or_
from sqlalchemy.dialects.postgresql import insert

from webapp.db.work import Work
from webapp.ops.models import Lease

SWEEPER: Final = "sweeper"
LEASE: Final = timedelta(seconds=15)
"""How long a leader may be silent before somebody else takes over."""


def take_lead(work: Work, name: str, holder: str, *, length: timedelta = LEASE) -> bool:
    """Take or renew the leadership ``name`` for ``holder``; False while somebody else's lease runs.

    One statement, so of two who ask at once exactly one gets it.
    """
    until = func.now() + literal(length, Interval)
    claim = insert(Lease).values(name=name, holder=holder, lease_until=until)
    claim = claim.on_conflict_do_update(
        index_elements=[Lease.name],
        set_={
            "holder": claim.excluded.holder,
            "lease_until": claim.excluded.lease_until,
        },
        where=or_(Lease.holder == holder, Lease.lease_until <= func.now()),
    )
    return work.db.scalar(claim.returning(Lease.holder)) is not None


def release(work: Work, name: str, holder: str) -> None:
    """Give the leadership up, when ``holder`` has it: the next one need not wait for the lease to run out."""
    work.db.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))
