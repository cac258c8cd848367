"""Who serves a place, to the last bit: rings as plain numbers, a stamp for the set of zones, and rule Z1 verified.

PostgreSQL compares its geometric types with a tolerance of 1e-6, also where that is squared degrees: ``polygon @> point``
takes in places up to 78 metres outside a ring of short edges. The index of boxes stays (a tolerant index finds too
much, never too little); whether a ring holds a place is decided by the steps of ``webapp.core.geo.ring_contains``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from alembic import context, op

from webapp.core.errors import Invalid
from webapp.core.ids import new_id
from webapp.core.names import MAX_NAME, name_key

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

APP_ROLE = "zonedesk_app"
LOOKUP_ROLE = "zonedesk_lookup"
EVERYTHING = "(SELECT current_setting('app.sees_everything', true) IS NOT DISTINCT FROM 'on')"

# Longitude and latitude by turns, as GeoJSON has them and as the polygon's own text does.
TO_NUMBERS = "CAST('{' || translate(CAST(ring AS text), '()', '') || '}' AS double precision[])"
TO_POLYGON = "CAST(regexp_replace(array_to_string(ring, ','), '([^,]+),([^,]+)', '(\\1,\\2)', 'g') AS polygon)"
CORNERS = "array_ndims(ring) = 1 AND cardinality(ring) >= 6 AND cardinality(ring) % 2 = 0 AND array_position(ring, NULL) IS NULL"

RING_HOLDS = """
CREATE FUNCTION ring_holds(ring double precision[], at_lat double precision, at_lng double precision)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    numbers CONSTANT integer := cardinality(ring);
    a_lng double precision := ring[numbers - 1];
    a_lat double precision := ring[numbers];
    b_lng double precision;
    b_lat double precision;
    along double precision;
    across double precision;
    inside boolean := false;
BEGIN
    FOR i IN 1 .. numbers - 1 BY 2 LOOP
        b_lng := ring[i];
        b_lat := ring[i + 1];
        IF at_lat BETWEEN least(a_lat, b_lat) AND greatest(a_lat, b_lat) THEN
            -- Looked at from the southern end, whichever way the ring runs.
            IF a_lat < b_lat THEN
                along := (b_lng - a_lng) * (at_lat - a_lat);
                across := (at_lng - a_lng) * (b_lat - a_lat);
            ELSE
                along := (a_lng - b_lng) * (at_lat - b_lat);
                across := (at_lng - b_lng) * (a_lat - b_lat);
            END IF;
            IF along = across AND at_lng BETWEEN least(a_lng, b_lng) AND greatest(a_lng, b_lng) THEN
                RETURN true;
            END IF;
            IF across < along AND at_lat < greatest(a_lat, b_lat) THEN
                inside := NOT inside;
            END IF;
        END IF;
        a_lng := b_lng;
        a_lat := b_lat;
    END LOOP;
    RETURN inside;
END $$
"""

# Haversine (Sinnott 1984), step by step as webapp.core.geo.distance_km takes it.
DISTANCE = """round(2 * 6371.0088 * asin(least(1.0, sqrt(
            power(sin(radians(z.center_lat - at_lat) / 2), 2)
            + cos(radians(at_lat)) * cos(radians(z.center_lat)) * power(sin(radians(z.center_lng - at_lng) / 2), 2)
        ))) * 1000) / 1000"""
ZONE_AT = """TABLE (id uuid, operator_id uuid, operator_name varchar, name varchar, label varchar, kind varchar,
    time_zone varchar, distance_km double precision, reach_km double precision, area_km2 double precision,
    travel_buffer_minutes integer)"""
ANSWER = """f.id, f.operator_id, o.name, f.name, f.label, f.kind, f.time_zone, f.distance_km,
           coalesce(f.radius_km, f.max_travel_km), f.area_km2, f.travel_buffer_minutes
    FROM f JOIN operators o ON o.id = f.operator_id"""
ORDER = "f.distance_km, round(f.area_km2 * 1000000), f.created_at, f.id"
ZONE = """z.id, z.operator_id, z.name, z.label, z.kind, z.radius_km, z.ring, z.max_travel_km, z.area_km2, z.time_zone,
               z.travel_buffer_minutes, z.created_at"""
TURNS = ("at_lng", "at_lng - 360", "at_lng + 360")
"""The boxes of circles may reach over the 180° meridian, so a longitude is asked for in all three turns."""
HOLDING = " OR ".join(f"z.bounds @> box(point({lng}, at_lat), point({lng}, at_lat))" for lng in TURNS)
MEETING = " OR ".join(f"z.bounds && box(point({lng} - half, south), point({lng} + half, north))" for lng in TURNS)
NEAREST_BOXES = " UNION ALL ".join(
    "(SELECT z.id, z.center_lat, z.center_lng FROM zones z WHERE z.active"
    f" ORDER BY z.bounds <-> point({lng}, at_lat) LIMIT at_most)"
    for lng in TURNS
)

# plpgsql keeps a plan for a connection, on every version of PostgreSQL. Left to itself the planner makes a new one for
# each place, which costs four times the lookup and comes out the same. Strict: a place that is NULL asks for nothing.
LANGUAGE = "plpgsql STRICT SET plan_cache_mode = force_generic_plan"
FUNCTIONS = {
    "zones_at(at_lat double precision, at_lng double precision)": (
        ZONE_AT,
        f"""
#variable_conflict use_column
BEGIN RETURN QUERY
    WITH f AS MATERIALIZED (
        SELECT {ZONE}, {DISTANCE} AS distance_km
        FROM zones z
        WHERE z.active AND ({HOLDING})
    )
    SELECT {ANSWER}
    WHERE CASE WHEN f.kind = 'circle' THEN f.distance_km <= f.radius_km
               ELSE ring_holds(f.ring, at_lat, at_lng) OR abs(at_lng) = 180 AND ring_holds(f.ring, at_lat, -at_lng) END
    ORDER BY {ORDER};
END""",
    ),
    # The boxes nearest in degrees tell how far away the nearest centres are at most; the boxes that reach into the
    # circle of that radius are all that can hold a nearer centre.
    "zones_nearest(at_lat double precision, at_lng double precision, at_most integer)": (
        ZONE_AT,
        f"""
#variable_conflict use_column
DECLARE
    arc double precision;
    south double precision;
    north double precision;
    half double precision;
BEGIN
    SELECT (max(n.distance_km) + 0.001) / 6371.0088 INTO arc FROM (
        SELECT DISTINCT z.id, {DISTANCE} AS distance_km FROM ({NEAREST_BOXES}) AS z
        ORDER BY distance_km LIMIT at_most
    ) AS n;
    south := at_lat - degrees(arc);
    north := at_lat + degrees(arc);
    half := CASE WHEN south <= -90 OR north >= 90 THEN 180
                 ELSE degrees(asin(least(1.0, sin(arc) / cos(radians(at_lat))))) END;
    RETURN QUERY
    WITH f AS MATERIALIZED (
        SELECT {ZONE}, {DISTANCE} AS distance_km
        FROM zones z
        WHERE z.active AND ({MEETING})
    )
    SELECT {ANSWER}
    ORDER BY {ORDER}
    LIMIT at_most;
END""",
    ),
    # Whether they share ground needs shapes on the sphere, and is not decided here.
    "zones_sharing_a_box(with_zone uuid)": (
        """TABLE (id uuid, operator_id uuid, operator_name varchar, name varchar, label varchar,
    center_lat double precision, center_lng double precision, radius_km double precision, ring double precision[],
    own_center_lat double precision, own_center_lng double precision, own_radius_km double precision,
    own_ring double precision[])""",
        """
#variable_conflict use_column
BEGIN RETURN QUERY
    SELECT t.id, t.operator_id, o.name, t.name, t.label, t.center_lat, t.center_lng, t.radius_km, t.ring,
           z.center_lat, z.center_lng, z.radius_km, z.ring
    FROM zones z
    JOIN zones t ON t.id <> z.id AND t.active AND (
        t.bounds && z.bounds OR t.bounds && z.bounds + point(360, 0) OR t.bounds && z.bounds - point(360, 0)
    )
    JOIN operators o ON o.id = t.operator_id
    WHERE z.id = with_zone;
END""",
    ),
}

# Any statement that changes what a lookup answers draws a new stamp. A random one and no counter: a transaction that is
# rolled back would give its number to the next one, and a restored backup would count the same numbers again.
RENEW = """
CREATE FUNCTION renew_zone_set() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE zone_set SET version = gen_random_uuid() WHERE id = 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the row of zone_set is missing, so that remembered lookups would not hear of this change';
    END IF;
END $$;

CREATE FUNCTION renew_zone_set_of_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        PERFORM renew_zone_set();
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION renew_zone_set_of_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT CAST(was AS text) FROM was EXCEPT SELECT CAST(changed AS text) FROM changed) THEN
        PERFORM renew_zone_set();
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION renew_zone_set_at_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM renew_zone_set();
    RETURN NULL;
END $$;
"""
TRIGGERS = {
    "renew_zone_set_insert": "AFTER INSERT ON zones REFERENCING NEW TABLE AS changed FOR EACH STATEMENT"
    " EXECUTE FUNCTION renew_zone_set_of_changed()",
    "renew_zone_set_delete": "AFTER DELETE ON zones REFERENCING OLD TABLE AS changed FOR EACH STATEMENT"
    " EXECUTE FUNCTION renew_zone_set_of_changed()",
    "renew_zone_set_update": "AFTER UPDATE ON zones REFERENCING OLD TABLE AS was NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION renew_zone_set_of_updated()",
    "renew_zone_set_truncate": "AFTER TRUNCATE ON zones FOR EACH STATEMENT EXECUTE FUNCTION renew_zone_set_at_once()",
    "renew_zone_set_operator": "AFTER UPDATE ON operators FOR EACH ROW"
    " WHEN ((OLD.name, OLD.active) IS DISTINCT FROM (NEW.name, NEW.active))"
    " EXECUTE FUNCTION renew_zone_set_at_once()",
}
"""Where, by name. The row is locked after the zones that are changed, and until the commit: zones are seldom changed."""

POLICIES = {
    "read_by": "FOR SELECT USING (true)",
    "insert_by": f"FOR INSERT WITH CHECK ({EVERYTHING})",
    # Whoever changes a zone renews the stamp; to renew it for nothing costs others a lookup.
    "update_by": "FOR UPDATE USING (true) WITH CHECK (true)",
    "delete_by": f"FOR DELETE USING ({EVERYTHING})",
}

UNIQUE = {
    "uq_zones_company_name_key": "CREATE UNIQUE INDEX {} ON {} USING btree (name_key) WHERE (franchise_id IS NULL)",
    "uq_zones_franchise_name_key": "CREATE UNIQUE INDEX {} ON {} USING btree (franchise_id, name_key)"
    " WHERE (franchise_id IS NOT NULL)",
}
"""Rule Z1, in the server's own words."""
FOUND = sa.text("""
    SELECT c.relname, pg_get_indexdef(c.oid), i.indisvalid FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN :names
""").bindparams(sa.bindparam("names", tuple(UNIQUE), expanding=True))

log = logging.getLogger("alembic.runtime.migration")


class Named(NamedTuple):
    """A zone and what it is called; ``owner`` is its operator."""

    id: UUID
    owner: UUID
    name: str
    name_key: str


def upgrade() -> None:
    op.execute(f"ALTER TABLE zones ALTER COLUMN ring TYPE double precision[] USING {TO_NUMBERS}")
    op.create_check_constraint(op.f("ck_zones_ring_corners"), "zones", CORNERS)
    op.create_table(
        "zone_set",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_zone_set_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zone_set")),
    )
    op.execute("INSERT INTO zone_set (id) VALUES (1)")
    for name, policy in POLICIES.items():
        op.execute(f"CREATE POLICY {name} ON zone_set {policy}")
    op.execute("ALTER TABLE zone_set ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(RENEW)
    for name, rest in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {rest}")
    op.execute(RING_HOLDS)
    replace_functions(LANGUAGE, FUNCTIONS)
    hold_rule_z1(op.get_bind())


def downgrade() -> None:
    for name, rest in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON {'operators' if 'ON operators' in rest else 'zones'}")
    op.drop_constraint(op.f("ck_zones_ring_corners"), "zones")
    op.execute(f"ALTER TABLE zones ALTER COLUMN ring TYPE polygon USING {TO_POLYGON}")
    before = context.script.get_revision("0009").module.FUNCTIONS
    replace_functions("sql", {signature: before[signature] for signature in FUNCTIONS})
    for function in (
        "ring_holds(double precision[], double precision, double precision)",
        "renew_zone_set_at_once()",
        "renew_zone_set_of_updated()",
        "renew_zone_set_of_changed()",
        "renew_zone_set()",
    ):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("zone_set")


def replace_functions(language: str, functions: dict[str, tuple[str, str]]) -> None:
    """Functions of the role that reads across operators (see 0009), in place of those with the same signatures."""
    op.execute(f"GRANT CREATE ON SCHEMA public TO {LOOKUP_ROLE}")
    for signature, (answer, body) in functions.items():
        op.execute(f"DROP FUNCTION {signature}")
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS {answer} LANGUAGE {language} STABLE SECURITY DEFINER"
            f" SET search_path = pg_catalog, public, pg_temp AS $${body}$$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")
        op.execute(f"ALTER FUNCTION {signature} OWNER TO {LOOKUP_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {LOOKUP_ROLE}")


def hold_rule_z1(bind: sa.Connection) -> None:
    """Verify that every zone's ``name_key`` is its name's and that both indexes hold it unique; mend what is not so.

    No row goes: whoever bears a name twice gets a number behind it, the retired and the younger ones first, and an
    audit entry tells. Lists what it renames in the log of migrations as well.
    """
    bind.execute(sa.text("LOCK TABLE zones IN SHARE ROW EXCLUSIVE MODE"))
    rows = bind.execute(
        sa.text("SELECT id, operator_id, name, name_key FROM zones ORDER BY active DESC, created_at, id")
    )
    zones = [Named(*row) for row in rows]
    named = uniquely_named(zones)
    changed = [(was, now) for was, now in zip(zones, named, strict=True) if was != now]
    found = {name: (definition, valid) for name, definition, valid in bind.execute(FOUND)}
    wanted = {name: (definition.format(name, "public.zones"), True) for name, definition in UNIQUE.items()}
    if not changed and found == wanted:
        return
    for name in found:
        op.execute(f"DROP INDEX {name}")
    for was, now in changed:
        bind.execute(
            sa.text("UPDATE zones SET name = :name, name_key = :key WHERE id = :id"),
            {"id": now.id, "name": now.name, "key": now.name_key},
        )
        if was.name != now.name:
            tell(bind, was, now)
    for name, definition in UNIQUE.items():
        op.execute(definition.format(name, "zones"))


def uniquely_named(zones: Iterable[Named]) -> list[Named]:
    """The zones with their names' keys, no two of one operator alike; the first to bear a name keeps it."""
    zones = list(zones)
    keys = [key_of(zone.name) for zone in zones]
    taken = {(zone.owner, key) for zone, key in zip(zones, keys, strict=True)}
    first: set[tuple[UUID, str | None]] = set()
    named = []
    for zone, key in zip(zones, keys, strict=True):
        name = zone.name
        if key is None or (zone.owner, key) in first:
            name, key = with_number(zone, taken, 2 if key else 1)
            taken.add((zone.owner, key))
        first.add((zone.owner, key))
        named.append(Named(zone.id, zone.owner, name, key))
    return named


def key_of(name: str) -> str | None:
    """What the name is compared by; ``None`` for one of which nothing is to be seen."""
    try:
        return name_key(name)
    except Invalid:
        return None


def with_number(zone: Named, taken: set[tuple[UUID, str | None]], number: int) -> tuple[str, str]:
    """A name that nobody has yet, and its key: the zone's with a number behind it."""
    base = zone.name.strip() if key_of(zone.name) else "Zone"
    while True:
        suffix = f" ({number})"
        name = base[: MAX_NAME - len(suffix)].rstrip() + suffix
        key = name_key(name)
        if (zone.owner, key) not in taken:
            return name, key
        number += 1


def tell(bind: sa.Connection, was: Named, now: Named) -> None:
    """Say which zone is called otherwise now: in the audit, and to whoever migrates."""
    log.warning("So that no operator has a name twice, %r is %r now (zone %s).", was.name, now.name, now.id)
    bind.execute(
        sa.text(
            "INSERT INTO audit_entries (id, at, operator_id, actor_kind, actor_name, what, subject_kind, subject_id,"
            " before, after, source) VALUES (:id, now(), :owner, 'system', 'system', 'zone.renamed_to_be_unique', 'zone',"
            " :zone, CAST(:before AS jsonb), CAST(:after AS jsonb), 'cli')"
        ),
        {
            "id": new_id(),
            "owner": now.owner,
            "zone": now.id,
            "before": json.dumps({"name": was.name}),
            "after": json.dumps({"name": now.name}),
        },
    )
