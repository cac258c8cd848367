"""A session may have a booked slot and a held one, a booking an approved trainer and a proposed one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The older schema knows no proposal beside the trainer a booking has: those that are open are taken back.
CLOSE = """
UPDATE assignments SET status = 'withdrawn', decided_at = now(), decided_by_name = 'system', version = version + 1
WHERE status = 'proposed' AND kind <> 'course'
"""
RELEASE = "DELETE FROM schedule_slots WHERE assignment_id IN (SELECT id FROM assignments WHERE status = 'withdrawn')"


def upgrade() -> None:
    op.add_column("assignments", sa.Column("purpose", sa.String(length=400), nullable=True))
    # The new ones first: no moment without a safeguard, and the old index of live assignments implies the new one.
    op.create_index(
        "uq_assignments_live_booking_id_status",
        "assignments",
        ["booking_id", "status"],
        unique=True,
        postgresql_where=sa.text("status IN ('proposed', 'approved') AND kind <> 'substitute'"),
    )
    op.drop_index("uq_assignments_live_course_booking_id", table_name="assignments")
    op.create_unique_constraint(
        "uq_schedule_slots_course_session_id_status", "schedule_slots", ["course_session_id", "status"]
    )
    op.drop_constraint("uq_schedule_slots_course_session_id", "schedule_slots", type_="unique")


def downgrade() -> None:
    op.execute(CLOSE)
    op.execute(RELEASE)
    op.create_unique_constraint("uq_schedule_slots_course_session_id", "schedule_slots", ["course_session_id"])
    op.drop_constraint("uq_schedule_slots_course_session_id_status", "schedule_slots", type_="unique")
    op.create_index(
        "uq_assignments_live_course_booking_id",
        "assignments",
        ["booking_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('proposed', 'approved') AND kind <> 'substitute'"),
    )
    op.drop_index("uq_assignments_live_booking_id_status", table_name="assignments")
    op.drop_column("assignments", "purpose")
