"""Families can be erased, and certificates keep what they promise.

An erased household takes no new booking, guardian, child or block, and its name never comes back. Of an issued
certificate nothing changes but its state, and once, when the family is erased, whose it is. Rows of the audit never
change either, so what families may ask to have erased goes out of the older ones here, before the first is sealed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ERASED = "\u2421"
"""``webapp.core.names.ERASED`` as it is now."""

GUARD_HOUSEHOLDS = f"""
CREATE FUNCTION keep_household_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.erased_at IS NOT NULL AND NEW.erased_at IS DISTINCT FROM OLD.erased_at THEN
        RAISE EXCEPTION 'an erased household stays erased'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'households_stay_erased', TABLE = 'households';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keep_erased BEFORE UPDATE OF erased_at ON households
    FOR EACH ROW EXECUTE FUNCTION keep_household_erased();

-- FOR SHARE: whoever erases the household at this moment is waited for, and its newest version is what counts.
CREATE FUNCTION refuse_erased_household() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone timestamptz;
BEGIN
    SELECT erased_at INTO gone FROM households WHERE id = NEW.household_id FOR SHARE;
    IF gone IS NOT NULL THEN
        RAISE EXCEPTION 'household % is erased', NEW.household_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'household_not_erased', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER not_of_erased BEFORE INSERT OR UPDATE OF household_id ON bookings
    FOR EACH ROW EXECUTE FUNCTION refuse_erased_household();
CREATE TRIGGER not_of_erased BEFORE INSERT OR UPDATE ON guardians
    FOR EACH ROW EXECUTE FUNCTION refuse_erased_household();
CREATE TRIGGER not_of_erased BEFORE INSERT OR UPDATE ON trainer_blocks
    FOR EACH ROW EXECUTE FUNCTION refuse_erased_household();
CREATE TRIGGER not_of_erased BEFORE INSERT OR UPDATE ON students
    FOR EACH ROW WHEN (NEW.name <> '{ERASED}') EXECUTE FUNCTION refuse_erased_household();
"""

GUARD_CERTIFICATES = f"""
CREATE FUNCTION keep_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was_out CONSTANT boolean := OLD.state IN ('issued', 'revoked', 'replaced');
    erasing CONSTANT boolean := OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL;
    refused text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        refused := 'a certificate is never deleted';
    ELSIF (NEW.id, NEW.operator_id, NEW.booking_id, NEW.student_id, NEW.number, NEW.awarded_on, NEW.created_at)
       IS DISTINCT FROM
          (OLD.id, OLD.operator_id, OLD.booking_id, OLD.student_id, OLD.number, OLD.awarded_on, OLD.created_at)
    THEN
        refused := 'whose, for what and under which number a certificate is never changes';
    ELSIF was_out AND (NEW.issued_at, NEW.pdf_sha256) IS DISTINCT FROM (OLD.issued_at, OLD.pdf_sha256) THEN
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
        OR NEW.revoked_reason IS NOT NULL
        OR NEW.file_erased_at IS NOT NULL)
    THEN
        refused := 'erasing takes the name, the link''s token and the words of a revocation, and nothing else';
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
END $$;

CREATE TRIGGER keep_certificate BEFORE UPDATE OR DELETE ON certificates
    FOR EACH ROW EXECUTE FUNCTION keep_certificate();
"""

KEEP_REASONS = """
UPDATE course_sessions SET cancelled_reason = left(told.reason, 400)
FROM (
    SELECT DISTINCT ON (subject_id) subject_id, after ->> 'reason' AS reason FROM audit_entries
    WHERE what = 'session.cancelled' AND after ? 'reason' ORDER BY subject_id, at DESC, id DESC
) AS told
WHERE course_sessions.id = told.subject_id
"""
TAKE_OUT_OF_THE_AUDIT = """
UPDATE audit_entries
SET before = before - ARRAY['address', 'lat', 'lng', 'reason', 'prefers_language', 'prefers_gender', 'prefers_taught_before'], after = after - ARRAY['address', 'lat', 'lng', 'reason', 'prefers_language', 'prefers_gender', 'prefers_taught_before']
WHERE what LIKE ANY (ARRAY['booking.%', 'assignment.%', 'session.%', 'trainer.blocked', 'trainer.unblocked'])
  AND (before ?| ARRAY['address', 'lat', 'lng', 'reason', 'prefers_language', 'prefers_gender', 'prefers_taught_before'] OR after ?| ARRAY['address', 'lat', 'lng', 'reason', 'prefers_language', 'prefers_gender', 'prefers_taught_before'])
"""


def upgrade() -> None:
    for name in ("erased_at", "erasure_noted_at"):
        op.add_column("households", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_households_erasure_noted"), "households", "erasure_noted_at IS NULL OR erased_at IS NOT NULL"
    )
    op.create_index(
        "ix_households_erasure_due",
        "households",
        ["erased_at"],
        postgresql_where=sa.text("erased_at IS NOT NULL AND erasure_noted_at IS NULL"),
    )
    for name in ("erased_at", "file_erased_at"):
        op.add_column("certificates", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_certificates_erased"), "certificates", "erased_at IS NULL OR state <> 'pending'"
    )
    op.create_check_constraint(
        op.f("ck_certificates_file_erased"), "certificates", "file_erased_at IS NULL OR erased_at IS NOT NULL"
    )
    op.create_index(
        "ix_certificates_file_due",
        "certificates",
        ["erased_at"],
        postgresql_where=sa.text("erased_at IS NOT NULL AND file_erased_at IS NULL AND pdf_sha256 IS NOT NULL"),
    )
    op.create_index(
        "ix_certificates_pdf_sha256",
        "certificates",
        ["pdf_sha256"],
        postgresql_where=sa.text("pdf_sha256 IS NOT NULL"),
    )
    op.add_column("course_sessions", sa.Column("cancelled_reason", sa.String(length=400), nullable=True))
    op.execute(sa.text(KEEP_REASONS))
    op.execute(sa.text(TAKE_OUT_OF_THE_AUDIT))
    op.execute(sa.text(GUARD_HOUSEHOLDS))
    op.execute(sa.text(GUARD_CERTIFICATES))


def downgrade() -> None:
    """What was erased, and what went out of the audit, does not come back."""
    op.execute("DROP TRIGGER keep_certificate ON certificates")
    for table in ("bookings", "guardians", "trainer_blocks", "students"):
        op.execute(f"DROP TRIGGER not_of_erased ON {table}")
    op.execute("DROP TRIGGER keep_erased ON households")
    for function in ("keep_certificate", "refuse_erased_household", "keep_household_erased"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_column("course_sessions", "cancelled_reason")
    op.drop_index("ix_certificates_pdf_sha256", table_name="certificates")
    op.drop_index("ix_certificates_file_due", table_name="certificates")
    op.drop_constraint(op.f("ck_certificates_file_erased"), "certificates", type_="check")
    op.drop_constraint(op.f("ck_certificates_erased"), "certificates", type_="check")
    for name in ("file_erased_at", "erased_at"):
        op.drop_column("certificates", name)
    op.drop_index("ix_households_erasure_due", table_name="households")
    op.drop_constraint(op.f("ck_households_erasure_noted"), "households", type_="check")
    for name in ("erasure_noted_at", "erased_at"):
        op.drop_column("households", name)
