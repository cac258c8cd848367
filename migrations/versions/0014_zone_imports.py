"""Imports of zones: the promise that a file is looked at and written, the report on its rows, and two questions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"
# As in 0009.
TENANT = "(SELECT NULLIF(current_setting('app.operator_id', true), '')::uuid)"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"
OWN = f"(operator_id = {TENANT} OR {EVERYTHING})"
READ_ACROSS = "id, operator_id, state, due_at, lease_until, created_at"

FUNCTIONS = {
    # Ids only. What waits longest comes first.
    "zone_imports_due(by_instant timestamptz)": (
        "TABLE (id uuid, operator_id uuid, due_at timestamptz)",
        "sql",
        """
    SELECT i.id, i.operator_id, i.due_at
    FROM zone_imports i
    WHERE i.state IN ('waiting', 'checking', 'writing') AND i.due_at <= by_instant
      AND (i.lease_until IS NULL OR i.lease_until <= by_instant)
    ORDER BY i.due_at, i.id""",
    ),
    "zone_imports_old(sent_before timestamptz, at_most integer)": (
        "TABLE (id uuid, operator_id uuid)",
        "sql",
        """
    SELECT i.id, i.operator_id
    FROM zone_imports i
    WHERE i.state IN ('checked', 'done', 'failed') AND i.created_at < sent_before
    ORDER BY i.created_at, i.id
    LIMIT at_most""",
    ),
    # What zones_sharing_a_box tells of one zone, of many boxes at once: the zones of other operators that meet each, the
    # nearest box first. Whether they share ground needs shapes on the sphere, and is not decided here.
    "zones_meeting_boxes(boxes box[], but_of uuid, at_most integer)": (
        """TABLE (number bigint, id uuid, operator_name varchar, name varchar, center_lat double precision,
    center_lng double precision, radius_km double precision, ring double precision[])""",
        "plpgsql STRICT SET plan_cache_mode = force_generic_plan",
        """
#variable_conflict use_column
BEGIN RETURN QUERY
    SELECT b.number, t.id, o.name, t.name, t.center_lat, t.center_lng, t.radius_km, t.ring
    FROM unnest(boxes) WITH ORDINALITY AS b(box, number)
    CROSS JOIN LATERAL (
        SELECT z.id, z.operator_id, z.name, z.center_lat, z.center_lng, z.radius_km, z.ring
        FROM zones z
        WHERE z.active AND z.operator_id <> but_of AND (
            z.bounds && b.box OR z.bounds && b.box + point(360, 0) OR z.bounds && b.box - point(360, 0)
        )
        ORDER BY z.bounds <-> center(b.box), z.id
        LIMIT at_most
    ) AS t
    JOIN operators o ON o.id = t.operator_id
    ORDER BY b.number, t.id;
END""",
    ),
}


def upgrade() -> None:
    op.create_table(
        "zone_imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "checking",
                "checked",
                "writing",
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
            "format",
            sa.Enum("csv", "geojson", name="format", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_by_name", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("count_new", sa.Integer(), nullable=False),
        sa.Column("count_changed", sa.Integer(), nullable=False),
        sa.Column("count_same", sa.Integer(), nullable=False),
        sa.Column("count_bad", sa.Integer(), nullable=False),
        sa.Column("seen_version", sa.Uuid(), nullable=True),
        sa.Column(
            "mode",
            sa.Enum("all", "good", name="mode", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_by_name", sa.String(length=200), nullable=False),
        sa.Column(
            "asked_by_role",
            sa.Enum(
                "franchise_staff",
                "franchise_manager",
                "company_staff",
                "admin",
                "auditor",
                name="asked_by_role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=64), nullable=True),
        sa.Column("faults", postgresql.JSONB(), nullable=False),
        sa.Column("touched", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name=op.f("ck_zone_imports_lease")),
        sa.CheckConstraint(
            "(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name=op.f("ck_zone_imports_finished")
        ),
        sa.CheckConstraint("(state IN ('done', 'failed')) = (content IS NULL)", name=op.f("ck_zone_imports_content")),
        sa.CheckConstraint(
            "state NOT IN ('writing', 'done') OR mode IS NOT NULL", name=op.f("ck_zone_imports_written")
        ),
        sa.CheckConstraint("(mode IS NULL) = (asked_by_role IS NULL)", name=op.f("ck_zone_imports_asked")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_zone_imports_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zone_imports")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_zone_imports_operator_id_id")),
    )
    # Kept as it is, not compressed, so that a piece of a file is fetched without the pieces before it.
    op.execute("ALTER TABLE zone_imports ALTER COLUMN content SET STORAGE EXTERNAL")
    op.create_index("ix_zone_imports_operator_id_created_at", "zone_imports", ["operator_id", "created_at"])
    op.create_index(
        "ix_zone_imports_due_at",
        "zone_imports",
        ["due_at"],
        postgresql_where=sa.text("state IN ('waiting', 'checking', 'writing')"),
    )
    op.create_table(
        "zone_import_rows",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "new", "changed", "same", "bad", name="verdict", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("faults", postgresql.JSONB(), nullable=False),
        sa.Column("disputes", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("zone", postgresql.JSONB(), nullable=True),
        sa.Column("zone_id", sa.Uuid(), nullable=True),
        sa.Column("base", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "(verdict IN ('new', 'changed')) = (zone IS NOT NULL)", name=op.f("ck_zone_import_rows_zone")
        ),
        sa.CheckConstraint("(verdict = 'bad') = (faults <> '[]')", name=op.f("ck_zone_import_rows_faults")),
        sa.ForeignKeyConstraint(
            ["operator_id", "import_id"],
            ["zone_imports.operator_id", "zone_imports.id"],
            name=op.f("fk_zone_import_rows_operator_id_import_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_zone_import_rows")),
    )
    op.create_index("ix_zone_import_rows_import_id_verdict", "zone_import_rows", ["import_id", "verdict", "line"])
    for table in ("zone_imports", "zone_import_rows"):
        op.execute(f"CREATE POLICY of_operator ON {table} USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    ask_across()


def downgrade() -> None:
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.drop_table("zone_import_rows")
    op.drop_table("zone_imports")


def ask_across() -> None:
    """Functions of the role that reads across operators (see 0009)."""
    op.execute(f"GRANT SELECT ({READ_ACROSS}) ON zone_imports TO {LOOKUP_ROLE}")
    op.execute(f"CREATE POLICY looked_up ON zone_imports FOR SELECT TO {LOOKUP_ROLE} USING (true)")
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
