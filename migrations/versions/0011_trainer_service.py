"""The roster comes from a trainer service: what it says, how the synchronisation goes, and which approvals relied on it.

The tables of the synchronisation are nobody's and everybody's: admins and the desk itself see them, operators see what
became of it on their roster. The one row of the service's state is there from here on; everybody may read how fresh it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# As in 0009.
TENANT = "(SELECT NULLIF(current_setting('app.operator_id', true), '')::uuid)"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"
OWN = f"(operator_id = {TENANT} OR {EVERYTHING})"

POLICIES = {
    "roster_versions": (OWN, OWN),
    "trainer_service_state": ("true", EVERYTHING),
    "trainer_service_records": (EVERYTHING, EVERYTHING),
    "trainer_service_links": (EVERYTHING, EVERYTHING),
    "trainer_service_hooks": (EVERYTHING, EVERYTHING),
    "trainer_sync_runs": (EVERYTHING, EVERYTHING),
    "trainer_sync_changes": (EVERYTHING, EVERYTHING),
}
"""The new tables, as (who reads, who writes)."""

CHECKS = {
    ("trainers", "left"): "left_at IS NULL OR NOT active",
    ("trainers", "service_fields"): "service_id IS NOT NULL OR service_fields = '{}'",
    ("trainers", "held_back"): "(held_back_code IS NULL) = (held_back_at IS NULL)",
    ("assignments", "recheck"): "recheck_outcome IS NULL OR recheck_since IS NOT NULL",
    ("assignments", "rechecked"): "(recheck_outcome IS NULL) = (rechecked_at IS NULL)",
    ("assignments", "recheck_outcome"): "recheck_outcome IN ('confirmed', 'left', 'not_certified', 'not_in_zone')",
}

# What the pages of the roster show. A statement's rows at once where the server allows it; a changed trainer one by one,
# because every booking renews the stamp of one, and that is nothing the pages show: WHEN keeps it from costing anything.
SHOWN = ("name", "active", "time_zone", "base_lat", "service_id", "held_back_at", "left_at")
LISTS = ("trainer_courses", "trainer_zones", "working_hours")
EVENTS = {"INSERT": "NEW TABLE AS changed", "DELETE": "OLD TABLE AS changed"}

COUNT_UP = """
CREATE FUNCTION count_up_roster(of_operators uuid[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO roster_versions AS r (operator_id) SELECT DISTINCT o FROM unnest(of_operators) AS o ORDER BY o
    ON CONFLICT (operator_id) DO UPDATE SET version = r.version + 1
$$;

CREATE FUNCTION count_up_rosters_of_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_up_roster(ARRAY(SELECT DISTINCT operator_id FROM changed));
    RETURN NULL;
END $$;

CREATE FUNCTION count_up_roster_of_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_up_roster(ARRAY[NEW.operator_id]);
    RETURN NULL;
END $$;

CREATE FUNCTION count_up_roster_of_operator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_up_roster(ARRAY[NEW.id]);
    RETURN NULL;
END $$;

CREATE FUNCTION count_up_every_roster() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_up_roster(ARRAY(SELECT id FROM operators));
    RETURN NULL;
END $$;
"""
RENAMED = {
    "zones": "count_up_roster_of_row",
    "operators": "count_up_roster_of_operator",
    "courses": "count_up_every_roster",
}


def upgrade() -> None:
    op.create_table(
        "trainer_service_hooks",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainer_service_hooks")),
    )
    op.create_index("ix_trainer_service_hooks_received_at", "trainer_service_hooks", ["received_at"], unique=False)
    op.create_table(
        "trainer_service_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "contract",
            sa.Enum("bulk", "legacy", name="contract", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=True),
        sa.Column("etag", sa.String(length=200), nullable=True),
        sa.Column("etag_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fresh_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_tokens", sa.Double(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_trainer_service_state_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainer_service_state")),
    )
    op.create_table(
        "trainer_sync_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("full", "delta", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "cause",
            sa.Enum(
                "schedule", "person", "webhook", name="cause", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("requested_by_name", sa.String(length=120), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accept_shrink", sa.Boolean(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "running",
                "done",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "contract",
            sa.Enum("bulk", "legacy", name="contract", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.String(length=1100), nullable=True),
        sa.Column("newest", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.Column("errors", postgresql.JSONB(), nullable=False),
        sa.Column("problem", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name=op.f("ck_trainer_sync_runs_finished")
        ),
        sa.CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name=op.f("ck_trainer_sync_runs_lease")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainer_sync_runs")),
    )
    op.create_index("ix_trainer_sync_runs_requested_at", "trainer_sync_runs", ["requested_at"], unique=False)
    op.create_index(
        "uq_trainer_sync_runs_open",
        "trainer_sync_runs",
        [sa.literal_column("(true)")],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.create_table(
        "roster_versions",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_roster_versions_operator_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("operator_id", name=op.f("pk_roster_versions")),
    )
    op.create_table(
        "trainer_sync_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "added",
                "changed",
                "refused",
                "gone",
                "returned",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["trainer_sync_runs.id"], name=op.f("fk_trainer_sync_changes_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainer_sync_changes")),
    )
    op.create_index("ix_trainer_sync_changes_run_id", "trainer_sync_changes", ["run_id"], unique=False)
    op.create_table(
        "trainer_service_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "franchise",
                "zone",
                "course",
                "trainer",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("external_id", sa.String(length=128), nullable=False),
        sa.Column("to_operator_id", sa.Uuid(), nullable=True),
        sa.Column("to_zone_id", sa.Uuid(), nullable=True),
        sa.Column("to_course_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_by_name", sa.String(length=120), nullable=False),
        sa.CheckConstraint(
            "(kind = 'course') = (to_course_id IS NOT NULL)", name=op.f("ck_trainer_service_links_to_course")
        ),
        sa.CheckConstraint("(kind = 'zone') = (to_zone_id IS NOT NULL)", name=op.f("ck_trainer_service_links_to_zone")),
        sa.CheckConstraint(
            "(kind IN ('franchise', 'trainer')) = (to_operator_id IS NOT NULL)",
            name=op.f("ck_trainer_service_links_to_operator"),
        ),
        sa.CheckConstraint("external_id <> ''", name=op.f("ck_trainer_service_links_external_id")),
        sa.ForeignKeyConstraint(["to_course_id"], ["courses.id"], name=op.f("fk_trainer_service_links_to_course_id")),
        sa.ForeignKeyConstraint(
            ["to_operator_id"], ["operators.id"], name=op.f("fk_trainer_service_links_to_operator_id")
        ),
        sa.ForeignKeyConstraint(["to_zone_id"], ["zones.id"], name=op.f("fk_trainer_service_links_to_zone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainer_service_links")),
        sa.UniqueConstraint("kind", "external_id", name=op.f("uq_trainer_service_links_kind_external_id")),
    )
    op.create_table(
        "trainer_service_records",
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=True),
        sa.Column("said", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_code", sa.String(length=64), nullable=True),
        sa.Column("refused_facts", postgresql.JSONB(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notes", postgresql.JSONB(), nullable=False),
        sa.Column("seen_run", sa.Uuid(), nullable=True),
        sa.Column("missed_runs", sa.Integer(), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(refused_code IS NULL) = (refused_at IS NULL)", name=op.f("ck_trainer_service_records_refused")
        ),
        sa.CheckConstraint("missed_runs >= 0", name=op.f("ck_trainer_service_records_missed_runs")),
        sa.ForeignKeyConstraint(
            ["trainer_id"], ["trainers.id"], name=op.f("fk_trainer_service_records_trainer_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_trainer_service_records")),
    )
    op.create_index("ix_trainer_service_records_detail_at", "trainer_service_records", ["detail_at"], unique=False)
    op.create_index(
        "ix_trainer_service_records_refused_at",
        "trainer_service_records",
        ["refused_at"],
        unique=False,
        postgresql_where=sa.text("refused_at IS NOT NULL"),
    )
    op.create_index("ix_trainer_service_records_trainer_id", "trainer_service_records", ["trainer_id"], unique=False)
    op.add_column("assignments", sa.Column("recheck_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("assignments", sa.Column("rechecked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("assignments", sa.Column("recheck_outcome", sa.String(length=32), nullable=True))
    op.create_index(
        "ix_assignments_recheck_since",
        "assignments",
        ["recheck_since"],
        unique=False,
        postgresql_where=sa.text("recheck_since IS NOT NULL AND rechecked_at IS NULL"),
    )
    op.create_index(
        "ix_assignments_recheck_outcome",
        "assignments",
        ["operator_id"],
        unique=False,
        postgresql_where=sa.text("recheck_outcome IS NOT NULL"),
    )
    op.add_column("time_off", sa.Column("from_service", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("trainers", sa.Column("notes", sa.String(length=2000), server_default="", nullable=False))
    op.add_column("trainers", sa.Column("service_id", sa.String(length=64), nullable=True))
    op.add_column(
        "trainers", sa.Column("service_fields", sa.ARRAY(sa.String(length=20)), server_default="{}", nullable=False)
    )
    op.add_column("trainers", sa.Column("held_back_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("trainers", sa.Column("held_back_code", sa.String(length=64), nullable=True))
    op.add_column("trainers", sa.Column("left_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "uq_trainers_service_id",
        "trainers",
        ["service_id"],
        unique=True,
        postgresql_where=sa.text("service_id IS NOT NULL"),
    )
    for (table, name), condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    op.execute(
        "INSERT INTO trainer_service_state (id, next_at, failures, retry_tokens) VALUES (1, '2000-01-01 00:00Z', 0, 0)"
    )
    for table, (reads, writes) in POLICIES.items():
        if reads == writes:
            op.execute(f"CREATE POLICY of_operator ON {table} USING ({reads}) WITH CHECK ({reads})")
        else:
            op.execute(f"CREATE POLICY read_by ON {table} FOR SELECT USING ({reads})")
            op.execute(f"CREATE POLICY insert_by ON {table} FOR INSERT WITH CHECK ({writes})")
            op.execute(f"CREATE POLICY update_by ON {table} FOR UPDATE USING ({writes}) WITH CHECK ({writes})")
            op.execute(f"CREATE POLICY delete_by ON {table} FOR DELETE USING ({writes})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(COUNT_UP)
    for table in ("trainers", *LISTS):
        for event, rows in EVENTS.items():
            op.execute(
                f"CREATE TRIGGER count_up_roster_{event.lower()} AFTER {event} ON {table} REFERENCING {rows}"
                " FOR EACH STATEMENT EXECUTE FUNCTION count_up_rosters_of_changed()"
            )
    was, is_now = (", ".join(f"{row}.{column}" for column in SHOWN) for row in ("OLD", "NEW"))
    op.execute(
        f"CREATE TRIGGER count_up_roster_update AFTER UPDATE ON trainers FOR EACH ROW"
        f" WHEN (({was}) IS DISTINCT FROM ({is_now})) EXECUTE FUNCTION count_up_roster_of_row()"
    )
    for table, function in RENAMED.items():
        op.execute(
            f"CREATE TRIGGER count_up_roster_renamed AFTER UPDATE OF name ON {table} FOR EACH ROW"
            f" WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION {function}()"
        )


def downgrade() -> None:
    for table in RENAMED:
        op.execute(f"DROP TRIGGER count_up_roster_renamed ON {table}")
    op.execute("DROP TRIGGER count_up_roster_update ON trainers")
    for table in ("trainers", *LISTS):
        for event in EVENTS:
            op.execute(f"DROP TRIGGER count_up_roster_{event.lower()} ON {table}")
    for function in (
        "count_up_every_roster()",
        "count_up_roster_of_operator()",
        "count_up_roster_of_row()",
        "count_up_rosters_of_changed()",
        "count_up_roster(uuid[])",
    ):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_index("uq_trainers_service_id", table_name="trainers")
    op.drop_index("ix_assignments_recheck_outcome", table_name="assignments")
    op.drop_index("ix_assignments_recheck_since", table_name="assignments")
    for table, name in CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    for column in ("left_at", "held_back_code", "held_back_at", "service_fields", "service_id", "notes"):
        op.drop_column("trainers", column)
    op.drop_column("time_off", "from_service")
    for column in ("recheck_outcome", "rechecked_at", "recheck_since"):
        op.drop_column("assignments", column)
    for table in (
        "trainer_service_records",
        "trainer_service_links",
        "trainer_sync_changes",
        "roster_versions",
        "trainer_sync_runs",
        "trainer_service_state",
        "trainer_service_hooks",
    ):
        op.drop_table(table)
