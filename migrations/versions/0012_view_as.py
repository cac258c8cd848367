"""Seeing the desk as somebody else: until when, and who it is, with the one question that loads a sign-in.

The question gives back of the seen account what its desk needs, and none of its secrets.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"

SIGNATURE = "sign_in_session(with_hash bytea, with_uniquifier text)"
SESSION = """stage varchar, session_id uuid, created_at timestamptz, last_seen_at timestamptz,
    ends_at timestamptz, method varchar, second_factor_at timestamptz, tries integer"""
SESSION_COLUMNS = "s.stage, s.id, s.created_at, s.last_seen_at, s.ends_at, s.method, s.second_factor_at, s.tries"
ACCOUNT = """user_id uuid, operator_id uuid, operator_name varchar, email varchar, name varchar, role varchar,
    locale varchar, active boolean, fs_uniquifier varchar, password varchar"""
ACCOUNT_COLUMNS = """u.id, u.operator_id, o.name, u.email, u.name, u.role, u.locale, u.active AND o.active,
    u.fs_uniquifier, u.password"""
VIEWED = """view_as_id uuid, view_as_until timestamptz, viewed_operator_id uuid, viewed_operator_name varchar,
    viewed_email varchar, viewed_name varchar, viewed_role varchar, viewed_locale varchar, viewed_active boolean"""
VIEWED_COLUMNS = """s.view_as_id, s.view_as_until, v.operator_id, at.name, v.email, v.name, v.role, v.locale,
    v.active AND at.active"""
WHERE = """
    JOIN users u ON u.id = s.user_id
    JOIN operators o ON o.id = u.operator_id
    {more}
    WHERE s.token_hash = with_hash AND u.fs_uniquifier = with_uniquifier"""


def upgrade() -> None:
    op.add_column("sign_in_sessions", sa.Column("view_as_until", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_sign_in_sessions_view_as"), "sign_in_sessions", "(view_as_id IS NULL) = (view_as_until IS NULL)"
    )
    op.execute(f"GRANT SELECT (view_as_id, view_as_until) ON sign_in_sessions TO {LOOKUP_ROLE}")
    joined = "LEFT JOIN users v ON v.id = s.view_as_id LEFT JOIN operators at ON at.id = v.operator_id"
    _ask(
        f"{SESSION}, {ACCOUNT}, {VIEWED}",
        f"SELECT {SESSION_COLUMNS}, {ACCOUNT_COLUMNS}, {VIEWED_COLUMNS} FROM sign_in_sessions s"
        + WHERE.format(more=joined),
    )


def downgrade() -> None:
    _ask(
        f"{SESSION}, {ACCOUNT}",
        f"SELECT {SESSION_COLUMNS}, {ACCOUNT_COLUMNS} FROM sign_in_sessions s" + WHERE.format(more=""),
    )
    op.execute(f"REVOKE SELECT (view_as_id, view_as_until) ON sign_in_sessions FROM {LOOKUP_ROLE}")
    op.drop_column("sign_in_sessions", "view_as_until")


def _ask(answer: str, question: str) -> None:
    """Make the question anew, as a function of the role that may read across operators."""
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    op.execute(
        f"CREATE FUNCTION {SIGNATURE} RETURNS TABLE ({answer}) LANGUAGE sql STABLE SECURITY DEFINER"
        f" SET search_path = pg_catalog, public, pg_temp AS $${question}$$"
    )
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO {APP_ROLE}")
    op.execute(f"ALTER FUNCTION {SIGNATURE} OWNER TO {LOOKUP_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP_ROLE}")
