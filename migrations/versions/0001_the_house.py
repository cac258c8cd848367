"""The first tables, the two database roles, and every constraint the rules lean on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


APP_ROLE = "zonedesk_app"
COMPANY_ID = "00000000-0000-7000-8000-000000000001"

# Roles belong to the whole server: another database of it may be migrated at this very moment.
ROLE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN
        CREATE ROLE {APP_ROLE} NOLOGIN;
        GRANT {APP_ROLE} TO CURRENT_USER;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$
"""


class Box(sa.types.UserDefinedType[str]):
    """PostgreSQL's box."""

    def get_col_spec(self, **_: object) -> str:
        """The SQL type's name."""
        return "BOX"


class Ring(sa.types.UserDefinedType[str]):
    """PostgreSQL's polygon."""

    def get_col_spec(self, **_: object) -> str:
        """The SQL type's name."""
        return "POLYGON"


def grant() -> None:
    """Let the serving role read and write rows; it owns nothing and cannot rewrite what must stay."""
    op.execute(f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP_ROLE}")
    op.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP_ROLE}"
    )
    op.execute(f"REVOKE UPDATE, DELETE ON audit_entries FROM {APP_ROLE}")
    op.execute(f"REVOKE DELETE ON certificates, operators, bookings, assignments FROM {APP_ROLE}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {APP_ROLE}")


def found_company() -> None:
    """The company's one row: zones without a franchise point to it from the first zone on."""
    names = ("id", "kind", "name", "name_key", "auto_approve", "four_eyes", "active", "created_at")
    operators = sa.table("operators", *(sa.column(name) for name in names))
    company = (COMPANY_ID, "company", "The company", "the company", False, True, True, sa.func.now())
    op.execute(operators.insert().values(dict(zip(names, company, strict=True))))


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute(ROLE)
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column(
            "actor_kind",
            sa.Enum("user", "api", "system", name="actor_kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.String(length=120), nullable=False),
        sa.Column(
            "actor_role",
            sa.Enum(
                "franchise_staff",
                "franchise_manager",
                "company_staff",
                "admin",
                "auditor",
                name="actor_role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("subject_kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("before", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index("ix_audit_entries_operator_id_at", "audit_entries", ["operator_id", "at"], unique=False)
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject_id", "at"], unique=False)
    op.create_table(
        "courses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=240), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("name_key <> ''", name=op.f("ck_courses_name_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_courses")),
    )
    op.create_index("uq_courses_name_key", "courses", ["name_key"], unique=True)
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("company", "franchise", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=240), nullable=False),
        sa.Column("auto_approve", sa.Boolean(), nullable=False),
        sa.Column("four_eyes", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'company') = (id = '00000000-0000-7000-8000-000000000001')", name=op.f("ck_operators_one_company")
        ),
        sa.CheckConstraint("name_key <> ''", name=op.f("ck_operators_name_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
    )
    op.create_index("uq_operators_name_key", "operators", ["name_key"], unique=True)
    op.create_table(
        "households",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_households_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_households")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_households_operator_id_id")),
    )
    op.create_index("ix_households_operator_id_created_at", "households", ["operator_id", "created_at"], unique=False)
    op.create_table(
        "trainers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("base_lat", sa.Double(), nullable=True),
        sa.Column("base_lng", sa.Double(), nullable=True),
        sa.Column("gender", sa.String(length=16), nullable=True),
        sa.Column("languages", sa.ARRAY(sa.String(length=12)), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_trainers_name")),
        sa.CheckConstraint("(base_lat IS NULL) = (base_lng IS NULL)", name=op.f("ck_trainers_base")),
        sa.CheckConstraint(
            "base_lat BETWEEN -90 AND 90 AND base_lng BETWEEN -180 AND 180", name=op.f("ck_trainers_base_range")
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_trainers_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainers")),
        sa.UniqueConstraint("operator_id", "id", "time_zone", name=op.f("uq_trainers_operator_id_id_time_zone")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_trainers_operator_id_id")),
    )
    op.create_index("ix_trainers_operator_id_name", "trainers", ["operator_id", "name"], unique=False)
    op.create_table(
        "users",
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
        sa.Column("password", sa.String(length=255), nullable=False),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.String(length=12), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(role IN ('franchise_staff', 'franchise_manager')) = (operator_id <> '00000000-0000-7000-8000-000000000001')",
            name=op.f("ck_users_role_fits_operator"),
        ),
        sa.CheckConstraint("email = lower(email) AND position('@' in email) > 1", name=op.f("ck_users_email")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_users_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_users_operator_id_id")),
    )
    op.create_index("uq_users_email", "users", ["email"], unique=True)
    op.create_index("uq_users_fs_uniquifier", "users", ["fs_uniquifier"], unique=True)
    op.create_table(
        "zones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("franchise_id", sa.Uuid(), nullable=True),
        sa.Column(
            "operator_id",
            sa.Uuid(),
            sa.Computed("COALESCE(franchise_id, '00000000-0000-7000-8000-000000000001'::uuid)", persisted=True),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=240), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("circle", "polygon", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("center_lat", sa.Double(), nullable=False),
        sa.Column("center_lng", sa.Double(), nullable=False),
        sa.Column("radius_km", sa.Double(), nullable=True),
        sa.Column("ring", Ring(), nullable=True),
        sa.Column("max_travel_km", sa.Double(), nullable=True),
        sa.Column("bounds", Box(), nullable=False),
        sa.Column("area_km2", sa.Double(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("travel_buffer_minutes", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'circle') = (radius_km IS NOT NULL)", name=op.f("ck_zones_radius")),
        sa.CheckConstraint("(kind = 'polygon') = (max_travel_km IS NOT NULL)", name=op.f("ck_zones_max_travel")),
        sa.CheckConstraint("(kind = 'polygon') = (ring IS NOT NULL)", name=op.f("ck_zones_ring")),
        sa.CheckConstraint("franchise_id <> '00000000-0000-7000-8000-000000000001'", name=op.f("ck_zones_franchise")),
        sa.CheckConstraint("name_key <> ''", name=op.f("ck_zones_name_key")),
        sa.CheckConstraint("area_km2 > 0", name=op.f("ck_zones_area")),
        sa.CheckConstraint(
            "center_lat BETWEEN -90 AND 90 AND center_lng BETWEEN -180 AND 180", name=op.f("ck_zones_center")
        ),
        sa.CheckConstraint("max_travel_km > 0 AND max_travel_km <= 500", name=op.f("ck_zones_max_travel_range")),
        sa.CheckConstraint("radius_km > 0 AND radius_km <= 500", name=op.f("ck_zones_radius_range")),
        sa.CheckConstraint("travel_buffer_minutes BETWEEN 0 AND 240", name=op.f("ck_zones_travel_buffer")),
        sa.ForeignKeyConstraint(["franchise_id"], ["operators.id"], name=op.f("fk_zones_franchise_id")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_zones_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zones")),
        sa.UniqueConstraint("operator_id", "id", "time_zone", name=op.f("uq_zones_operator_id_id_time_zone")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_zones_operator_id_id")),
    )
    op.create_index("ix_zones_bounds", "zones", ["bounds"], unique=False, postgresql_using="gist")
    op.create_index(
        "uq_zones_company_name_key",
        "zones",
        ["name_key"],
        unique=True,
        postgresql_where=sa.text("franchise_id IS NULL"),
    )
    op.create_index(
        "uq_zones_franchise_name_key",
        "zones",
        ["franchise_id", "name_key"],
        unique=True,
        postgresql_where=sa.text("franchise_id IS NOT NULL"),
    )
    op.create_table(
        "bookings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(length=9), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column(
            "class_type",
            sa.Enum(
                "one_on_one",
                "one_on_two",
                "one_on_three",
                "hybrid",
                name="class_type",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "delivery_mode",
            sa.Enum(
                "weekday_daily",
                "sunday_only",
                "hybrid",
                name="delivery_mode",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("total_sessions", sa.Integer(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("timeslot", sa.Time(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=400), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lng", sa.Double(), nullable=False),
        sa.Column("prefers_language", sa.String(length=12), nullable=True),
        sa.Column("prefers_gender", sa.String(length=16), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "waitlisted",
                "pending_approval",
                "assigned",
                "in_progress",
                "completed",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "payment_status",
            sa.Enum(
                "unpaid",
                "part_paid",
                "paid",
                "refunded",
                name="payment_status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("closed_reason", sa.String(length=400), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(class_type = 'hybrid') = (delivery_mode = 'hybrid')", name=op.f("ck_bookings_hybrid")),
        sa.CheckConstraint("delivery_mode <> 'hybrid' OR total_sessions = 30", name=op.f("ck_bookings_hybrid_total")),
        sa.CheckConstraint("reference ~ '^[0-9A-Z]{4}-[0-9A-Z]{4}$'", name=op.f("ck_bookings_reference")),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lng BETWEEN -180 AND 180", name=op.f("ck_bookings_place")),
        sa.CheckConstraint("total_sessions IN (10, 20, 30)", name=op.f("ck_bookings_total_sessions")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_bookings_version")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_bookings_course_id")),
        sa.ForeignKeyConstraint(
            ["operator_id", "household_id"],
            ["households.operator_id", "households.id"],
            name=op.f("fk_bookings_operator_id_household_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "zone_id"], ["zones.operator_id", "zones.id"], name=op.f("fk_bookings_operator_id_zone_id")
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_bookings_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_bookings_operator_id_id")),
    )
    op.create_index("ix_bookings_household_id", "bookings", ["household_id"], unique=False)
    op.create_index(
        "ix_bookings_operator_id_status_created_at", "bookings", ["operator_id", "status", "created_at"], unique=False
    )
    op.create_index("ix_bookings_zone_id_status", "bookings", ["zone_id", "status"], unique=False)
    op.create_index("uq_bookings_operator_id_reference", "bookings", ["operator_id", "reference"], unique=True)
    op.create_table(
        "guardians",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("language", sa.String(length=12), nullable=False),
        sa.Column("consent_to_messages", sa.Boolean(), nullable=False),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{6,14}$'", name=op.f("ck_guardians_phone")),
        sa.CheckConstraint("(consent_at IS NOT NULL) = consent_to_messages", name=op.f("ck_guardians_consent")),
        sa.ForeignKeyConstraint(
            ["operator_id", "household_id"],
            ["households.operator_id", "households.id"],
            name=op.f("fk_guardians_operator_id_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardians")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_guardians_operator_id_id")),
    )
    op.create_index("ix_guardians_household_id", "guardians", ["household_id"], unique=False)
    op.create_index("ix_guardians_operator_id_phone", "guardians", ["operator_id", "phone"], unique=False)
    op.create_table(
        "sign_in_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id", "user_id"],
            ["users.operator_id", "users.id"],
            name=op.f("fk_sign_in_sessions_operator_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_sessions")),
    )
    op.create_index("ix_sign_in_sessions_ends_at", "sign_in_sessions", ["ends_at"], unique=False)
    op.create_index("ix_sign_in_sessions_user_id", "sign_in_sessions", ["user_id"], unique=False)
    op.create_index("uq_sign_in_sessions_token_hash", "sign_in_sessions", ["token_hash"], unique=True)
    op.create_table(
        "students",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_students_name")),
        sa.ForeignKeyConstraint(
            ["operator_id", "household_id"],
            ["households.operator_id", "households.id"],
            name=op.f("fk_students_operator_id_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_students")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_students_operator_id_id")),
    )
    op.create_index("ix_students_household_id", "students", ["household_id"], unique=False)
    op.create_table(
        "time_off",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=False),
        sa.Column("period", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.CheckConstraint(
            "NOT isempty(period) AND NOT lower_inf(period) AND NOT upper_inf(period)", name=op.f("ck_time_off_period")
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "trainer_id"],
            ["trainers.operator_id", "trainers.id"],
            name=op.f("fk_time_off_operator_id_trainer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_off")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_time_off_operator_id_id")),
    )
    op.create_index(
        "ix_time_off_trainer_id_period", "time_off", ["trainer_id", "period"], unique=False, postgresql_using="gist"
    )
    op.create_table(
        "trainer_blocks",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=False),
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id", "household_id"],
            ["households.operator_id", "households.id"],
            name=op.f("fk_trainer_blocks_operator_id_household_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "trainer_id"],
            ["trainers.operator_id", "trainers.id"],
            name=op.f("fk_trainer_blocks_operator_id_trainer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trainer_id", "household_id", name=op.f("pk_trainer_blocks")),
    )
    op.create_index("ix_trainer_blocks_household_id", "trainer_blocks", ["household_id"], unique=False)
    op.create_table(
        "trainer_courses",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_trainer_courses_course_id")),
        sa.ForeignKeyConstraint(
            ["operator_id", "trainer_id"],
            ["trainers.operator_id", "trainers.id"],
            name=op.f("fk_trainer_courses_operator_id_trainer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trainer_id", "course_id", name=op.f("pk_trainer_courses")),
    )
    op.create_index("ix_trainer_courses_course_id", "trainer_courses", ["course_id"], unique=False)
    op.create_table(
        "trainer_zones",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id", "trainer_id", "time_zone"],
            ["trainers.operator_id", "trainers.id", "trainers.time_zone"],
            name=op.f("fk_trainer_zones_operator_id_trainer_id_time_zone"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "zone_id", "time_zone"],
            ["zones.operator_id", "zones.id", "zones.time_zone"],
            name=op.f("fk_trainer_zones_operator_id_zone_id_time_zone"),
        ),
        sa.PrimaryKeyConstraint("trainer_id", "zone_id", name=op.f("pk_trainer_zones")),
    )
    op.create_index("ix_trainer_zones_zone_id", "trainer_zones", ["zone_id"], unique=False)
    op.create_table(
        "working_hours",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Time(), nullable=False),
        sa.Column("ends", sa.Time(), nullable=False),
        sa.CheckConstraint("starts < ends OR ends = '00:00'", name=op.f("ck_working_hours_order")),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_working_hours_weekday")),
        sa.ForeignKeyConstraint(
            ["operator_id", "trainer_id"],
            ["trainers.operator_id", "trainers.id"],
            name=op.f("fk_working_hours_operator_id_trainer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trainer_id", "weekday", "starts", name=op.f("pk_working_hours")),
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "proposed",
                "approved",
                "rejected",
                "expired",
                "withdrawn",
                "replaced",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("proposed_by_name", sa.String(length=120), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.String(length=120), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=400), nullable=True),
        sa.Column("explanation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(status = 'proposed') = (decided_at IS NULL)", name=op.f("ck_assignments_decided")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_assignments_version")),
        sa.ForeignKeyConstraint(
            ["operator_id", "booking_id"],
            ["bookings.operator_id", "bookings.id"],
            name=op.f("fk_assignments_operator_id_booking_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "trainer_id"],
            ["trainers.operator_id", "trainers.id"],
            name=op.f("fk_assignments_operator_id_trainer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_assignments_operator_id_id")),
    )
    op.create_index("ix_assignments_booking_id", "assignments", ["booking_id"], unique=False)
    op.create_index(
        "ix_assignments_expires_at",
        "assignments",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'proposed'"),
    )
    op.create_index(
        "ix_assignments_operator_id_status_proposed_at",
        "assignments",
        ["operator_id", "status", "proposed_at"],
        unique=False,
    )
    op.create_index("ix_assignments_trainer_id", "assignments", ["trainer_id"], unique=False)
    op.create_index(
        "uq_assignments_live_booking_id",
        "assignments",
        ["booking_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('proposed', 'approved')"),
    )
    op.create_table(
        "booking_students",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id", "booking_id"],
            ["bookings.operator_id", "bookings.id"],
            name=op.f("fk_booking_students_operator_id_booking_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "student_id"],
            ["students.operator_id", "students.id"],
            name=op.f("fk_booking_students_operator_id_student_id"),
        ),
        sa.PrimaryKeyConstraint("booking_id", "student_id", name=op.f("pk_booking_students")),
        sa.UniqueConstraint(
            "operator_id",
            "booking_id",
            "student_id",
            name=op.f("uq_booking_students_operator_id_booking_id_student_id"),
        ),
    )
    op.create_index("ix_booking_students_student_id", "booking_students", ["student_id"], unique=False)
    op.create_table(
        "certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=18), nullable=False),
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "issued",
                "failed",
                "revoked",
                "replaced",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("awarded_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pdf_sha256", sa.String(length=64), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=400), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_reason", sa.String(length=400), nullable=True),
        sa.Column("replaced_by_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(state = 'replaced') = (replaced_by_id IS NOT NULL)", name=op.f("ck_certificates_replaced")
        ),
        sa.CheckConstraint("(state = 'revoked') = (revoked_at IS NOT NULL)", name=op.f("ck_certificates_revoked")),
        sa.CheckConstraint(
            "number ~ '^ZD-[0-9]{2}-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$'", name=op.f("ck_certificates_number")
        ),
        sa.CheckConstraint(
            "state NOT IN ('issued', 'revoked', 'replaced') OR (pdf_sha256 IS NOT NULL AND issued_at IS NOT NULL)",
            name=op.f("ck_certificates_published"),
        ),
        sa.CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name=op.f("ck_certificates_lease")),
        sa.ForeignKeyConstraint(
            ["operator_id", "booking_id"],
            ["bookings.operator_id", "bookings.id"],
            name=op.f("fk_certificates_operator_id_booking_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "replaced_by_id"],
            ["certificates.operator_id", "certificates.id"],
            name=op.f("fk_certificates_operator_id_replaced_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "student_id"],
            ["students.operator_id", "students.id"],
            name=op.f("fk_certificates_operator_id_student_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_certificates_operator_id_id")),
    )
    op.create_index(
        "ix_certificates_operator_id_state_awarded_on",
        "certificates",
        ["operator_id", "state", "awarded_on"],
        unique=False,
    )
    op.create_index("ix_certificates_student_id", "certificates", ["student_id"], unique=False)
    op.create_index(
        "ix_certificates_replaced_by_id",
        "certificates",
        ["replaced_by_id"],
        unique=False,
        postgresql_where=sa.text("replaced_by_id IS NOT NULL"),
    )
    op.create_index(
        "ix_certificates_pending",
        "certificates",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "uq_certificates_live_booking_id_student_id",
        "certificates",
        ["booking_id", "student_id"],
        unique=True,
        postgresql_where=sa.text("replaced_by_id IS NULL"),
    )
    op.create_index("uq_certificates_number", "certificates", ["number"], unique=True)
    op.create_index("uq_certificates_token", "certificates", ["token"], unique=True)
    op.create_table(
        "course_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("timeslot", sa.Time(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "mode",
            sa.Enum("online", "offline", name="mode", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("shifted", sa.Boolean(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "scheduled",
                "completed",
                "missed",
                "cancelled",
                "rescheduled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("successor_id", sa.Uuid(), nullable=True),
        sa.Column("taught_by", sa.Uuid(), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'completed') = (completed_at IS NOT NULL)", name=op.f("ck_course_sessions_completed")
        ),
        sa.CheckConstraint(
            "(status = 'rescheduled') = (successor_id IS NOT NULL)", name=op.f("ck_course_sessions_successor")
        ),
        sa.CheckConstraint("number BETWEEN 1 AND 30", name=op.f("ck_course_sessions_number")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_course_sessions_order")),
        sa.ForeignKeyConstraint(
            ["operator_id", "booking_id"],
            ["bookings.operator_id", "bookings.id"],
            name=op.f("fk_course_sessions_operator_id_booking_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "successor_id"],
            ["course_sessions.operator_id", "course_sessions.id"],
            name=op.f("fk_course_sessions_operator_id_successor_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_sessions")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_course_sessions_operator_id_id")),
    )
    op.create_index(
        "ix_course_sessions_operator_id_starts_at", "course_sessions", ["operator_id", "starts_at"], unique=False
    )
    op.create_index("ix_course_sessions_booking_id", "course_sessions", ["booking_id"], unique=False)
    op.create_index(
        "ix_course_sessions_successor_id",
        "course_sessions",
        ["successor_id"],
        unique=False,
        postgresql_where=sa.text("successor_id IS NOT NULL"),
    )
    op.create_index(
        "uq_course_sessions_booking_id_number",
        "course_sessions",
        ["booking_id", "number"],
        unique=True,
        postgresql_where=sa.text("status <> 'rescheduled'"),
    )
    op.create_table(
        "enquiries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "draft",
                "service_not_available",
                "other_operator",
                "booked",
                "closed",
                "expired",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("guardian_name", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=400), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lng", sa.Double(), nullable=True),
        sa.Column("course_id", sa.Uuid(), nullable=True),
        sa.Column("serving_zone", sa.String(length=120), nullable=True),
        sa.Column("serving_operator", sa.String(length=120), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("callback_on", sa.Date(), nullable=True),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(lat IS NULL) = (lng IS NULL)", name=op.f("ck_enquiries_place_whole")),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lng BETWEEN -180 AND 180", name=op.f("ck_enquiries_place")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_enquiries_course_id")),
        sa.ForeignKeyConstraint(
            ["operator_id", "booking_id"],
            ["bookings.operator_id", "bookings.id"],
            name=op.f("fk_enquiries_operator_id_booking_id"),
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_enquiries_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enquiries")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_enquiries_operator_id_id")),
    )
    op.create_index(
        "ix_enquiries_operator_id_status_created_at", "enquiries", ["operator_id", "status", "created_at"], unique=False
    )
    op.create_index(
        "ix_enquiries_booking_id",
        "enquiries",
        ["booking_id"],
        unique=False,
        postgresql_where=sa.text("booking_id IS NOT NULL"),
    )
    op.create_table(
        "attendance",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("course_session_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column(
            "mark",
            sa.Enum("present", "absent", "excused", name="mark", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("marked_by", sa.Uuid(), nullable=True),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id", "booking_id", "student_id"],
            ["booking_students.operator_id", "booking_students.booking_id", "booking_students.student_id"],
            name=op.f("fk_attendance_operator_id_booking_id_student_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "course_session_id"],
            ["course_sessions.operator_id", "course_sessions.id"],
            name=op.f("fk_attendance_operator_id_course_session_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("course_session_id", "student_id", name=op.f("pk_attendance")),
    )
    op.create_index("ix_attendance_booking_id_student_id", "attendance", ["booking_id", "student_id"], unique=False)
    op.create_table(
        "schedule_slots",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("trainer_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("course_session_id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("held", "booked", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("period", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("timeslot", sa.Time(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("trainer_id"), "="),
            (sa.column("period"), "&&"),
            using="gist",
            name="ex_schedule_slots_trainer_period",
        ),
        sa.CheckConstraint(
            "NOT isempty(period) AND lower_inc(period) AND NOT upper_inc(period) AND isfinite(lower(period)) AND isfinite(upper(period))",
            name=op.f("ck_schedule_slots_period"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "assignment_id"],
            ["assignments.operator_id", "assignments.id"],
            name=op.f("fk_schedule_slots_operator_id_assignment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "booking_id"],
            ["bookings.operator_id", "bookings.id"],
            name=op.f("fk_schedule_slots_operator_id_booking_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "course_session_id"],
            ["course_sessions.operator_id", "course_sessions.id"],
            name=op.f("fk_schedule_slots_operator_id_course_session_id"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "trainer_id"],
            ["trainers.operator_id", "trainers.id"],
            name=op.f("fk_schedule_slots_operator_id_trainer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_slots")),
        sa.UniqueConstraint("course_session_id", name=op.f("uq_schedule_slots_course_session_id")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_schedule_slots_operator_id_id")),
        sa.UniqueConstraint("trainer_id", "date", "timeslot", name="uq_schedule_slots_trainer_start"),
    )
    op.create_index("ix_schedule_slots_assignment_id", "schedule_slots", ["assignment_id"], unique=False)
    op.create_index("ix_schedule_slots_booking_id", "schedule_slots", ["booking_id"], unique=False)
    grant()
    found_company()


def downgrade() -> None:
    op.drop_index("ix_schedule_slots_booking_id", table_name="schedule_slots")
    op.drop_index("ix_schedule_slots_assignment_id", table_name="schedule_slots")
    op.drop_table("schedule_slots")
    op.drop_index("ix_attendance_booking_id_student_id", table_name="attendance")
    op.drop_table("attendance")
    op.drop_index("ix_enquiries_booking_id", table_name="enquiries")
    op.drop_index("ix_enquiries_operator_id_status_created_at", table_name="enquiries")
    op.drop_table("enquiries")
    op.drop_index(
        "uq_course_sessions_booking_id_number",
        table_name="course_sessions",
        postgresql_where=sa.text("status <> 'rescheduled'"),
    )
    op.drop_index("ix_course_sessions_successor_id", table_name="course_sessions")
    op.drop_index("ix_course_sessions_booking_id", table_name="course_sessions")
    op.drop_index("ix_course_sessions_operator_id_starts_at", table_name="course_sessions")
    op.drop_table("course_sessions")
    op.drop_index("uq_certificates_token", table_name="certificates")
    op.drop_index("uq_certificates_number", table_name="certificates")
    op.drop_index(
        "uq_certificates_live_booking_id_student_id",
        table_name="certificates",
        postgresql_where=sa.text("replaced_by_id IS NULL"),
    )
    op.drop_index("ix_certificates_replaced_by_id", table_name="certificates")
    op.drop_index("ix_certificates_student_id", table_name="certificates")
    op.drop_index("ix_certificates_pending", table_name="certificates", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index("ix_certificates_operator_id_state_awarded_on", table_name="certificates")
    op.drop_table("certificates")
    op.drop_index("ix_booking_students_student_id", table_name="booking_students")
    op.drop_table("booking_students")
    op.drop_index(
        "uq_assignments_live_booking_id",
        table_name="assignments",
        postgresql_where=sa.text("status IN ('proposed', 'approved')"),
    )
    op.drop_index("ix_assignments_trainer_id", table_name="assignments")
    op.drop_index("ix_assignments_operator_id_status_proposed_at", table_name="assignments")
    op.drop_index(
        "ix_assignments_expires_at", table_name="assignments", postgresql_where=sa.text("status = 'proposed'")
    )
    op.drop_index("ix_assignments_booking_id", table_name="assignments")
    op.drop_table("assignments")
    op.drop_table("working_hours")
    op.drop_index("ix_trainer_zones_zone_id", table_name="trainer_zones")
    op.drop_table("trainer_zones")
    op.drop_index("ix_trainer_courses_course_id", table_name="trainer_courses")
    op.drop_table("trainer_courses")
    op.drop_index("ix_trainer_blocks_household_id", table_name="trainer_blocks")
    op.drop_table("trainer_blocks")
    op.drop_index("ix_time_off_trainer_id_period", table_name="time_off", postgresql_using="gist")
    op.drop_table("time_off")
    op.drop_index("ix_students_household_id", table_name="students")
    op.drop_table("students")
    op.drop_index("uq_sign_in_sessions_token_hash", table_name="sign_in_sessions")
    op.drop_index("ix_sign_in_sessions_user_id", table_name="sign_in_sessions")
    op.drop_index("ix_sign_in_sessions_ends_at", table_name="sign_in_sessions")
    op.drop_table("sign_in_sessions")
    op.drop_index("ix_guardians_operator_id_phone", table_name="guardians")
    op.drop_index("ix_guardians_household_id", table_name="guardians")
    op.drop_table("guardians")
    op.drop_index("uq_bookings_operator_id_reference", table_name="bookings")
    op.drop_index("ix_bookings_zone_id_status", table_name="bookings")
    op.drop_index("ix_bookings_operator_id_status_created_at", table_name="bookings")
    op.drop_index("ix_bookings_household_id", table_name="bookings")
    op.drop_table("bookings")
    op.drop_index(
        "uq_zones_franchise_name_key", table_name="zones", postgresql_where=sa.text("franchise_id IS NOT NULL")
    )
    op.drop_index("uq_zones_company_name_key", table_name="zones", postgresql_where=sa.text("franchise_id IS NULL"))
    op.drop_index("ix_zones_bounds", table_name="zones", postgresql_using="gist")
    op.drop_table("zones")
    op.drop_index("uq_users_fs_uniquifier", table_name="users")
    op.drop_index("uq_users_email", table_name="users")
    op.drop_table("users")
    op.drop_index("ix_trainers_operator_id_name", table_name="trainers")
    op.drop_table("trainers")
    op.drop_index("ix_households_operator_id_created_at", table_name="households")
    op.drop_table("households")
    op.drop_index("uq_operators_name_key", table_name="operators")
    op.drop_table("operators")
    op.drop_table("leases")
    op.drop_index("uq_courses_name_key", table_name="courses")
    op.drop_table("courses")
    op.drop_index("ix_audit_entries_subject", table_name="audit_entries")
    op.drop_index("ix_audit_entries_operator_id_at", table_name="audit_entries")
    op.drop_table("audit_entries")
    op.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLES FROM {APP_ROLE}"
    )
