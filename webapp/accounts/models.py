"""People who sign in, and the browsers they are signed in with."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.accounts.rules import (
    ChallengePurpose,
    InvitationState,
    LetterKind,
    LetterState,
    LinkPurpose,
    SignInStage,
)
from webapp.core.actor import Role
from webapp.core.ids import COMPANY_ID
from webapp.db.base import Base, owned_key, owned_table, whole_lease, word
from webapp.db.promises import RetriedPromise


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
    totp_secret: Mapped[str | None] = mapped_column(Text)
    """The shared secret of an authenticator app (RFC 6238), encrypted with a key that the database does not have."""
    totp_counter: Mapped[int | None] = mapped_column(BigInteger)
    """The time step of the last code that was accepted: no code is good twice."""


class SignInSession(Base):
    """One signed-in browser. The cookie holds the token, the row only its SHA-256."""

    __tablename__ = "sign_in_sessions"
    __table_args__ = (
        owned_key("user_id", "users", ondelete="CASCADE"),
        CheckConstraint("(view_as_id IS NULL) = (view_as_until IS NULL)", name="view_as"),
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
    stage: Mapped[SignInStage] = mapped_column(
        word(SignInStage, "stage"), default=SignInStage.OPEN, server_default=text("'open'")
    )
    method: Mapped[str] = mapped_column(String(40), default="password", server_default=text("'password'"))
    """How the person proved who they are: ``password``, ``password+totp``, ``password+recovery``,
    ``password+passkey`` or ``passkey``."""
    second_factor_at: Mapped[datetime | None]
    """When a second factor was last given: acts of weight want a fresh one."""
    tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Wrong second factors so far; after a few the password is asked again."""
    view_as_id: Mapped[UUID | None]
    """Whom an admin looks at the desk as, reading only. No foreign key: it may be another operator's user."""
    view_as_until: Mapped[datetime | None]
    """When that ends by itself."""


class RecoveryCode(Base):
    """One of the codes that stand in for a lost second factor, each good once. 120 random bits; the row has a hash."""

    __tablename__ = "recovery_codes"
    __table_args__ = (
        owned_key("user_id", "users", ondelete="CASCADE", onupdate="CASCADE"),
        Index("uq_recovery_codes_user_id_code_hash", "user_id", "code_hash", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    user_id: Mapped[UUID]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Passkey(Base):
    """A WebAuthn credential of a person: the public half, and what is needed to recognise its authenticator."""

    __tablename__ = "passkeys"
    __table_args__ = (
        owned_key("user_id", "users", ondelete="CASCADE", onupdate="CASCADE"),
        Index("uq_passkeys_credential_id", "credential_id", unique=True),
        Index("ix_passkeys_user_id", "user_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    user_id: Mapped[UUID]
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023))
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    """COSE_Key, as the authenticator made it."""
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[list[str]] = mapped_column(ARRAY(String(16)))
    backed_up: Mapped[bool]
    name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class PasskeyChallenge(Base):
    """What an authenticator is to sign, good once and for some minutes. The browser holds a token, the row its hash."""

    __tablename__ = "passkey_challenges"
    __table_args__ = (
        Index("uq_passkey_challenges_token_hash", "token_hash", unique=True),
        Index("ix_passkey_challenges_ends_at", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    challenge: Mapped[bytes] = mapped_column(LargeBinary(64))
    purpose: Mapped[ChallengePurpose] = mapped_column(word(ChallengePurpose, "purpose"))
    user_id: Mapped[UUID | None]
    """Whose passkey is awaited; nobody's yet when somebody signs in with a passkey alone."""
    ends_at: Mapped[datetime]


class Invitation(Base):
    """Somebody asked to join an operator's desk. The account is made when they accept, not before."""

    __tablename__ = "invitations"
    __table_args__ = owned_table(
        CheckConstraint(
            f"(role IN ('franchise_staff', 'franchise_manager')) = (operator_id <> '{COMPANY_ID}')",
            name="role_fits_operator",
        ),
        CheckConstraint("email = lower(email) AND position('@' in email) > 1", name="email"),
        CheckConstraint("(state = 'accepted') = (accepted_at IS NOT NULL)", name="accepted"),
        Index(
            "uq_invitations_open_operator_id_email",
            "operator_id",
            "email",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_invitations_expires_at", "expires_at", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[Role] = mapped_column(word(Role, "role"))
    locale: Mapped[str] = mapped_column(String(12), default="en")
    invited_by: Mapped[UUID | None]
    invited_by_name: Mapped[str] = mapped_column(String(120))
    state: Mapped[InvitationState] = mapped_column(word(InvitationState, "state"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]


class Letter(RetriedPromise, Base):
    """A letter to be sent about an account: the row is the promise, a job sends it.

    What was asked for a forgotten password is such a row whether the address is known or not, so both take the same
    statements; the job finds out. Links are made when the letter is sent, so no secret waits in a row.
    """

    __tablename__ = "letters"
    __table_args__ = owned_table(
        owned_key("user_id", "users", ondelete="CASCADE", onupdate="CASCADE"),
        owned_key("invitation_id", "invitations", ondelete="CASCADE"),
        CheckConstraint("(kind = 'invitation') = (invitation_id IS NOT NULL)", name="invitation"),
        whole_lease(),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent"),
        Index("ix_letters_pending", "next_at", postgresql_where=text("state = 'pending'")),
        Index("ix_letters_user_id", "user_id"),
        Index("ix_letters_invitation_id", "invitation_id"),
        Index("ix_letters_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    """For a forgotten password the company's: at that moment nobody knows whose account it is, if any."""
    kind: Mapped[LetterKind] = mapped_column(word(LetterKind, "kind"))
    email: Mapped[str] = mapped_column(String(254))
    locale: Mapped[str] = mapped_column(String(12))
    user_id: Mapped[UUID | None]
    invitation_id: Mapped[UUID | None]
    state: Mapped[LetterState] = mapped_column(word(LetterState, "state"))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class LinkToken(Base):
    """What a link in a letter carries: 256 random bits in the letter, their SHA-256 in the row, good once."""

    __tablename__ = "link_tokens"
    __table_args__ = (
        owned_key("user_id", "users", ondelete="CASCADE", onupdate="CASCADE"),
        owned_key("invitation_id", "invitations", ondelete="CASCADE"),
        CheckConstraint("(purpose = 'reset') = (user_id IS NOT NULL)", name="reset"),
        CheckConstraint("(purpose = 'invitation') = (invitation_id IS NOT NULL)", name="invitation"),
        Index("uq_link_tokens_token_hash", "token_hash", unique=True),
        Index("ix_link_tokens_user_id", "user_id"),
        Index("ix_link_tokens_invitation_id", "invitation_id"),
        Index("ix_link_tokens_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    purpose: Mapped[LinkPurpose] = mapped_column(word(LinkPurpose, "purpose"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    user_id: Mapped[UUID | None]
    invitation_id: Mapped[UUID | None]
    email: Mapped[str] = mapped_column(String(254))
    """The address the letter went to: after that has changed, the link is good for nothing."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
