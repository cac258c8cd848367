"""What is asked of letters, links and invitations before it is known whose they are."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"

READ_ACROSS = {
    "invitations": "id, operator_id, email, name, role, locale, invited_by, invited_by_name, state, expires_at",
    "letters": "id, operator_id, state, next_at, lease_until",
    "link_tokens": "purpose, token_hash, user_id, invitation_id, email, expires_at, used_at",
}
"""What the functions below may read, column by column, of every operator."""

ACCOUNT = """user_id uuid, operator_id uuid, operator_name varchar, email varchar, name varchar, role varchar,
    locale varchar, active boolean, fs_uniquifier varchar, password varchar"""
INVITED = """TABLE (invitation_id uuid, operator_id uuid, operator_name varchar, email varchar, name varchar,
    role varchar, locale varchar, invited_by uuid, invited_by_name varchar, expires_at timestamptz,
    inviter_role varchar, inviter_operator_id uuid, inviter_active boolean)"""
INVITED_COLUMNS = """i.id, i.operator_id, o.name, i.email, i.name, i.role, i.locale, i.invited_by, i.invited_by_name,
    i.expires_at, u.role, u.operator_id, u.active AND h.active"""
INVITED_FROM = """invitations i
    JOIN operators o ON o.id = i.operator_id
    LEFT JOIN users u ON u.id = i.invited_by
    LEFT JOIN operators h ON h.id = u.operator_id"""
INVITED_WHERE = "i.state = 'open' AND i.expires_at > by_instant AND o.active"
LATE = "l.next_at <= by_instant AND (l.lease_until IS NULL OR l.lease_until <= by_instant)"

FUNCTIONS = {
    "reset_link_account(with_hash bytea, by_instant timestamptz)": (
        f"TABLE ({ACCOUNT})",
        """
    SELECT u.id, u.operator_id, o.name, u.email, u.name, u.role, u.locale, u.active AND o.active, u.fs_uniquifier,
        u.password
    FROM link_tokens t
    JOIN users u ON u.id = t.user_id
    JOIN operators o ON o.id = u.operator_id
    WHERE t.token_hash = with_hash AND t.purpose = 'reset' AND t.used_at IS NULL AND t.expires_at > by_instant
      AND t.email = u.email AND u.active AND o.active""",
    ),
    "invitation_by_link(with_hash bytea, by_instant timestamptz)": (
        INVITED,
        f"""
    SELECT {INVITED_COLUMNS}
    FROM {INVITED_FROM}
    JOIN link_tokens t ON t.invitation_id = i.id
    WHERE t.token_hash = with_hash AND t.purpose = 'invitation' AND t.used_at IS NULL AND t.expires_at > by_instant
      AND t.email = i.email AND {INVITED_WHERE}""",
    ),
    # Whoever invited may belong to another operator than the invitation.
    "invitation_open(with_id uuid, by_instant timestamptz)": (
        INVITED,
        f"""
    SELECT {INVITED_COLUMNS}
    FROM {INVITED_FROM}
    WHERE i.id = with_id AND {INVITED_WHERE}""",
    ),
    "letters_due(by_instant timestamptz, at_most integer)": (
        "TABLE (id uuid, operator_id uuid)",
        f"""
    SELECT l.id, l.operator_id
    FROM letters l
    WHERE l.state = 'pending' AND {LATE}
    ORDER BY l.next_at, l.id
    LIMIT at_most""",
    ),
    "letters_in_trouble(by_instant timestamptz)": (
        "TABLE (late bigint, failed bigint)",
        f"""
    SELECT count(*) FILTER (WHERE l.state = 'pending' AND {LATE}), count(*) FILTER (WHERE l.state = 'failed')
    FROM letters l
    WHERE l.state IN ('pending', 'failed')""",
    ),
}
"""The questions asked across operators: what each answers, and how."""


def upgrade() -> None:
    op.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    for table, columns in READ_ACROSS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {LOOKUP_ROLE}")
        op.execute(f"CREATE POLICY looked_up ON {table} FOR SELECT TO {LOOKUP_ROLE} USING (true)")
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
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    for table, columns in READ_ACROSS.items():
        op.execute(f"DROP POLICY looked_up ON {table}")
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM {LOOKUP_ROLE}")
