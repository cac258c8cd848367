"""Certificates become credentials too: what each says beside its payload, the issuer's public keys, the signed lists.

What a credential says is fixed with the promise: salt, award and the instant from which it is valid. Keys are never
deleted, because what they signed is to be verified for decades; private ones never come near the database. Certificates
issued before have no credential and get none: what was given out does not change.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"
ERASED = "\u2421"
"""``webapp.core.names.ERASED`` as it is now."""

TENANT = "(SELECT NULLIF(current_setting('app.operator_id', true), '')::uuid)"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"
OWN = f"(operator_id = {TENANT} OR {EVERYTHING})"

# No extension is needed for this: gen_random_uuid() draws 122 bits from the same source as everything secret, twice.
SALT = "left(encode(sha256(convert_to(CAST(gen_random_uuid() AS text) || gen_random_uuid(), 'UTF8')), 'hex'), 32)"

KEEP_CERTIFICATES = f"""
CREATE OR REPLACE FUNCTION keep_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was_out CONSTANT boolean := OLD.state IN ('issued', 'revoked', 'replaced');
    erasing CONSTANT boolean := OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL;
    refused text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        refused := 'a certificate is never deleted';
    ELSIF (NEW.id, NEW.operator_id, NEW.booking_id, NEW.student_id, NEW.number, NEW.awarded_on, NEW.created_at,
           NEW.awarded_at, NEW.valid_from)
       IS DISTINCT FROM
          (OLD.id, OLD.operator_id, OLD.booking_id, OLD.student_id, OLD.number, OLD.awarded_on, OLD.created_at,
           OLD.awarded_at, OLD.valid_from)
    THEN
        refused := 'whose, for what, since when and under which number a certificate is never changes';
    ELSIF was_out AND (NEW.issued_at, NEW.pdf_sha256, NEW.credential_sha256)
       IS DISTINCT FROM (OLD.issued_at, OLD.pdf_sha256, OLD.credential_sha256)
    THEN
        refused := 'what was issued, and when, never changes';
    ELSIF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('pending', 'issued'), ('pending', 'failed'), ('failed', 'pending'), ('issued', 'revoked'), ('issued', 'replaced'))
    THEN
        refused := format('a certificate that is %s cannot become %s', OLD.state, NEW.state);
    ELSIF NEW.state = OLD.state AND (
           (NEW.revoked_at, NEW.replaced_by_id) IS DISTINCT FROM (OLD.revoked_at, OLD.replaced_by_id)
        OR NOT erasing AND NEW.revoked_reason IS DISTINCT FROM OLD.revoked_reason)
    THEN
        refused := 'what became of a certificate is said once, when it happens';
    ELSIF NOT erasing AND NEW.erased_at IS DISTINCT FROM OLD.erased_at THEN
        refused := 'an erased certificate stays erased';
    ELSIF erasing AND (
           NEW.state <> OLD.state OR OLD.state = 'pending'
        OR NEW.payload - ARRAY['student_name', 'verify_url'] <> OLD.payload - ARRAY['student_name', 'verify_url']
        OR NEW.payload ->> 'student_name' IS DISTINCT FROM '{ERASED}'
        OR strpos(NEW.payload ->> 'verify_url', OLD.token) > 0
        OR NEW.token = OLD.token
        OR NEW.salt IS NOT NULL
        OR NEW.revoked_reason IS NOT NULL
        OR NEW.file_erased_at IS NOT NULL)
    THEN
        refused := 'erasing takes the name, its salt, the link''s token and the words of a revocation, and nothing else';
    ELSIF NOT erasing AND NEW.salt IS DISTINCT FROM OLD.salt THEN
        refused := 'the salt of a certificate is drawn once';
    ELSIF NOT erasing AND (was_out OR OLD.erased_at IS NOT NULL)
      AND (NEW.payload, NEW.token) IS DISTINCT FROM (OLD.payload, OLD.token)
    THEN
        refused := 'what a certificate says never changes once it is out or erased';
    ELSIF OLD.erased_at IS NOT NULL AND NEW.state <> OLD.state AND NEW.state <> 'revoked' THEN
        refused := 'an erased certificate is not made anew';
    ELSIF OLD.file_erased_at IS NOT NULL AND NEW.file_erased_at IS DISTINCT FROM OLD.file_erased_at THEN
        refused := 'a file that is gone stays gone';
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION '%', refused
            USING ERRCODE = 'check_violation', CONSTRAINT = 'certificates_are_kept', TABLE = 'certificates';
    END IF;
    RETURN NEW;
END $$
"""

KEEP_KEYS = """
CREATE FUNCTION keep_issuer_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       OR (NEW.id, NEW.operator_id, NEW.kind, NEW.public, NEW.since)
          IS DISTINCT FROM (OLD.id, OLD.operator_id, OLD.kind, OLD.public, OLD.since)
       OR OLD.retired_at IS NOT NULL AND NEW.retired_at IS DISTINCT FROM OLD.retired_at
       OR OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at
    THEN
        RAISE EXCEPTION 'a key is retired once and withdrawn once, and else never changes'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'issuer_keys_are_kept', TABLE = 'issuer_keys';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keep_issuer_key BEFORE UPDATE OR DELETE ON issuer_keys
    FOR EACH ROW EXECUTE FUNCTION keep_issuer_key();
"""

FUNCTIONS = {
    # Each year that has credentials once without an id, and then those that are void. All of it stands on the public
    # lists as well. From one year to the next by the index, so that the many valid ones are not looked at.
    "certificates_void()": (
        "TABLE (year integer, id uuid, state varchar)",
        """
    WITH RECURSIVE first (day) AS (
        SELECT min(c.awarded_on) FROM certificates c WHERE c.credential_sha256 IS NOT NULL
        UNION ALL
        SELECT (SELECT min(c.awarded_on) FROM certificates c WHERE c.credential_sha256 IS NOT NULL
                AND c.awarded_on >= CAST(date_trunc('year', f.day) + interval '1 year' AS date))
        FROM first f WHERE f.day IS NOT NULL
    )
    SELECT CAST(extract(year FROM f.day) AS integer), CAST(NULL AS uuid), CAST(NULL AS varchar)
    FROM first f WHERE f.day IS NOT NULL
    UNION ALL
    SELECT CAST(extract(year FROM c.awarded_on) AS integer), c.id, c.state
    FROM certificates c
    WHERE c.state IN ('revoked', 'replaced') AND c.credential_sha256 IS NOT NULL""",
    ),
    "certificates_without_keys()": (
        "bigint",
        """
    SELECT count(*) FROM certificates c WHERE c.state = 'pending' AND c.last_error LIKE 'keys-%'""",
    ),
    # Whoever puts files of another kind into the store adds the column that names them.
    "files_named(hashes varchar[])": (
        "SETOF varchar",
        """
    SELECT c.pdf_sha256 FROM certificates c WHERE c.pdf_sha256 = ANY (hashes) AND c.file_erased_at IS NULL
    UNION
    SELECT c.credential_sha256 FROM certificates c
    WHERE c.credential_sha256 = ANY (hashes) AND c.file_erased_at IS NULL""",
    ),
}
"""Asked across operators, by the role of 0009 that reads and owns nothing."""
READ_ACROSS = "credential_sha256, last_error"

POLICIES = {
    "read_by": "FOR SELECT USING (true)",
    "insert_by": f"FOR INSERT WITH CHECK ({OWN})",
    "update_by": f"FOR UPDATE USING ({OWN}) WITH CHECK ({OWN})",
    "delete_by": f"FOR DELETE USING ({OWN})",
}
"""Public keys and signed lists are for everybody to read."""


def upgrade() -> None:
    op.add_column("certificates", sa.Column("salt", sa.String(length=32), nullable=True))
    for name in ("awarded_at", "valid_from"):
        op.add_column("certificates", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("certificates", sa.Column("credential_sha256", sa.String(length=64), nullable=True))
    # Until now a certificate was promised in the very transaction in which it was earned.
    op.execute(
        "UPDATE certificates SET awarded_at = created_at, valid_from = created_at,"
        f" salt = CASE WHEN erased_at IS NULL THEN {SALT} END"
    )
    for name in ("awarded_at", "valid_from"):
        op.alter_column("certificates", name, nullable=False)
    op.create_check_constraint(op.f("ck_certificates_salt"), "certificates", "(salt IS NULL) = (erased_at IS NOT NULL)")
    op.create_check_constraint(op.f("ck_certificates_valid"), "certificates", "valid_from >= awarded_at")
    op.create_check_constraint(
        op.f("ck_certificates_credential"), "certificates", "credential_sha256 IS NULL OR pdf_sha256 IS NOT NULL"
    )
    op.create_index(
        "ix_certificates_credential_sha256",
        "certificates",
        ["credential_sha256"],
        postgresql_where=sa.text("credential_sha256 IS NOT NULL"),
    )
    op.create_index(
        "ix_certificates_credential_awarded_on",
        "certificates",
        ["awarded_on"],
        postgresql_where=sa.text("credential_sha256 IS NOT NULL"),
    )
    op.create_index(
        "ix_certificates_void",
        "certificates",
        ["id"],
        postgresql_where=sa.text("state IN ('revoked', 'replaced') AND credential_sha256 IS NOT NULL"),
    )
    op.create_table(
        "issuer_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("ed25519", "x509", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("withdrawn_at IS NULL OR retired_at IS NOT NULL", name=op.f("ck_issuer_keys_withdrawn")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_issuer_keys_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuer_keys")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_issuer_keys_operator_id_id")),
        sa.UniqueConstraint("public", name=op.f("uq_issuer_keys_public")),
    )
    op.create_index(
        "uq_issuer_keys_in_use",
        "issuer_keys",
        ["operator_id", "kind"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "revocation_lists",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_revocation_lists_operator_id")),
        sa.ForeignKeyConstraint(
            ["operator_id", "key_id"],
            ["issuer_keys.operator_id", "issuer_keys.id"],
            name=op.f("fk_revocation_lists_operator_id_key_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revocation_lists")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_revocation_lists_operator_id_id")),
        sa.UniqueConstraint("year", "number", name=op.f("uq_revocation_lists_year_number")),
    )
    op.create_index("ix_revocation_lists_operator_id_key_id", "revocation_lists", ["operator_id", "key_id"])
    for table in ("issuer_keys", "revocation_lists"):
        for name, policy in POLICIES.items():
            op.execute(f"CREATE POLICY {name} ON {table} {policy}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"REVOKE DELETE ON issuer_keys FROM {APP_ROLE}")
    op.execute(f"REVOKE UPDATE, DELETE ON revocation_lists FROM {APP_ROLE}")
    op.execute(KEEP_KEYS)
    op.execute(KEEP_CERTIFICATES)
    op.execute(f"GRANT SELECT ({READ_ACROSS}) ON certificates TO {LOOKUP_ROLE}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    for signature, (answer, question) in FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS {answer} LANGUAGE sql STABLE SECURITY DEFINER"
            f" SET search_path = pg_catalog, public, pg_temp AS $${question}$$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")
        op.execute(f"ALTER FUNCTION {signature} OWNER TO {LOOKUP_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP_ROLE}")


def downgrade() -> None:
    """Credentials and the issuer's keys are forgotten; what was given out can then not be verified here any more."""
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute(f"REVOKE SELECT ({READ_ACROSS}) ON certificates FROM {LOOKUP_ROLE}")
    op.execute(before().replace("CREATE FUNCTION keep_certificate", "CREATE OR REPLACE FUNCTION keep_certificate"))
    op.drop_table("revocation_lists")
    op.drop_table("issuer_keys")
    op.execute("DROP FUNCTION keep_issuer_key()")
    op.drop_index("ix_certificates_void", table_name="certificates")
    op.drop_index("ix_certificates_credential_awarded_on", table_name="certificates")
    op.drop_index("ix_certificates_credential_sha256", table_name="certificates")
    for name in ("salt", "valid", "credential"):
        op.drop_constraint(op.f(f"ck_certificates_{name}"), "certificates", type_="check")
    for name in ("credential_sha256", "valid_from", "awarded_at", "salt"):
        op.drop_column("certificates", name)


def before() -> str:
    """The guard of certificates as 0008 made it, without its trigger, which stays."""
    path = Path(__file__).with_name("0008_erasure.py")
    spec = importlib.util.spec_from_file_location("migration_0008", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} cannot be read")
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    guard: str = migration.GUARD_CERTIFICATES
    return guard.partition("CREATE TRIGGER")[0]
