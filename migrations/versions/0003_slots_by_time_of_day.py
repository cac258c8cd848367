"""Slots are found by time of day."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = "ix_schedule_slots_trainer_id_timeslot_date"


def upgrade() -> None:
    op.create_index(NAME, "schedule_slots", ["trainer_id", "timeslot", "date"])


def downgrade() -> None:
    op.drop_index(NAME, table_name="schedule_slots")
