"""Loading the demo, once, into an empty desk."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import User
from webapp.assignments.limits import Limits
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only
from webapp.demo.cast import SIGN_INS, Secrets, assemble
from webapp.demo.people import People
from webapp.demo.story import Promise, Teller

SEED = 20270104


def is_loaded(db: Session) -> bool:
    """Whether this database holds the demo."""
    return db.scalar(select(User.id).where(User.email == SIGN_INS[0].email)) is not None


def is_empty(db: Session) -> bool:
    """Whether nobody has an account yet: the demo goes into an empty desk only."""
    return db.scalar(select(User.id).limit(1)) is None


def load(
    *,
    now: datetime,
    secrets: Secrets,
    promise: Promise,
    limits: Limits,
    seed: int = SEED,
    share: float = 1.0,
) -> None:
    """Fill an empty desk with the demo around ``now`` (aware). Raises ``Conflict`` when somebody uses the desk.

    ``share`` below 1 loads that part of the bookings, at least one in each state: everything else stays whole.
    """
    with acting_as(SYSTEM):
        with read_only() as db:
            if not is_empty(db):
                raise Conflict("desk-in-use", "This desk has accounts already; the demo needs an empty one.")
        people, random = People(seed), Random(seed)
        cast = assemble(random, people, secrets, now - timedelta(days=400))
        Teller(cast, people, random, now, promise, limits, share).tell()
