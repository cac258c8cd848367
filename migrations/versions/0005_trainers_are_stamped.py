"""Trainers carry a stamp that every change of what is decided from renews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("schedule_slots", "time_off", "working_hours", "trainer_courses", "trainer_zones")
EVENTS = (
    ("insert", "INSERT", "NEW"),
    ("delete", "DELETE", "OLD"),
    ("update_from", "UPDATE", "OLD"),
    ("update_to", "UPDATE", "NEW"),
)

# Written by whoever changes the row: slots are only written under the trainer's row lock, so this waits for nobody.
RENEW = """
CREATE FUNCTION renew_trainer_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stamp := gen_random_uuid();
    RETURN NEW;
END $$;

CREATE FUNCTION renew_stamps_of_trainers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE trainers SET stamp = gen_random_uuid() WHERE id IN (SELECT trainer_id FROM changed);
    RETURN NULL;
END $$;

CREATE TRIGGER renew_stamp BEFORE UPDATE ON trainers FOR EACH ROW EXECUTE FUNCTION renew_trainer_stamp();
"""


def upgrade() -> None:
    op.add_column(
        "trainers", sa.Column("stamp", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)
    )
    op.execute("ALTER TABLE trainers SET (fillfactor = 70)")
    op.execute(RENEW)
    for table in TABLES:
        for name, event, rows in EVENTS:
            op.execute(
                f"CREATE TRIGGER renew_stamps_{name} AFTER {event} ON {table} REFERENCING {rows} TABLE AS changed"
                " FOR EACH STATEMENT EXECUTE FUNCTION renew_stamps_of_trainers()"
            )


def downgrade() -> None:
    for table in TABLES:
        for name, _event, _rows in EVENTS:
            op.execute(f"DROP TRIGGER renew_stamps_{name} ON {table}")
    op.execute("DROP TRIGGER renew_stamp ON trainers")
    op.execute("DROP FUNCTION renew_stamps_of_trainers()")
    op.execute("DROP FUNCTION renew_trainer_stamp()")
    op.execute("ALTER TABLE trainers RESET (fillfactor)")
    op.drop_column("trainers", "stamp")
