"""Every state a zone ever had, kept by the database: no writer can change a border and leave no trace of the old one.

A zone counts its versions. ``zone_versions`` holds what each of them was, from when to when, who made it and why; a
booking points to the one it was made under and keeps it when the border moves.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"
TENANT = "(SELECT NULLIF(current_setting('app.operator_id', true), '')::uuid)"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"
OWN = f"(operator_id = {TENANT} OR {EVERYTHING})"

HELD = (
    *("name", "label", "kind", "center_lat", "center_lng", "radius_km", "ring", "max_travel_km", "area_km2"),
    *("time_zone", "travel_buffer_minutes", "active"),
)
"""What a version of a zone holds."""
SAID = ("changed_by", "changed_by_name", "change_reason")
"""Who made it what it is, and why."""


def columns_of(table: str, names: tuple[str, ...]) -> str:
    """Columns as SQL lists them."""
    return ", ".join(f"{table}.{name}" for name in names)


VERSION_COLUMNS = f"operator_id, zone_id, number, valid_from, {', '.join(HELD)}, changed_by, changed_by_name, reason"
VERSION_VALUES = f"c.operator_id, c.id, c.version, c.changed_at, {columns_of('c', HELD)}, {columns_of('c', SAID)}"

# Versions follow each other in time, also on a clock that went back. Whoever changes a zone says when; a writer who
# does not is nobody in particular, and not whoever changed it before.
COUNT = f"""
CREATE FUNCTION count_zone_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.version := 1;
        NEW.changed_at := coalesce(NEW.changed_at, NEW.created_at);
    ELSIF ({columns_of("NEW", HELD)}) IS NOT DISTINCT FROM ({columns_of("OLD", HELD)}) THEN
        NEW.version := OLD.version;
        NEW.changed_at := OLD.changed_at;
        NEW.changed_by := OLD.changed_by;
        NEW.changed_by_name := OLD.changed_by_name;
        NEW.change_reason := OLD.change_reason;
    ELSE
        NEW.version := OLD.version + 1;
        IF NEW.changed_at IS NULL OR NEW.changed_at <= OLD.changed_at THEN
            NEW.changed_at := greatest(now(), OLD.changed_at + interval '1 microsecond');
            NEW.changed_by := NULL;
            NEW.changed_by_name := '';
            NEW.change_reason := NULL;
        END IF;
    END IF;
    RETURN NEW;
END $$
"""
# For whole statements: an import writes thousands of zones with one.
KEEP = f"""
CREATE FUNCTION keep_zone_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO zone_versions ({VERSION_COLUMNS}) SELECT {VERSION_VALUES} FROM changed AS c;
    ELSE
        UPDATE zone_versions AS v SET valid_until = c.changed_at
        FROM changed AS c JOIN was AS w ON w.id = c.id
        WHERE c.version <> w.version AND v.zone_id = c.id AND v.number = w.version;
        INSERT INTO zone_versions ({VERSION_COLUMNS})
        SELECT {VERSION_VALUES} FROM changed AS c JOIN was AS w ON w.id = c.id WHERE c.version <> w.version;
    END IF;
    RETURN NULL;
END $$
"""
# A zone that is not there gets a number that no version has: the foreign key to the zone says what is wrong.
BOOKED = """
CREATE FUNCTION keep_zone_version_of_booking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.zone_id <> OLD.zone_id THEN
        NEW.zone_version := coalesce(
            (SELECT z.version FROM zones AS z WHERE z.operator_id = NEW.operator_id AND z.id = NEW.zone_id), 0
        );
    END IF;
    RETURN NEW;
END $$
"""
TRIGGERS = {
    "count_zone_version": (
        "zones",
        "BEFORE INSERT OR UPDATE ON zones FOR EACH ROW EXECUTE FUNCTION count_zone_version()",
    ),
    "keep_zone_versions_insert": (
        "zones",
        "AFTER INSERT ON zones REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_zone_versions()",
    ),
    "keep_zone_versions_update": (
        "zones",
        "AFTER UPDATE ON zones REFERENCING OLD TABLE AS was NEW TABLE AS changed FOR EACH STATEMENT"
        " EXECUTE FUNCTION keep_zone_versions()",
    ),
    "keep_zone_version_of_booking": (
        "bookings",
        "BEFORE INSERT OR UPDATE OF zone_id ON bookings FOR EACH ROW EXECUTE FUNCTION keep_zone_version_of_booking()",
    ),
}

POLICIES = {
    "read_by": f"FOR SELECT USING ({OWN})",
    # Written by the triggers of zones alone: what is sent by hand stands at no depth.
    "insert_by": f"FOR INSERT WITH CHECK ({OWN} AND pg_trigger_depth() > 0)",
    "update_by": f"FOR UPDATE USING ({OWN} AND pg_trigger_depth() > 0) WITH CHECK ({OWN})",
    "delete_by": f"FOR DELETE USING ({OWN})",
}

READ_ACROSS = {"bookings": "lat, lng", "booking_students": "booking_id, student_id"}
"""What the functions below read of every operator beside what others read already."""


def away(lat: str, lng: str) -> str:
    """Great-circle kilometres between a booking's place and another, as migration 0012 takes them."""
    return f"""round(2 * 6371.0088 * asin(least(1.0, sqrt(
            power(sin(radians({lat} - b.lat) / 2), 2)
            + cos(radians(b.lat)) * cos(radians({lat})) * power(sin(radians({lng} - b.lng) / 2), 2)
        ))) * 1000) / 1000"""


def held(ring: str) -> str:
    """Whether a ring holds a booking's place; the 180° meridian is one line whichever sign it is written with."""
    return f"(ring_holds({ring}, b.lat, b.lng) OR abs(b.lng) = 180 AND ring_holds({ring}, b.lat, -b.lng))"


TURNS = ("0", "360", "-360")
IN_BOX = " OR ".join(f"z.bounds && box(point(west + ({turn}), south), point(east + ({turn}), north))" for turn in TURNS)
FUNCTIONS = {
    # The neighbours of ground that is being drawn: what a lookup tells of them, their shapes, and what orders them.
    "zones_in_box(south double precision, west double precision, north double precision, east double precision, at_most integer)": (
        """TABLE (id uuid, operator_id uuid, operator_name varchar, name varchar, label varchar,
    center_lat double precision, center_lng double precision, radius_km double precision, ring double precision[],
    max_travel_km double precision, area_km2 double precision, time_zone varchar, created_at timestamptz)""",
        "plpgsql STRICT SET plan_cache_mode = force_generic_plan",
        f"""
#variable_conflict use_column
BEGIN RETURN QUERY
    SELECT z.id, z.operator_id, o.name, z.name, z.label, z.center_lat, z.center_lng, z.radius_km, z.ring,
           z.max_travel_km, z.area_km2, z.time_zone, z.created_at
    FROM zones z JOIN operators o ON o.id = z.operator_id
    WHERE z.active AND ({IN_BOX})
    ORDER BY z.created_at, z.id
    LIMIT at_most;
END""",
    ),
    # How many students with a live booking of its operator live in a zone and in a shape (a circle or a ring) at once.
    # Of another operator's families this number is all that is told.
    "students_on_shared_ground(of_zones uuid[], south double precision, north double precision, around_lat double precision, around_lng double precision, within_km double precision, within_ring double precision[])": (
        "TABLE (zone_id uuid, students bigint)",
        "plpgsql",
        f"""
#variable_conflict use_column
BEGIN RETURN QUERY
    WITH b AS MATERIALIZED (
        SELECT b.id, b.operator_id, b.lat, b.lng
        FROM bookings b
        WHERE b.operator_id IN (SELECT z.operator_id FROM zones z WHERE z.id = ANY (of_zones))
          AND b.status NOT IN ('completed', 'cancelled')
          AND b.lat BETWEEN south AND north
          AND CASE WHEN within_ring IS NULL THEN {away("around_lat", "around_lng")} <= within_km
                   ELSE {held("within_ring")} END
    )
    SELECT z.id, count(DISTINCT s.student_id)
    FROM zones z
    JOIN b ON b.operator_id = z.operator_id
    JOIN booking_students s ON s.booking_id = b.id
    WHERE z.id = ANY (of_zones)
      AND CASE WHEN z.kind = 'circle' THEN {away("z.center_lat", "z.center_lng")} <= z.radius_km
               ELSE {held("z.ring")} END
    GROUP BY z.id;
END""",
    ),
}
"""The questions asked across operators: what each answers, its language, and how."""


def upgrade() -> None:
    op.add_column("zones", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("zones", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("zones", sa.Column("changed_by", sa.Uuid(), nullable=True))
    op.add_column("zones", sa.Column("changed_by_name", sa.String(200), server_default=sa.text("''"), nullable=False))
    op.add_column("zones", sa.Column("change_reason", sa.String(400), nullable=True))
    op.execute("UPDATE zones SET changed_at = created_at")
    op.alter_column("zones", "changed_at", nullable=False)
    op.create_check_constraint(op.f("ck_zones_version"), "zones", "version >= 1")
    make_versions()
    op.add_column("bookings", sa.Column("zone_version", sa.Integer(), nullable=True))
    op.execute("UPDATE bookings SET zone_version = 1")
    op.alter_column("bookings", "zone_version", nullable=False)
    op.create_foreign_key(
        op.f("fk_bookings_operator_id_zone_id_zone_version"),
        "bookings",
        "zone_versions",
        ["operator_id", "zone_id", "zone_version"],
        ["operator_id", "zone_id", "number"],
    )
    for function in (COUNT, KEEP, BOOKED):
        op.execute(function)
    for name, (_table, rest) in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {rest}")
    ask_across()


def downgrade() -> None:
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute(f"REVOKE SELECT (lat, lng) ON bookings FROM {LOOKUP_ROLE}")
    op.execute("DROP POLICY looked_up ON booking_students")
    op.execute(f"REVOKE SELECT ({READ_ACROSS['booking_students']}) ON booking_students FROM {LOOKUP_ROLE}")
    for name, (table, _rest) in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in ("keep_zone_version_of_booking", "keep_zone_versions", "count_zone_version"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_constraint(op.f("fk_bookings_operator_id_zone_id_zone_version"), "bookings", type_="foreignkey")
    op.drop_column("bookings", "zone_version")
    op.drop_table("zone_versions")
    op.drop_constraint(op.f("ck_zones_version"), "zones", type_="check")
    for column in ("change_reason", "changed_by_name", "changed_by", "changed_at", "version"):
        op.drop_column("zones", column)


def make_versions() -> None:
    """The table of versions with the first one of each zone. Afterwards triggers add to it, and nobody else."""
    ring = sa.ARRAY(sa.Double())
    op.create_table(
        "zone_versions",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("center_lat", sa.Double(), nullable=False),
        sa.Column("center_lng", sa.Double(), nullable=False),
        sa.Column("radius_km", sa.Double(), nullable=True),
        sa.Column("ring", ring, nullable=True),
        sa.Column("max_travel_km", sa.Double(), nullable=True),
        sa.Column("area_km2", sa.Double(), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("travel_buffer_minutes", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("changed_by_name", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(400), nullable=True),
        sa.CheckConstraint("number >= 1", name=op.f("ck_zone_versions_number")),
        sa.CheckConstraint("valid_until > valid_from", name=op.f("ck_zone_versions_order")),
        sa.CheckConstraint("kind IN ('circle', 'polygon')", name=op.f("ck_zone_versions_kind")),
        sa.ForeignKeyConstraint(
            ["operator_id", "zone_id"],
            ["zones.operator_id", "zones.id"],
            name=op.f("fk_zone_versions_operator_id_zone_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("zone_id", "number", name=op.f("pk_zone_versions")),
        sa.UniqueConstraint(
            "operator_id", "zone_id", "number", name=op.f("uq_zone_versions_operator_id_zone_id_number")
        ),
    )
    op.create_index(
        "uq_zone_versions_open",
        "zone_versions",
        ["zone_id"],
        unique=True,
        postgresql_where=sa.text("valid_until IS NULL"),
    )
    op.execute(f"INSERT INTO zone_versions ({VERSION_COLUMNS}) SELECT {VERSION_VALUES} FROM zones AS c")
    for name, policy in POLICIES.items():
        op.execute(f"CREATE POLICY {name} ON zone_versions {policy}")
    op.execute("ALTER TABLE zone_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"REVOKE UPDATE, DELETE ON zone_versions FROM {APP_ROLE}")
    op.execute(f"GRANT UPDATE (valid_until) ON zone_versions TO {APP_ROLE}")


def ask_across() -> None:
    """Functions of the role that reads across operators (see 0009)."""
    op.execute(f"GRANT SELECT ({READ_ACROSS['bookings']}) ON bookings TO {LOOKUP_ROLE}")
    op.execute(f"GRANT SELECT ({READ_ACROSS['booking_students']}) ON booking_students TO {LOOKUP_ROLE}")
    op.execute(f"CREATE POLICY looked_up ON booking_students FOR SELECT TO {LOOKUP_ROLE} USING (true)")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    for signature, (answer, language, body) in FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS {answer} LANGUAGE {language} STABLE SECURITY DEFINER"
            f" SET search_path = pg_catalog, public, pg_temp AS $${body}$$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")
        op.execute(f"ALTER FUNCTION {signature} OWNER TO {LOOKUP_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP_ROLE}")
