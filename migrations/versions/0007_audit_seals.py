"""Seals beside the audit's entries: one chain of hashes.

Nobody but the migrating role may change or remove a seal, as with the entries themselves.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_seals")),
    )
    op.create_index("uq_audit_seals_entry_id", "audit_seals", ["entry_id"], unique=True)
    op.execute(f"REVOKE UPDATE, DELETE ON audit_seals FROM {APP_ROLE}")


def downgrade() -> None:
    op.drop_index("uq_audit_seals_entry_id", table_name="audit_seals")
    op.drop_table("audit_seals")
