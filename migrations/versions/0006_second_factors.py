"""Second factors, passkeys, invitations, and letters about accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "passkey_challenges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("challenge", sa.LargeBinary(length=64), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "register",
                "sign_in",
                "second_factor",
                "step_up",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey_challenges")),
    )
    op.create_index("ix_passkey_challenges_ends_at", "passkey_challenges", ["ends_at"], unique=False)
    op.create_index("uq_passkey_challenges_token_hash", "passkey_challenges", ["token_hash"], unique=True)
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "franchise_staff",
                "franchise_manager",
                "company_staff",
                "admin",
                "auditor",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("locale", sa.String(length=12), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("invited_by_name", sa.String(length=120), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "accepted",
                "withdrawn",
                "expired",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(role IN ('franchise_staff', 'franchise_manager')) = (operator_id <> '00000000-0000-7000-8000-000000000001')",
            name=op.f("ck_invitations_role_fits_operator"),
        ),
        sa.CheckConstraint("(state = 'accepted') = (accepted_at IS NOT NULL)", name=op.f("ck_invitations_accepted")),
        sa.CheckConstraint("email = lower(email) AND position('@' in email) > 1", name=op.f("ck_invitations_email")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_invitations_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_invitations_operator_id_id")),
    )
    op.create_index(
        "ix_invitations_expires_at",
        "invitations",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "uq_invitations_open_operator_id_email",
        "invitations",
        ["operator_id", "email"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "invitation",
                "reset",
                "password_changed",
                "second_factor_changed",
                "account_changed",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("locale", sa.String(length=12), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "sent",
                "dropped",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=400), nullable=True),
        sa.CheckConstraint("(kind = 'invitation') = (invitation_id IS NOT NULL)", name=op.f("ck_letters_invitation")),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_letters_sent")),
        sa.CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name=op.f("ck_letters_lease")),
        sa.ForeignKeyConstraint(
            ["operator_id", "invitation_id"],
            ["invitations.operator_id", "invitations.id"],
            name=op.f("fk_letters_operator_id_invitation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "user_id"],
            ["users.operator_id", "users.id"],
            name=op.f("fk_letters_operator_id_user_id"),
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_letters_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_letters_operator_id_id")),
    )
    op.create_index("ix_letters_created_at", "letters", ["created_at"], unique=False)
    op.create_index("ix_letters_invitation_id", "letters", ["invitation_id"], unique=False)
    op.create_index(
        "ix_letters_pending", "letters", ["next_at"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index("ix_letters_user_id", "letters", ["user_id"], unique=False)
    op.create_table(
        "link_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("invitation", "reset", name="purpose", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(purpose = 'invitation') = (invitation_id IS NOT NULL)", name=op.f("ck_link_tokens_invitation")
        ),
        sa.CheckConstraint("(purpose = 'reset') = (user_id IS NOT NULL)", name=op.f("ck_link_tokens_reset")),
        sa.ForeignKeyConstraint(
            ["operator_id", "invitation_id"],
            ["invitations.operator_id", "invitations.id"],
            name=op.f("fk_link_tokens_operator_id_invitation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "user_id"],
            ["users.operator_id", "users.id"],
            name=op.f("fk_link_tokens_operator_id_user_id"),
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_link_tokens_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_tokens")),
    )
    op.create_index("ix_link_tokens_expires_at", "link_tokens", ["expires_at"], unique=False)
    op.create_index("ix_link_tokens_invitation_id", "link_tokens", ["invitation_id"], unique=False)
    op.create_index("ix_link_tokens_user_id", "link_tokens", ["user_id"], unique=False)
    op.create_index("uq_link_tokens_token_hash", "link_tokens", ["token_hash"], unique=True)
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.ARRAY(sa.String(length=16)), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id", "user_id"],
            ["users.operator_id", "users.id"],
            name=op.f("fk_passkeys_operator_id_user_id"),
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"], unique=False)
    op.create_index("uq_passkeys_credential_id", "passkeys", ["credential_id"], unique=True)
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id", "user_id"],
            ["users.operator_id", "users.id"],
            name=op.f("fk_recovery_codes_operator_id_user_id"),
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
    )
    op.create_index("uq_recovery_codes_user_id_code_hash", "recovery_codes", ["user_id", "code_hash"], unique=True)
    op.add_column(
        "sign_in_sessions",
        sa.Column(
            "stage",
            sa.Enum(
                "open", "second_factor", "enrolment", name="stage", native_enum=False, create_constraint=True, length=32
            ),
            server_default=sa.text("'open'"),
            nullable=False,
        ),
    )
    op.add_column(
        "sign_in_sessions",
        sa.Column("method", sa.String(length=40), server_default=sa.text("'password'"), nullable=False),
    )
    op.add_column("sign_in_sessions", sa.Column("second_factor_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sign_in_sessions", sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("sign_in_sessions", sa.Column("view_as_id", sa.Uuid(), nullable=True))
    op.add_column("sign_in_sessions", sa.Column("view_as_until", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_sign_in_sessions_view_as"), "sign_in_sessions", "(view_as_id IS NULL) = (view_as_until IS NULL)"
    )
    op.add_column("users", sa.Column("totp_secret", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("totp_counter", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "totp_counter")
    op.drop_column("users", "totp_secret")
    op.drop_column("sign_in_sessions", "view_as_until")
    op.drop_column("sign_in_sessions", "view_as_id")
    op.drop_column("sign_in_sessions", "tries")
    op.drop_column("sign_in_sessions", "second_factor_at")
    op.drop_column("sign_in_sessions", "method")
    op.drop_column("sign_in_sessions", "stage")
    op.drop_index("uq_recovery_codes_user_id_code_hash", table_name="recovery_codes")
    op.drop_table("recovery_codes")
    op.drop_index("uq_passkeys_credential_id", table_name="passkeys")
    op.drop_index("ix_passkeys_user_id", table_name="passkeys")
    op.drop_table("passkeys")
    op.drop_index("uq_link_tokens_token_hash", table_name="link_tokens")
    op.drop_index("ix_link_tokens_user_id", table_name="link_tokens")
    op.drop_index("ix_link_tokens_invitation_id", table_name="link_tokens")
    op.drop_index("ix_link_tokens_expires_at", table_name="link_tokens")
    op.drop_table("link_tokens")
    op.drop_index("ix_letters_user_id", table_name="letters")
    op.drop_index("ix_letters_pending", table_name="letters", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index("ix_letters_invitation_id", table_name="letters")
    op.drop_index("ix_letters_created_at", table_name="letters")
    op.drop_table("letters")
    op.drop_index(
        "uq_invitations_open_operator_id_email", table_name="invitations", postgresql_where=sa.text("state = 'open'")
    )
    op.drop_index("ix_invitations_expires_at", table_name="invitations", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("invitations")
    op.drop_index("uq_passkey_challenges_token_hash", table_name="passkey_challenges")
    op.drop_index("ix_passkey_challenges_ends_at", table_name="passkey_challenges")
    op.drop_table("passkey_challenges")
