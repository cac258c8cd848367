"""The audit is searched by time, by person, by what happened and to which kind of thing.

Building an index keeps writers of the audit waiting for as long as it takes, some seconds for a million entries.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_audit_entries_at_id": ["at", "id"],
    "ix_audit_entries_actor_id_at": ["actor_id", "at"],
    "ix_audit_entries_what_at": ["what", "at"],
    "ix_audit_entries_subject_kind_at": ["subject_kind", "at"],
}


def upgrade() -> None:
    for name, columns in _INDEXES.items():
        op.create_index(name, "audit_entries", columns)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, table_name="audit_entries")
