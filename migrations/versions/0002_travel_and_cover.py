"""Slots know their place, assignments what they cover, bookings whether they are retried."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KINDS = ("course", "replacement", "substitute")

# A slot's place is that of its booking, unless its session is taught online; its buffer is the zone's.
FILL = """
UPDATE schedule_slots AS slot
SET place_lat = CASE WHEN session.mode = 'offline' THEN booking.lat END,
    place_lng = CASE WHEN session.mode = 'offline' THEN booking.lng END,
    buffer_minutes = zone.travel_buffer_minutes
FROM course_sessions AS session, bookings AS booking, zones AS zone
WHERE session.id = slot.course_session_id AND booking.id = slot.booking_id AND zone.id = booking.zone_id
"""


def successor_key(**deferring: object) -> None:
    """Make the key from a rescheduled session to its successor anew."""
    name, columns = "fk_course_sessions_operator_id_successor_id", ["operator_id", "successor_id"]
    op.drop_constraint(name, "course_sessions", type_="foreignkey")
    op.create_foreign_key(name, "course_sessions", "course_sessions", columns, ["operator_id", "id"], **deferring)


def upgrade() -> None:
    op.add_column("schedule_slots", sa.Column("place_lat", sa.Double(), nullable=True))
    op.add_column("schedule_slots", sa.Column("place_lng", sa.Double(), nullable=True))
    op.add_column("schedule_slots", sa.Column("buffer_minutes", sa.Integer(), nullable=True))
    op.execute(FILL)
    op.alter_column("schedule_slots", "buffer_minutes", nullable=False)
    op.create_check_constraint("place_whole", "schedule_slots", "(place_lat IS NULL) = (place_lng IS NULL)")
    op.create_check_constraint(
        "place", "schedule_slots", "place_lat BETWEEN -90 AND 90 AND place_lng BETWEEN -180 AND 180"
    )
    op.create_check_constraint("buffer", "schedule_slots", "buffer_minutes BETWEEN 0 AND 240")

    op.add_column(
        "assignments",
        sa.Column(
            "kind",
            sa.Enum(*KINDS, name="kind", native_enum=False, create_constraint=True, length=32),
            server_default="course",
            nullable=False,
        ),
    )
    op.drop_index("uq_assignments_live_booking_id", table_name="assignments")
    op.create_index(
        "uq_assignments_live_course_booking_id",
        "assignments",
        ["booking_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('proposed', 'approved') AND kind <> 'substitute'"),
    )
    successor_key(deferrable=True, initially="DEFERRED")
    op.add_column("bookings", sa.Column("retried", sa.Boolean(), server_default=sa.text("true"), nullable=False))


def downgrade() -> None:
    op.drop_column("bookings", "retried")
    successor_key()
    op.drop_index("uq_assignments_live_course_booking_id", table_name="assignments")
    op.execute(
        "DELETE FROM schedule_slots WHERE assignment_id IN (SELECT id FROM assignments WHERE kind = 'substitute')"
    )
    op.execute("DELETE FROM assignments WHERE kind = 'substitute'")
    op.create_index(
        "uq_assignments_live_booking_id",
        "assignments",
        ["booking_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('proposed', 'approved')"),
    )
    op.drop_column("assignments", "kind")
    op.drop_column("schedule_slots", "buffer_minutes")
    op.drop_column("schedule_slots", "place_lng")
    op.drop_column("schedule_slots", "place_lat")
