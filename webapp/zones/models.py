"""Territories, every state they ever had, and the stamp of all of them together."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, FetchedValue, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.geo import Bounds, Location
from webapp.core.ids import COMPANY_ID
from webapp.db.base import Base, owned_key, owned_table, word
from webapp.db.geo_types import Box, Ring
from webapp.zones.rules import ZoneKind


class Zone(Base):
    """A circle or a polygon with a time zone, a travel buffer and one operator.

    ``franchise_id`` NULL means the company; ``operator_id`` is generated from it by the database. Names are unique
    among the company's zones and within each franchise (rule Z1): two partial unique indexes over ``name_key``.
    """

    __tablename__ = "zones"
    __table_args__ = owned_table(
        # Carried by trainer_zones, so that the database holds "all zones of one trainer share a time zone".
        UniqueConstraint("operator_id", "id", "time_zone"),
        CheckConstraint("name_key <> ''", name="name_key"),
        CheckConstraint(f"franchise_id <> '{COMPANY_ID}'", name="franchise"),
        CheckConstraint("center_lat BETWEEN -90 AND 90 AND center_lng BETWEEN -180 AND 180", name="center"),
        CheckConstraint("(kind = 'circle') = (radius_km IS NOT NULL)", name="radius"),
        CheckConstraint("radius_km > 0 AND radius_km <= 500", name="radius_range"),
        CheckConstraint("(kind = 'polygon') = (ring IS NOT NULL)", name="ring"),
        CheckConstraint(
            "array_ndims(ring) = 1 AND cardinality(ring) >= 6 AND cardinality(ring) % 2 = 0"
            " AND array_position(ring, NULL) IS NULL",
            name="ring_corners",
        ),
        CheckConstraint("(kind = 'polygon') = (max_travel_km IS NOT NULL)", name="max_travel"),
        CheckConstraint("max_travel_km > 0 AND max_travel_km <= 500", name="max_travel_range"),
        CheckConstraint("travel_buffer_minutes BETWEEN 0 AND 240", name="travel_buffer"),
        CheckConstraint("area_km2 > 0", name="area"),
        CheckConstraint("version >= 1", name="version"),
        Index("uq_zones_company_name_key", "name_key", unique=True, postgresql_where=text("franchise_id IS NULL")),
        Index(
            "uq_zones_franchise_name_key",
            "franchise_id",
            "name_key",
            unique=True,
            postgresql_where=text("franchise_id IS NOT NULL"),
        ),
        Index("ix_zones_bounds", "bounds", postgresql_using="gist"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    franchise_id: Mapped[UUID | None] = mapped_column(ForeignKey("operators.id"))
    operator_id: Mapped[UUID] = mapped_column(
        ForeignKey("operators.id"),
        Computed(f"COALESCE(franchise_id, '{COMPANY_ID}'::uuid)", persisted=True),
    )
    name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str] = mapped_column(String(240))
    label: Mapped[str] = mapped_column(String(200), default="")
    kind: Mapped[ZoneKind] = mapped_column(word(ZoneKind, "kind"))
    center_lat: Mapped[float]
    center_lng: Mapped[float]
    radius_km: Mapped[float | None]
    ring: Mapped[tuple[Location, ...] | None] = mapped_column(Ring)
    max_travel_km: Mapped[float | None]
    bounds: Mapped[Bounds] = mapped_column(Box)
    area_km2: Mapped[float]
    time_zone: Mapped[str] = mapped_column(String(64))
    travel_buffer_minutes: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(server_default=text("1"), server_onupdate=FetchedValue())
    """Counted by a trigger with every change of what a version holds."""
    changed_at: Mapped[datetime]
    changed_by: Mapped[UUID | None]
    changed_by_name: Mapped[str] = mapped_column(String(200), default="", server_default=text("''"))
    change_reason: Mapped[str | None] = mapped_column(String(400))
    """Why it is as it is: why it may share ground with another operator's zone, among others."""


class ZoneVersion(Base):
    """What a zone was from ``valid_from`` until ``valid_until``; one of each zone is open. Triggers write them."""

    __tablename__ = "zone_versions"
    __table_args__ = (
        UniqueConstraint("operator_id", "zone_id", "number"),
        owned_key("zone_id", "zones", ondelete="CASCADE"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("valid_until > valid_from", name="order"),
        Index("uq_zone_versions_open", "zone_id", unique=True, postgresql_where=text("valid_until IS NULL")),
    )

    operator_id: Mapped[UUID]
    zone_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    name: Mapped[str] = mapped_column(String(120))
    label: Mapped[str] = mapped_column(String(200))
    kind: Mapped[ZoneKind] = mapped_column(word(ZoneKind, "kind"))
    center_lat: Mapped[float]
    center_lng: Mapped[float]
    radius_km: Mapped[float | None]
    ring: Mapped[tuple[Location, ...] | None] = mapped_column(Ring)
    max_travel_km: Mapped[float | None]
    area_km2: Mapped[float]
    time_zone: Mapped[str] = mapped_column(String(64))
    travel_buffer_minutes: Mapped[int]
    active: Mapped[bool]
    changed_by: Mapped[UUID | None]
    changed_by_name: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(400))


class ZoneSet(Base):
    """One row. Triggers draw a new ``version`` with every statement that changes what a lookup answers (ADR 20)."""

    __tablename__ = "zone_set"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
