"""Operators design their certificates: a draft, numbered versions that stay as they are, and previews to be drawn.

A certificate names the operator and the number of its design, so a version is never changed nor deleted: a trigger lets
nothing of it change but whether it is in use. The company's design stands in for an operator that has none, which is
asked through functions with fixed columns; they show a design to its own operator, and the company's to everybody.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from webapp.core.ids import COMPANY_ID

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"
# As in 0009.
TENANT = "(SELECT NULLIF(current_setting('app.operator_id', true), '')::uuid)"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"
OWN = f"(operator_id = {TENANT} OR {EVERYTHING})"
COMPANY = f"CAST('{COMPANY_ID}' AS uuid)"

TABLES = ("certificate_designs", "certificate_design_drafts", "certificate_previews")
READ_ACROSS = {
    "certificate_designs": "operator_id, number, in_use, content, logo_sha256, signature_sha256",
    "certificate_design_drafts": "logo_sha256, signature_sha256",
    "certificate_previews": (
        "id, operator_id, requested_by, requested_at, state, next_at, lease_until, logo_sha256, signature_sha256,"
        " pdf_sha256, png_sha256"
    ),
}
FUNCTIONS = {
    "certificate_design_in_use(of_operator uuid)": (
        "TABLE (operator_id uuid, number integer)",
        f"""
    SELECT d.operator_id, d.number
    FROM certificate_designs d
    WHERE d.in_use AND d.operator_id IN (of_operator, {COMPANY})
    ORDER BY d.operator_id = of_operator DESC
    LIMIT 1""",
    ),
    "certificate_design_drawn(of_operator uuid, of_number integer)": (
        "TABLE (content jsonb, logo_sha256 varchar, signature_sha256 varchar)",
        f"""
    SELECT d.content, d.logo_sha256, d.signature_sha256
    FROM certificate_designs d
    WHERE d.operator_id = of_operator AND d.number = of_number
      AND (d.operator_id = {COMPANY} OR d.operator_id = {TENANT} OR {EVERYTHING})""",
    ),
    "certificate_previews_due(by_instant timestamptz, kept_since timestamptz)": (
        "SETOF uuid",
        """
    SELECT p.operator_id
    FROM certificate_previews p
    WHERE p.state = 'waiting' AND p.next_at <= by_instant AND (p.lease_until IS NULL OR p.lease_until <= by_instant)
       OR p.requested_at < kept_since
       OR p.state = 'overtaken'
       OR p.state <> 'waiting' AND EXISTS (
          SELECT FROM certificate_previews n
          WHERE n.requested_by = p.requested_by AND (n.requested_at, n.id) > (p.requested_at, p.id))
    GROUP BY p.operator_id ORDER BY min(p.requested_at)""",
    ),
}

NAMED_BEFORE = """
    SELECT c.pdf_sha256 FROM certificates c WHERE c.pdf_sha256 = ANY (hashes) AND c.file_erased_at IS NULL
    UNION
    SELECT c.credential_sha256 FROM certificates c
    WHERE c.credential_sha256 = ANY (hashes) AND c.file_erased_at IS NULL"""
NAMED = f"""{NAMED_BEFORE}
    UNION
    SELECT f.hash
    FROM (
        SELECT unnest(ARRAY[logo_sha256, signature_sha256]) AS hash FROM certificate_designs
        UNION SELECT unnest(ARRAY[logo_sha256, signature_sha256]) FROM certificate_design_drafts
        UNION SELECT unnest(ARRAY[logo_sha256, signature_sha256, pdf_sha256, png_sha256]) FROM certificate_previews
    ) AS f
    WHERE f.hash = ANY (hashes)"""
"""Which files of the store are named, so that no sweep takes them; pictures and previews lie there as well from now on."""

KEEP = """
CREATE FUNCTION keep_certificate_design() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(NEW) - 'in_use' IS DISTINCT FROM to_jsonb(OLD) - 'in_use' THEN
        RAISE EXCEPTION 'a published design stays as it is: certificates are drawn in it'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'certificate_designs_are_kept',
                  TABLE = 'certificate_designs';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keep_certificate_design BEFORE UPDATE OR DELETE ON certificate_designs
    FOR EACH ROW EXECUTE FUNCTION keep_certificate_design();
"""


def upgrade() -> None:
    op.create_table(
        "certificate_designs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("in_use", sa.Boolean(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("logo_sha256", sa.String(length=64), nullable=True),
        sa.Column("signature_sha256", sa.String(length=64), nullable=True),
        sa.Column("taken_from", sa.Integer(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.Column("published_by_name", sa.String(length=120), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_certificate_designs_number")),
        sa.CheckConstraint(
            "taken_from IS NULL OR taken_from BETWEEN 1 AND number - 1", name=op.f("ck_certificate_designs_taken_from")
        ),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_certificate_designs_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_designs")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_certificate_designs_operator_id_id")),
        sa.UniqueConstraint("operator_id", "number", name=op.f("uq_certificate_designs_operator_id_number")),
    )
    op.create_index(
        "uq_certificate_designs_in_use",
        "certificate_designs",
        ["operator_id"],
        unique=True,
        postgresql_where=sa.text("in_use"),
    )
    op.create_table(
        "certificate_design_drafts",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("logo_sha256", sa.String(length=64), nullable=True),
        sa.Column("signature_sha256", sa.String(length=64), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("changed_by_name", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_certificate_design_drafts_operator_id")
        ),
        sa.PrimaryKeyConstraint("operator_id", name=op.f("pk_certificate_design_drafts")),
    )
    op.create_table(
        "certificate_previews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("logo_sha256", sa.String(length=64), nullable=True),
        sa.Column("signature_sha256", sa.String(length=64), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("student_name", sa.String(length=600), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "drawn",
                "failed",
                "overtaken",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pdf_sha256", sa.String(length=64), nullable=True),
        sa.Column("png_sha256", sa.String(length=64), nullable=True),
        sa.Column("problem", sa.String(length=64), nullable=True),
        sa.CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name=op.f("ck_certificate_previews_lease")),
        sa.CheckConstraint("(state = 'drawn') = (pdf_sha256 IS NOT NULL)", name=op.f("ck_certificate_previews_drawn")),
        sa.CheckConstraint("(pdf_sha256 IS NULL) = (png_sha256 IS NULL)", name=op.f("ck_certificate_previews_files")),
        sa.CheckConstraint("(state = 'failed') = (problem IS NOT NULL)", name=op.f("ck_certificate_previews_failed")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_certificate_previews_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_previews")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_certificate_previews_operator_id_id")),
    )
    op.create_index(
        "uq_certificate_previews_open",
        "certificate_previews",
        ["requested_by"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_certificate_previews_requested_by_requested_at", "certificate_previews", ["requested_by", "requested_at"]
    )
    op.create_index("ix_certificate_previews_requested_at", "certificate_previews", ["requested_at"])
    op.execute(KEEP)
    for table in TABLES:
        op.execute(f"CREATE POLICY of_operator ON {table} USING ({OWN}) WITH CHECK ({OWN})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    for table, columns in READ_ACROSS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {LOOKUP_ROLE}")
        op.execute(f"CREATE POLICY looked_up ON {table} FOR SELECT TO {LOOKUP_ROLE} USING (true)")
    for signature, (answer, question) in FUNCTIONS.items():
        ask(signature, answer, question)
    name_files(NAMED)
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP_ROLE}")


def downgrade() -> None:
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    name_files(NAMED_BEFORE)
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP_ROLE}")
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION keep_certificate_design()")


def ask(signature: str, answer: str, question: str) -> None:
    """Make a function of the role that reads across operators (see 0009)."""
    op.execute(
        f"CREATE FUNCTION {signature} RETURNS {answer} LANGUAGE sql STABLE SECURITY DEFINER"
        f" SET search_path = pg_catalog, public, pg_temp AS $${question}$$"
    )
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")
    op.execute(f"ALTER FUNCTION {signature} OWNER TO {LOOKUP_ROLE}")


def name_files(question: str) -> None:
    """Make ``files_named`` anew."""
    op.execute("DROP FUNCTION files_named(varchar[])")
    ask("files_named(hashes varchar[])", "SETOF varchar", question)
