"""Two people revoke a certificate, and one that is made anew points to its successor.

A request and who decided on it stand in a table of their own, and no certificate becomes revoked without one that two
people stand behind. A certificate names its successor when that is promised and stays valid until it is issued. The
public page tells when and why a certificate was revoked and which one took its place, and finds one by its file's hash.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"
# As in 0009.
TENANT = "(SELECT NULLIF(current_setting('app.operator_id', true), '')::uuid)"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"
OWN = f"(operator_id = {TENANT} OR {EVERYTHING})"
ERASED = "\u2421"
"""``webapp.core.names.ERASED`` as it is now."""

SUCCESSOR_KEY = "fk_certificates_successor"
CHECKS = {
    "replaced": "state <> 'replaced' OR replaced_by_id IS NOT NULL",
    "successor": "replaced_by_id IS NULL OR state IN ('issued', 'revoked', 'replaced')",
}
REQUEST_CHECKS = {
    "decided": "(state = 'open') = (decided_at IS NULL)",
    "two_people": "state NOT IN ('confirmed', 'refused') OR (decided_by IS NOT NULL AND decided_by <> asked_by)",
    "withdrawn": "state <> 'withdrawn' OR decided_by = asked_by",
    "words": "kind <> 'revoke' OR state <> 'open' OR words IS NOT NULL",
}

KEEP_REQUESTS = """
CREATE FUNCTION keep_certificate_request() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    refused text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        refused := 'a request is never deleted';
    ELSIF (NEW.id, NEW.operator_id, NEW.certificate_id, NEW.kind, NEW.reason, NEW.asked_by, NEW.asked_by_name, NEW.asked_at)
       IS DISTINCT FROM
          (OLD.id, OLD.operator_id, OLD.certificate_id, OLD.kind, OLD.reason, OLD.asked_by, OLD.asked_by_name, OLD.asked_at)
    THEN
        refused := 'what was asked for, by whom and when never changes';
    ELSIF OLD.state <> 'open' AND (NEW.state, NEW.decided_by, NEW.decided_by_name, NEW.decided_at)
       IS DISTINCT FROM (OLD.state, OLD.decided_by, OLD.decided_by_name, OLD.decided_at)
    THEN
        refused := 'a request is decided once';
    ELSIF NEW.words IS DISTINCT FROM OLD.words AND NEW.words IS NOT NULL THEN
        refused := 'the words of a request are erased, and never rewritten';
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION '%', refused USING ERRCODE = 'check_violation',
            CONSTRAINT = 'certificate_requests_are_kept', TABLE = 'certificate_requests';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keep_certificate_request BEFORE UPDATE OR DELETE ON certificate_requests
    FOR EACH ROW EXECUTE FUNCTION keep_certificate_request();
"""

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
           NEW.revoked_at IS DISTINCT FROM OLD.revoked_at
        OR NOT erasing AND NEW.revoked_reason IS DISTINCT FROM OLD.revoked_reason)
    THEN
        refused := 'what became of a certificate is said once, when it happens';
    ELSIF NEW.state <> OLD.state AND NEW.state = 'revoked' AND (
           NEW.replaced_by_id IS NOT NULL
        OR NOT EXISTS (
            SELECT FROM certificate_requests r
            WHERE r.certificate_id = NEW.id AND r.kind = 'revoke' AND r.state = 'confirmed'
              AND r.decided_at = NEW.revoked_at AND r.words IS NOT DISTINCT FROM NEW.revoked_reason))
    THEN
        refused := 'two people revoke a certificate, in the words they agreed on, and none that is being replaced';
    ELSIF NEW.replaced_by_id IS DISTINCT FROM OLD.replaced_by_id AND NOT (
            OLD.replaced_by_id IS NULL AND NEW.state = OLD.state AND OLD.erased_at IS NULL AND NOT erasing
        AND (OLD.state = 'issued' OR OLD.state = 'revoked' AND EXISTS (
                SELECT FROM certificate_requests r
                WHERE r.certificate_id = NEW.id AND r.kind = 'reissue' AND r.state = 'confirmed'))
        AND NOT EXISTS (SELECT FROM certificates s WHERE s.id = NEW.replaced_by_id))
    THEN
        refused := 'a certificate that is out names one successor, before that is there; two people give a revoked one another';
    ELSIF NEW.state <> OLD.state AND NEW.state = 'replaced'
      AND NOT EXISTS (SELECT FROM certificates s WHERE s.id = OLD.replaced_by_id AND s.state = 'issued')
    THEN
        refused := 'a certificate is replaced when its successor is issued';
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
END $$;
"""
"""As in 0015, but for what becomes of a certificate that is out."""

FUNCTIONS = {
    # What two people agreed on tells when and why; a successor is told of once it is out.
    "certificate_shown(with_number text)": (
        "TABLE (state varchar, token varchar, payload jsonb, awarded_on date, pdf_sha256 varchar,"
        " erased_at timestamptz, revoked_at timestamptz, revoked_reason varchar, revoked_code varchar,"
        " replaced_by varchar, credential_sha256 varchar)",
        """
    SELECT c.state, c.token, c.payload, c.awarded_on, c.pdf_sha256, c.erased_at, c.revoked_at, c.revoked_reason,
           (SELECT r.reason FROM certificate_requests r
            WHERE r.certificate_id = c.id AND r.kind = 'revoke' AND r.state = 'confirmed'),
           (SELECT s.number FROM certificates s
            WHERE s.id = c.replaced_by_id AND s.state IN ('issued', 'revoked', 'replaced')),
           c.credential_sha256
    FROM certificates c
    WHERE c.number = with_number AND c.state IN ('issued', 'revoked', 'replaced')""",
    ),
    "certificate_of_file(with_sha256 text)": (
        "varchar",
        """
    SELECT c.number FROM certificates c
    WHERE c.pdf_sha256 = with_sha256 AND c.state IN ('issued', 'revoked', 'replaced')
    ORDER BY c.issued_at DESC, c.id DESC LIMIT 1""",
    ),
}
"""Questions across operators, of the role that reads across them (see 0009)."""
READ = {
    "certificates": "replaced_by_id, issued_at, revoked_at, revoked_reason",
    "certificate_requests": "certificate_id, kind, reason, state",
}
"""What that role may read besides."""


def _word(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.create_table(
        "certificate_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _word("kind", "revoke", "reissue"), nullable=False),
        sa.Column(
            "reason",
            _word(
                "reason",
                *("by_mistake", "not_earned", "misused", "holder_asked", "wrongly_revoked", "settled"),
            ),
            nullable=False,
        ),
        sa.Column("words", sa.String(length=400), nullable=True),
        sa.Column("state", _word("state", "open", "confirmed", "refused", "withdrawn", "lapsed"), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_by_name", sa.String(length=120), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.String(length=120), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        *(
            sa.CheckConstraint(rule, name=op.f(f"ck_certificate_requests_{name}"))
            for name, rule in REQUEST_CHECKS.items()
        ),
        sa.ForeignKeyConstraint(
            ["operator_id", "certificate_id"],
            ["certificates.operator_id", "certificates.id"],
            name=op.f("fk_certificate_requests_operator_id_certificate_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_requests")),
        sa.UniqueConstraint("operator_id", "id", name=op.f("uq_certificate_requests_operator_id_id")),
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "uq_certificate_requests_open",
        "certificate_requests",
        ["certificate_id"],
        unique=True,
        postgresql_where=is_open,
    )
    op.create_index("ix_certificate_requests_certificate_id", "certificate_requests", ["certificate_id"])
    op.create_index("ix_certificate_requests_waiting", "certificate_requests", ["asked_at"], postgresql_where=is_open)
    op.execute(f"CREATE POLICY of_operator ON certificate_requests USING ({OWN}) WITH CHECK ({OWN})")
    op.execute("ALTER TABLE certificate_requests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"REVOKE DELETE ON certificate_requests FROM {APP_ROLE}")
    op.execute(KEEP_REQUESTS)
    _point_to_successors()
    op.execute(KEEP_CERTIFICATES)
    op.execute(f"CREATE POLICY looked_up ON certificate_requests FOR SELECT TO {LOOKUP_ROLE} USING (true)")
    for table, columns in READ.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {LOOKUP_ROLE}")
    op.execute("DROP FUNCTION certificate_shown(text)")
    make_functions(FUNCTIONS)


def downgrade() -> None:
    """A certificate whose successor is on its way, or that was revoked and made anew, has no words in the older tables.

    Raises ``RuntimeError`` when there is one: the first sort is done in a minute, the second one has to stay.
    """
    left = op.get_bind().scalar(
        sa.text("SELECT count(*) FROM certificates WHERE replaced_by_id IS NOT NULL AND state <> 'replaced'")
    )
    if left:
        raise RuntimeError(f"{left} certificates have a successor and are not replaced: 0015 cannot hold them")
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    before = context.script.get_revision("0009").module.FUNCTIONS
    make_functions({"certificate_shown(with_number text)": before["certificate_shown(with_number text)"]})
    op.execute(f"REVOKE SELECT ({READ['certificates']}) ON certificates FROM {LOOKUP_ROLE}")
    op.execute(context.script.get_revision("0015").module.KEEP_CERTIFICATES)
    op.drop_constraint(SUCCESSOR_KEY, "certificates", type_="foreignkey")
    op.drop_constraint(op.f("uq_certificates_operator_id_booking_id_student_id_id"), "certificates", type_="unique")
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_certificates_{name}"), "certificates", type_="check")
    op.create_check_constraint(
        op.f("ck_certificates_replaced"), "certificates", "(state = 'replaced') = (replaced_by_id IS NOT NULL)"
    )
    op.create_foreign_key(
        op.f("fk_certificates_operator_id_replaced_by_id"),
        "certificates",
        "certificates",
        ["operator_id", "replaced_by_id"],
        ["operator_id", "id"],
    )
    op.drop_table("certificate_requests")
    op.execute("DROP FUNCTION keep_certificate_request()")


def _point_to_successors() -> None:
    """A successor is the same student's of the same booking, and is named before it is there."""
    op.drop_constraint(op.f("fk_certificates_operator_id_replaced_by_id"), "certificates", type_="foreignkey")
    op.create_unique_constraint(
        op.f("uq_certificates_operator_id_booking_id_student_id_id"),
        "certificates",
        ["operator_id", "booking_id", "student_id", "id"],
    )
    op.create_foreign_key(
        SUCCESSOR_KEY,
        "certificates",
        "certificates",
        ["operator_id", "booking_id", "student_id", "replaced_by_id"],
        ["operator_id", "booking_id", "student_id", "id"],
        deferrable=True,
        initially="DEFERRED",
    )
    op.drop_constraint(op.f("ck_certificates_replaced"), "certificates", type_="check")
    for name, rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_certificates_{name}"), "certificates", rule)


def make_functions(functions: dict[str, tuple[str, str]]) -> None:
    """Functions of the role that reads across operators."""
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    for signature, (answer, question) in functions.items():
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS {answer} LANGUAGE sql STABLE SECURITY DEFINER"
            f" SET search_path = pg_catalog, public, pg_temp AS $${question}$$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")
        op.execute(f"ALTER FUNCTION {signature} OWNER TO {LOOKUP_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP_ROLE}")
