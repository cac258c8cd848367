"""Who acts, in which role, and what each role may do. Ownership is decided per row, in SQL (``db.tenancy``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """The five roles of the desk."""

    FRANCHISE_STAFF = "franchise_staff"
    FRANCHISE_MANAGER = "franchise_manager"
    COMPANY_STAFF = "company_staff"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What a route may ask for. Every route declares one of these or says that it is public."""

    HOME_READ = "home.read"
    BOOKING_READ = "booking.read"
    BOOKING_WRITE = "booking.write"
    BOOKING_CLOSE_SHORT = "booking.close_short"
    ASSIGNMENT_READ = "assignment.read"
    ASSIGNMENT_PROPOSE = "assignment.propose"
    ASSIGNMENT_APPROVE = "assignment.approve"
    SESSION_READ = "session.read"
    SESSION_ATTEND = "session.attend"
    HOUSEHOLD_READ = "household.read"
    HOUSEHOLD_WRITE = "household.write"
    COURSE_READ = "course.read"
    ZONE_READ = "zone.read"
    ZONE_WRITE = "zone.write"
    ZONE_EXPORT = "zone.export"
    TRAINER_READ = "trainer.read"
    TRAINER_WRITE = "trainer.write"
    TRAINER_SYNC_READ = "trainer_sync.read"
    TRAINER_SYNC_RUN = "trainer_sync.run"
    OPERATOR_READ = "operator.read"
    CERTIFICATE_READ = "certificate.read"
    CERTIFICATE_RETRY = "certificate.retry"
    CERTIFICATE_REISSUE = "certificate.reissue"
    CERTIFICATE_REVOKE = "certificate.revoke"
    CERTIFICATE_DESIGN_READ = "certificate_design.read"
    CERTIFICATE_DESIGN = "certificate_design.write"
    CERTIFICATE_SEND = "certificate.send"
    CERTIFICATE_BATCH = "certificate.batch"
    HOUSEHOLD_EXPORT = "household.export"
    HOUSEHOLD_ERASE = "household.erase"
    USER_READ = "user.read"
    USER_WRITE = "user.write"
    OPERATOR_WRITE = "operator.write"
    POLICY_READ = "policy.read"
    VIEW_AS = "view_as.begin"
    AUDIT_READ = "audit.read"
    AUDIT_VERIFY = "audit.verify"
    AUDIT_EXPORT = "audit.export"


_READ = frozenset(
    {
        Permission.HOME_READ,
        Permission.BOOKING_READ,
        Permission.ASSIGNMENT_READ,
        Permission.SESSION_READ,
        Permission.HOUSEHOLD_READ,
        Permission.COURSE_READ,
        Permission.ZONE_READ,
        Permission.TRAINER_READ,
        Permission.OPERATOR_READ,
        Permission.CERTIFICATE_READ,
    }
)
_DESK = _READ | {
    Permission.BOOKING_WRITE,
    Permission.ASSIGNMENT_PROPOSE,
    Permission.SESSION_ATTEND,
    Permission.HOUSEHOLD_WRITE,
    Permission.CERTIFICATE_SEND,
    Permission.CERTIFICATE_BATCH,
}

GRANTS: dict[Role, frozenset[Permission]] = {
    Role.FRANCHISE_STAFF: _DESK,
    Role.FRANCHISE_MANAGER: _DESK
    | {
        Permission.ASSIGNMENT_APPROVE,
        Permission.ZONE_WRITE,
        Permission.ZONE_EXPORT,
        Permission.TRAINER_WRITE,
        Permission.CERTIFICATE_REISSUE,
        Permission.CERTIFICATE_DESIGN_READ,
        Permission.HOUSEHOLD_EXPORT,
        Permission.USER_READ,
        Permission.USER_WRITE,
    },
    Role.COMPANY_STAFF: _DESK,
    Role.ADMIN: frozenset(Permission),
    Role.AUDITOR: _READ
    | {
        Permission.ZONE_EXPORT,
        Permission.AUDIT_READ,
        Permission.AUDIT_VERIFY,
        Permission.AUDIT_EXPORT,
        Permission.USER_READ,
        Permission.TRAINER_SYNC_READ,
        Permission.CERTIFICATE_DESIGN_READ,
    },
}
"""The role table of the domain: which permissions each role has, before ownership is asked."""

STEP_UP: frozenset[Permission] = frozenset(
    {
        Permission.CERTIFICATE_REISSUE,
        Permission.CERTIFICATE_REVOKE,
        Permission.HOUSEHOLD_EXPORT,
        Permission.HOUSEHOLD_ERASE,
        Permission.USER_WRITE,
        Permission.OPERATOR_WRITE,
        Permission.VIEW_AS,
        Permission.AUDIT_EXPORT,
    }
)
"""Acts of weight: whoever does one has given a second factor some minutes ago at most."""


SHARED: frozenset[Permission] = frozenset({Permission.COURSE_READ, Permission.POLICY_READ})
"""What these open belongs to no operator: the one catalogue of courses, and the policy itself."""


class Extent(StrEnum):
    """How far a role sees: the rows of its own operator, or everybody's."""

    OWN = "own"
    EVERY = "every"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose rows a role sees and touches (rule E2), and whose enquiries it reads (rule Z4)."""

    rows: Extent
    enquiries: Extent

    def within(self, other: Reach) -> bool:
        """Whether nothing is seen with this that is not seen with the other."""
        pairs = ((self.rows, other.rows), (self.enquiries, other.enquiries))
        return all(mine is Extent.OWN or theirs is Extent.EVERY for mine, theirs in pairs)


REACH: dict[Role, Reach] = {
    Role.FRANCHISE_STAFF: Reach(rows=Extent.OWN, enquiries=Extent.OWN),
    Role.FRANCHISE_MANAGER: Reach(rows=Extent.OWN, enquiries=Extent.OWN),
    Role.COMPANY_STAFF: Reach(rows=Extent.OWN, enquiries=Extent.EVERY),
    Role.ADMIN: Reach(rows=Extent.EVERY, enquiries=Extent.EVERY),
    Role.AUDITOR: Reach(rows=Extent.EVERY, enquiries=Extent.EVERY),
}
"""Ownership as part of the policy: every condition on an ``operator_id`` is decided by this table."""

FRESH_FOR = timedelta(minutes=10)
"""How long a second factor is fresh enough for an act of weight."""

ALWAYS_SECOND_FACTOR: frozenset[Role] = frozenset({Role.ADMIN, Role.FRANCHISE_MANAGER})
"""Roles that never sign in with a password alone. A setting may add roles; nothing takes these away."""


class ActorKind(StrEnum):
    """A person at a page, a program with a token, or the desk itself."""

    USER = "user"
    API = "api"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts. ``operator_id`` is the operator they belong to; the system belongs to none."""

    kind: ActorKind
    id: UUID | None
    name: str
    role: Role | None
    operator_id: UUID | None
    viewed_by: Actor | None = None
    """The admin who sees the desk as this person, reading only."""

    @property
    def viewer(self) -> UUID | None:
        """Who sees the desk as this person, if somebody does."""
        return self.viewed_by.id if self.viewed_by is not None else None

    @property
    def viewer_name(self) -> str | None:
        """The name of whoever sees the desk as this person."""
        return self.viewed_by.name if self.viewed_by is not None else None

    @property
    def sees_everything(self) -> bool:
        """Whether every operator's rows are the actor's to see; they are the system's."""
        return self.kind is ActorKind.SYSTEM or (self.role is not None and REACH[self.role].rows is Extent.EVERY)

    @property
    def sees_all_enquiries(self) -> bool:
        """Whether every operator's enquiries are: demand is the company's to read too (rule Z4)."""
        return self.sees_everything or (self.role is not None and REACH[self.role].enquiries is Extent.EVERY)

    def reaches(self, operator_id: UUID) -> bool:
        """Whether an operator's rows are the actor's to see; ``db.tenancy.owned_by`` asks the same in SQL."""
        return self.sees_everything or operator_id == self.operator_id

    def reads_enquiries_of(self, operator_id: UUID) -> bool:
        """Whether an operator's enquiries are the actor's to read."""
        return self.sees_all_enquiries or self.reaches(operator_id)

    def may(self, permission: Permission) -> bool:
        """Whether the actor's role carries the permission; the system may do anything."""
        if self.kind is ActorKind.SYSTEM:
            return True
        return self.role is not None and permission in GRANTS[self.role]


SYSTEM = Actor(kind=ActorKind.SYSTEM, id=None, name="system", role=None, operator_id=None)
"""The desk acting by itself: expiry, auto-approval, issuing."""
