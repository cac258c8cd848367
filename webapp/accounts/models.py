"""People who sign in, and the browsers they are signed in with."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.actor import Role
from webapp.core.ids import COMPANY_ID
from webapp.db.base import Base, owned_key, owned_table, word


class User(Base):
    """A person with a role at one operator. Franchise roles belong to a franchise, all others to the company."""

    __tablename__ = "users"
    __table_args__ = owned_table(
        CheckConstraint(
            f"(role IN ('franchise_staff', 'franchise_manager')) = (operator_id <> '{COMPANY_ID}')",
            name="role_fits_operator",
        ),
        CheckConstraint("email = lower(email) AND position('@' in email) > 1", name="email"),
        Index("uq_users_email", "email", unique=True),
        Index("uq_users_fs_uniquifier", "fs_uniquifier", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[Role] = mapped_column(word(Role, "role"))
    password: Mapped[str] = mapped_column(String(255))
    """An argon2id hash."""
    fs_uniquifier: Mapped[str] = mapped_column(String(64))
    """Changes when every session of the account must end."""
    active: Mapped[bool] = mapped_column(default=True)
    locale: Mapped[str] = mapped_column(String(12), default="en")
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]


class SignInSession(Base):
    """One signed-in browser. The cookie holds the token, the row only its SHA-256."""

    __tablename__ = "sign_in_sessions"
    __table_args__ = (
        owned_key("user_id", "users", ondelete="CASCADE"),
        Index("uq_sign_in_sessions_token_hash", "token_hash", unique=True),
        Index("ix_sign_in_sessions_user_id", "user_id"),
        Index("ix_sign_in_sessions_ends_at", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    user_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    """The absolute limit; the idle limit counts from ``last_seen_at``."""
    device: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(64))
