"""Row-level security: the second line between operators, whatever the application forgets.

Every row of an operator is seen and written only on that operator's behalf, or by somebody who sees everything; both
are said at the begin of each transaction (``webapp.db.tenancy``). Said by nobody means nothing is seen. The owner of
the tables is bound as well, but may read what the functions below read. The few questions that must be asked across
operators are functions of a role that can sign in nowhere, may read the columns they need and write nothing.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"
COMPANY_ID = "00000000-0000-7000-8000-000000000001"

# Sub-selects, so that each is evaluated once for a statement and not for each row. After a transaction the setting is
# empty text and not absent: both mean nobody.
TENANT = "(SELECT NULLIF(current_setting('app.operator_id', true), '')::uuid)"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"
OWN = f"(operator_id = {TENANT} OR {EVERYTHING})"

OWNED = (
    "assignments",
    "attendance",
    "audit_entries",
    "audit_seals",
    "booking_students",
    "bookings",
    "certificates",
    "course_sessions",
    "guardians",
    "households",
    "invitations",
    "letters",
    "link_tokens",
    "passkeys",
    "recovery_codes",
    "schedule_slots",
    "sign_in_sessions",
    "students",
    "time_off",
    "trainer_blocks",
    "trainer_courses",
    "trainer_zones",
    "trainers",
    "users",
    "working_hours",
    "zones",
)
"""Seen and written by their operator alone."""

SPECIAL = {
    # Demand is the company's to read too (rule Z4).
    "enquiries": (f"({OWN} OR {TENANT} = '{COMPANY_ID}' AND status <> 'draft')", OWN),
    "operators": (f"(id = {TENANT} OR {EVERYTHING})", EVERYTHING),
    # One catalogue for everybody.
    "courses": ("true", EVERYTHING),
    # Nobody's: who leads the periodic work, and what authenticators are asked to sign.
    "leases": ("true", "true"),
    "passkey_challenges": ("true", "true"),
}
"""Tables with another rule, as (who reads, who writes)."""

ROLE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{LOOKUP_ROLE}') THEN
        CREATE ROLE {LOOKUP_ROLE} NOLOGIN;
        GRANT {LOOKUP_ROLE} TO CURRENT_USER;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$
"""

READ_ACROSS = {
    "operators": "id, name, active",
    "zones": "id, operator_id, name, label, kind, center_lat, center_lng, radius_km, ring, max_travel_km, bounds,"
    " area_km2, time_zone, travel_buffer_minutes, active, created_at",
    "certificates": "id, operator_id, number, token, state, payload, awarded_on, next_at, lease_until, attempts,"
    " pdf_sha256, erased_at, file_erased_at",
    "households": "id, operator_id, erased_at, erasure_noted_at",
    "users": "id, operator_id, email, name, role, locale, active, fs_uniquifier, password",
    "sign_in_sessions": "id, operator_id, user_id, token_hash, created_at, last_seen_at, ends_at, stage, method,"
    " second_factor_at, tries, view_as_id, view_as_until",
    "passkeys": "id, operator_id, user_id, credential_id, public_key, sign_count",
    "assignments": "id, operator_id, status, expires_at",
    "enquiries": "id, operator_id, status, expires_at",
    "bookings": "id, operator_id, status, retried, created_at",
    "course_sessions": "booking_id, status, starts_at",
    "invitations": "id, operator_id, email, name, role, locale, invited_by, invited_by_name, state, expires_at",
    "letters": "id, operator_id, state, next_at, lease_until",
    "link_tokens": "purpose, token_hash, user_id, invitation_id, email, expires_at, used_at",
}
"""What the functions below may read, column by column, of every operator."""

# Haversine (Sinnott 1984) on the sphere of webapp.core.geo, rounded to one metre.
DISTANCE = """round((2 * 6371.0088 * asin(least(1.0, sqrt(
        power(sin(radians(z.center_lat - at_lat) / 2), 2)
        + cos(radians(at_lat)) * cos(radians(z.center_lat)) * power(sin(radians(z.center_lng - at_lng) / 2), 2)
    ))))::numeric, 3)::double precision"""
ZONE_AT = """TABLE (id uuid, operator_id uuid, operator_name varchar, name varchar, label varchar, kind varchar,
    time_zone varchar, distance_km double precision, reach_km double precision, area_km2 double precision,
    travel_buffer_minutes integer)"""
ZONE_AT_COLUMNS = """f.id, f.operator_id, o.name, f.name, f.label, f.kind, f.time_zone, f.distance_km,
    coalesce(f.radius_km, f.max_travel_km), f.area_km2, f.travel_buffer_minutes"""
ZONE_ORDER = "f.distance_km, round(f.area_km2::numeric, 6), f.created_at, f.id"
ZONE = """z.id, z.operator_id, z.name, z.label, z.kind, z.radius_km, z.ring, z.max_travel_km, z.area_km2, z.time_zone,
    z.travel_buffer_minutes, z.created_at"""
TURNS = " UNION ALL ".join(
    f"(SELECT {ZONE}, z.center_lat, z.center_lng FROM zones z WHERE z.active ORDER BY z.bounds <-> point({lng}, at_lat) LIMIT 50)"
    for lng in ("at_lng", "at_lng - 360", "at_lng + 360")
)
ACCOUNT = """user_id uuid, operator_id uuid, operator_name varchar, email varchar, name varchar, role varchar,
    locale varchar, active boolean, fs_uniquifier varchar, password varchar"""
ACCOUNT_COLUMNS = """u.id, u.operator_id, o.name, u.email, u.name, u.role, u.locale, u.active AND o.active,
    u.fs_uniquifier, u.password"""
VIEWED = """view_as_id uuid, view_as_until timestamptz, viewed_operator_id uuid, viewed_operator_name varchar,
    viewed_email varchar, viewed_name varchar, viewed_role varchar, viewed_locale varchar, viewed_active boolean"""
VIEWED_COLUMNS = """s.view_as_id, s.view_as_until, v.operator_id, at.name, v.email, v.name, v.role, v.locale,
    v.active AND at.active"""
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
    # The boxes of zones may reach over the 180° meridian, so the longitude is asked for in all three turns. A box of
    # no size instead of a point: the GiST operator class of boxes indexes `box @> box`.
    "zones_at(at_lat double precision, at_lng double precision)": (
        ZONE_AT,
        f"""
    WITH f AS MATERIALIZED (
        SELECT {ZONE}, {DISTANCE} AS distance_km
        FROM zones z
        WHERE z.active AND (
            z.bounds @> box(point(at_lng, at_lat), point(at_lng, at_lat))
            OR z.bounds @> box(point(at_lng - 360, at_lat), point(at_lng - 360, at_lat))
            OR z.bounds @> box(point(at_lng + 360, at_lat), point(at_lng + 360, at_lat))
        )
    )
    SELECT {ZONE_AT_COLUMNS}
    FROM f JOIN operators o ON o.id = f.operator_id
    WHERE (f.kind = 'circle' AND f.distance_km <= f.radius_km)
       OR (f.kind = 'polygon' AND f.ring @> point(at_lng, at_lat))
    ORDER BY {ZONE_ORDER}""",
    ),
    # The index finds the boxes nearest in degrees; great-circle distance then orders those few.
    "zones_nearest(at_lat double precision, at_lng double precision, at_most integer)": (
        ZONE_AT,
        f"""
    WITH f AS MATERIALIZED (
        SELECT DISTINCT ON (z.id) {ZONE}, {DISTANCE} AS distance_km FROM ({TURNS}) AS z ORDER BY z.id
    )
    SELECT {ZONE_AT_COLUMNS}
    FROM f JOIN operators o ON o.id = f.operator_id
    ORDER BY {ZONE_ORDER}
    LIMIT at_most""",
    ),
    # Whether two rings meet is decided here; the other pairs need distances on the sphere.
    "zones_sharing_a_box(with_zone uuid)": (
        """TABLE (id uuid, operator_id uuid, operator_name varchar, name varchar, label varchar, kind varchar,
    center_lat double precision, center_lng double precision, radius_km double precision, ring polygon,
    own_kind varchar, own_center_lat double precision, own_center_lng double precision, own_radius_km double precision,
    own_ring polygon, rings_meet boolean)""",
        """
    SELECT t.id, t.operator_id, o.name, t.name, t.label, t.kind, t.center_lat, t.center_lng, t.radius_km, t.ring,
           z.kind, z.center_lat, z.center_lng, z.radius_km, z.ring, coalesce(t.ring && z.ring, false)
    FROM zones z
    JOIN zones t ON t.id <> z.id AND t.active AND (
        t.bounds && z.bounds OR t.bounds && z.bounds + point(360, 0) OR t.bounds && z.bounds - point(360, 0)
    )
    JOIN operators o ON o.id = t.operator_id
    WHERE z.id = with_zone""",
    ),
    "certificate_shown(with_number text)": (
        "TABLE (state varchar, token varchar, payload jsonb, awarded_on date, pdf_sha256 varchar, erased_at timestamptz)",
        """
    SELECT c.state, c.token, c.payload, c.awarded_on, c.pdf_sha256, c.erased_at
    FROM certificates c
    WHERE c.number = with_number AND c.state IN ('issued', 'revoked', 'replaced')""",
    ),
    "sign_in_account(with_email text)": (
        f"TABLE ({ACCOUNT})",
        f"""
    SELECT {ACCOUNT_COLUMNS}
    FROM users u JOIN operators o ON o.id = u.operator_id
    WHERE u.email = with_email""",
    ),
    # Of whoever is looked at as, what their desk needs and none of their secrets.
    "sign_in_session(with_hash bytea, with_uniquifier text)": (
        f"""TABLE (stage varchar, session_id uuid, created_at timestamptz, last_seen_at timestamptz,
    ends_at timestamptz, method varchar, second_factor_at timestamptz, tries integer, {ACCOUNT}, {VIEWED})""",
        f"""
    SELECT s.stage, s.id, s.created_at, s.last_seen_at, s.ends_at, s.method, s.second_factor_at, s.tries,
        {ACCOUNT_COLUMNS}, {VIEWED_COLUMNS}
    FROM sign_in_sessions s
    JOIN users u ON u.id = s.user_id
    JOIN operators o ON o.id = u.operator_id
    LEFT JOIN users v ON v.id = s.view_as_id
    LEFT JOIN operators at ON at.id = v.operator_id
    WHERE s.token_hash = with_hash AND u.fs_uniquifier = with_uniquifier""",
    ),
    "sign_in_passkey(with_credential bytea)": (
        f"TABLE (passkey_id uuid, public_key bytea, sign_count bigint, {ACCOUNT})",
        f"""
    SELECT p.id, p.public_key, p.sign_count, {ACCOUNT_COLUMNS}
    FROM passkeys p
    JOIN users u ON u.id = p.user_id
    JOIN operators o ON o.id = u.operator_id
    WHERE p.credential_id = with_credential""",
    ),
    # A name is no secret: it stands on certificates and beside zones.
    "operator_name(of_operator uuid)": ("varchar", "SELECT o.name FROM operators o WHERE o.id = of_operator"),
    "operators_served()": ("SETOF uuid", "SELECT o.id FROM operators o ORDER BY o.id"),
    "operators_with_ended_holds(by_instant timestamptz)": (
        "SETOF uuid",
        """
    SELECT a.operator_id FROM assignments a WHERE a.status = 'proposed' AND a.expires_at <= by_instant
    GROUP BY a.operator_id ORDER BY min(a.expires_at)""",
    ),
    "operators_with_old_drafts(by_instant timestamptz)": (
        "SETOF uuid",
        """
    SELECT e.operator_id FROM enquiries e WHERE e.status = 'draft' AND e.expires_at <= by_instant
    GROUP BY e.operator_id ORDER BY min(e.expires_at)""",
    ),
    "certificates_due(by_instant timestamptz)": (
        "TABLE (operator_id uuid, due bigint, oldest timestamptz)",
        """
    SELECT c.operator_id, count(*), min(c.next_at)
    FROM certificates c
    WHERE c.state = 'pending' AND c.next_at <= by_instant
      AND (c.lease_until IS NULL OR c.lease_until <= by_instant)
    GROUP BY c.operator_id ORDER BY min(c.next_at)""",
    ),
    "certificate_files_to_erase(at_most integer)": (
        "TABLE (id uuid, operator_id uuid)",
        """
    SELECT c.id, c.operator_id
    FROM certificates c
    WHERE c.erased_at IS NOT NULL AND c.file_erased_at IS NULL AND c.pdf_sha256 IS NOT NULL
    ORDER BY c.erased_at, c.id
    LIMIT at_most""",
    ),
    "erasures_to_note(at_most integer)": (
        "TABLE (id uuid, operator_id uuid)",
        """
    SELECT h.id, h.operator_id
    FROM households h
    WHERE h.erased_at IS NOT NULL AND h.erasure_noted_at IS NULL
    ORDER BY h.erased_at, h.id
    LIMIT at_most""",
    ),
    "bookings_to_retry(by_instant timestamptz, of_operator uuid, after_booking uuid, at_most integer)": (
        "TABLE (id uuid, operator_id uuid)",
        """
    SELECT b.id, b.operator_id
    FROM bookings b
    WHERE b.status = 'waitlisted' AND b.retried
      AND (of_operator IS NULL OR b.operator_id = of_operator)
      AND (SELECT min(s.starts_at) FROM course_sessions s WHERE s.booking_id = b.id AND s.status = 'scheduled')
          > by_instant
      AND (after_booking IS NULL OR NOT EXISTS (SELECT FROM bookings l WHERE l.id = after_booking)
           OR (b.created_at, b.id) > (SELECT l.created_at, l.id FROM bookings l WHERE l.id = after_booking))
    ORDER BY b.created_at, b.id
    LIMIT at_most""",
    ),
    "reset_link_account(with_hash bytea, by_instant timestamptz)": (
        f"TABLE ({ACCOUNT})",
        f"""
    SELECT {ACCOUNT_COLUMNS}
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
    op.execute(ROLE)
    for table in OWNED:
        op.execute(f"CREATE POLICY of_operator ON {table} USING ({OWN}) WITH CHECK ({OWN})")
    for table, (reads, writes) in SPECIAL.items():
        op.execute(f"CREATE POLICY read_by ON {table} FOR SELECT USING ({reads})")
        for verb in ("INSERT", "UPDATE", "DELETE"):
            using = "" if verb == "INSERT" else f"USING ({writes})"
            check = "" if verb == "DELETE" else f"WITH CHECK ({writes})"
            op.execute(f"CREATE POLICY {verb.lower()}_by ON {table} FOR {verb} {using} {check}")
    for table in (*OWNED, *SPECIAL):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
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
    for table in READ_ACROSS:
        op.execute(f"DROP POLICY looked_up ON {table}")
        op.execute(f"REVOKE ALL ON {table} FROM {LOOKUP_ROLE}")
        op.execute(f"REVOKE SELECT ({READ_ACROSS[table]}) ON {table} FROM {LOOKUP_ROLE}")
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {LOOKUP_ROLE}")
    for table in (*OWNED, *SPECIAL):
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
    for table in OWNED:
        op.execute(f"DROP POLICY of_operator ON {table}")
    for table in SPECIAL:
        for name in ("read_by", "insert_by", "update_by", "delete_by"):
            op.execute(f"DROP POLICY {name} ON {table}")
