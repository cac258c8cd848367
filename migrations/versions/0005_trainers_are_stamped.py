"""Trainers carry a stamp that every change of what is decided from renews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("schedule_slots", "time_off", "working_hours", "trainer_courses", "trainer_zones")
EVENTS = {
    "INSERT": ("NEW TABLE AS changed", "renew_stamps_of_trainers"),
    "DELETE": ("OLD TABLE AS changed", "renew_stamps_of_trainers"),
    "UPDATE": ("OLD TABLE AS was NEW TABLE AS is_now", "renew_stamps_of_both_trainers"),
}

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

CREATE FUNCTION renew_stamps_of_both_trainers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE trainers SET stamp = gen_random_uuid()
    WHERE id IN (SELECT trainer_id FROM was UNION SELECT trainer_id FROM is_now);
    RETURN NULL;
END $$;

CREATE TRIGGER renew_stamp BEFORE UPDATE ON trainers FOR EACH ROW EXECUTE FUNCTION renew_trainer_stamp();
"""


def upgrade() -> None:
    op.execute("ALTER TABLE trainers SET (fillfactor = 70)")  # before the column, which writes every row anew
    op.add_column(
        "trainers", sa.Column("stamp", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)
    )
    op.execute(RENEW)
    for table in TABLES:
        for event, (rows, function) in EVENTS.items():
            op.execute(
                f"CREATE TRIGGER renew_stamps_{event.lower()} AFTER {event} ON {table} REFERENCING {rows}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )


def downgrade() -> None:
    for table in TABLES:
        for event in EVENTS:
            op.execute(f"DROP TRIGGER renew_stamps_{event.lower()} ON {table}")
    op.execute("DROP TRIGGER renew_stamp ON trainers")
    for function in ("renew_stamps_of_both_trainers", "renew_stamps_of_trainers", "renew_trainer_stamp"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_column("trainers", "stamp")
    op.execute("ALTER TABLE trainers RESET (fillfactor)")
