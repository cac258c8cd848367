"""Certificates go by letter and in batches: two promise rows, and what is asked of them across operators."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"

# As in 0009.
TENANT = "(SELECT NULLIF(current_setting('app.operator_id', true), '')::uuid)"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"
OWN = f"(operator_id = {TENANT} OR {EVERYTHING})"

READ_ACROSS = {
    "certificate_letters": "id, operator_id, state, next_at, lease_until",
    "certificate_batches": "id, operator_id, state, asked_at, expires_at, next_at, lease_until",
}
FREE = "{0}.next_at <= by_instant AND ({0}.lease_until IS NULL OR {0}.lease_until <= by_instant)"
FUNCTIONS = {
    "certificate_letters_due(by_instant timestamptz, at_most integer)": (
        "TABLE (id uuid, operator_id uuid)",
        f"""
    SELECT l.id, l.operator_id
    FROM certificate_letters l
    WHERE l.state = 'pending' AND {FREE.format("l")}
    ORDER BY l.next_at, l.id
    LIMIT at_most""",
    ),
    "certificate_letters_in_trouble(by_instant timestamptz)": (
        "TABLE (late bigint, failed bigint)",
        f"""
    SELECT count(*) FILTER (WHERE l.state = 'pending' AND {FREE.format("l")}), count(*) FILTER (WHERE l.state = 'failed')
    FROM certificate_letters l
    WHERE l.state IN ('pending', 'failed')""",
    ),
    "certificate_batches_due(by_instant timestamptz, at_most integer)": (
        "TABLE (id uuid, operator_id uuid)",
        f"""
    SELECT b.id, b.operator_id
    FROM certificate_batches b
    WHERE b.state = 'pending' AND {FREE.format("b")}
    ORDER BY b.next_at, b.id
    LIMIT at_most""",
    ),
    "certificate_batches_over(by_instant timestamptz, at_most integer)": (
        "TABLE (id uuid, operator_id uuid)",
        """
    SELECT b.id, b.operator_id
    FROM certificate_batches b
    WHERE (b.state = 'ready' AND b.expires_at <= by_instant)
       OR (b.state IN ('failed', 'gone') AND b.asked_at <= by_instant - interval '30 days')
    ORDER BY b.asked_at, b.id
    LIMIT at_most""",
    ),
}
"""The questions asked across operators: what each answers, and how."""


def words(name: str, *values: str) -> sa.Enum:
    """A column of one of some words."""
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.create_table(
        "certificate_letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("guardian_id", sa.Uuid(), nullable=False),
        sa.Column("occasion", sa.String(length=16), nullable=False),
        sa.Column("state", words("state", "pending", "sent", "dropped", "failed"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=400), nullable=True),
        sa.CheckConstraint("occasion ~ '^(issued|asked-[1-9][0-9]?)$'", name=op.f("ck_certificate_letters_occasion")),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_certificate_letters_sent")),
        sa.CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name=op.f("ck_certificate_letters_lease")),
        sa.ForeignKeyConstraint(
            ["operator_id", "certificate_id"],
            ["certificates.operator_id", "certificates.id"],
            name=op.f("fk_certificate_letters_operator_id_certificate_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "guardian_id"],
            ["guardians.operator_id", "guardians.id"],
            name=op.f("fk_certificate_letters_operator_id_guardian_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_letters")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_certificate_letters_operator_id_id")),
    )
    op.create_index(
        "uq_certificate_letters_once", "certificate_letters", ["certificate_id", "guardian_id", "occasion"], unique=True
    )
    op.create_index("ix_certificate_letters_guardian_id", "certificate_letters", ["guardian_id"])
    op.create_index(
        "ix_certificate_letters_pending",
        "certificate_letters",
        ["next_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_certificate_letters_failed",
        "certificate_letters",
        ["operator_id", "created_at"],
        postgresql_where=sa.text("state = 'failed'"),
    )
    op.create_table(
        "certificate_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("kind", words("kind", "pdf", "zip"), nullable=False),
        sa.Column("state", words("state", "pending", "ready", "failed", "gone"), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("items", postgresql.JSONB(), nullable=False),
        sa.Column("chosen", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("included", sa.Integer(), nullable=False),
        sa.Column("left_out", postgresql.JSONB(), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=400), nullable=True),
        sa.CheckConstraint("(state = 'ready') = (file_sha256 IS NOT NULL)", name=op.f("ck_certificate_batches_file")),
        sa.CheckConstraint(
            "state <> 'ready' OR (expires_at IS NOT NULL AND size IS NOT NULL)",
            name=op.f("ck_certificate_batches_ready"),
        ),
        sa.CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name=op.f("ck_certificate_batches_lease")),
        sa.CheckConstraint(
            "chosen BETWEEN 1 AND 1000 AND done BETWEEN 0 AND chosen", name=op.f("ck_certificate_batches_done")
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_certificate_batches_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_batches")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_certificate_batches_operator_id_id")),
    )
    op.create_index("ix_certificate_batches_asked_by_asked_at", "certificate_batches", ["asked_by", "asked_at"])
    op.create_index("ix_certificate_batches_asked_at", "certificate_batches", ["asked_at"])
    op.create_index(
        "ix_certificate_batches_pending",
        "certificate_batches",
        ["next_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_certificate_batches_ready",
        "certificate_batches",
        ["expires_at"],
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_certificate_batches_items",
        "certificate_batches",
        ["items"],
        postgresql_using="gin",
        postgresql_ops={"items": "jsonb_path_ops"},
    )
    for table in READ_ACROSS:
        op.execute(f"CREATE POLICY of_operator ON {table} USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    for table, columns in READ_ACROSS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {LOOKUP_ROLE}")
        op.execute(f"CREATE POLICY looked_up ON {table} FOR SELECT TO {LOOKUP_ROLE} USING (true)")
    for signature, (answer, question) in FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS {answer} LANGUAGE sql STABLE SECURITY DEFINER"
            f" SET search_path = pg_catalog, public, pg_temp AS $${question}$$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")
        op.execute(f"ALTER FUNCTION {signature} OWNER TO {LOOKUP_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP_ROLE}")


def downgrade() -> None:
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    for table, columns in READ_ACROSS.items():
        op.execute(f"DROP POLICY looked_up ON {table}")
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM {LOOKUP_ROLE}")
    op.drop_table("certificate_batches")
    op.drop_table("certificate_letters")
