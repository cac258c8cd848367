"""Drawing a zone and changing one, with htmx and without."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from tests.make import Make
from tests.web.client import DeskClient
from webapp.core.ids import COMPANY_ID
from webapp.db.work import Database

FORM = {
    "name": "Central",
    "label": "",
    "kind": "circle",
    "center_lat": "17.6868",
    "center_lng": "83.2185",
    "radius_km": "3",
    "time_zone": "",
    "travel_buffer_minutes": "15",
    "active": "y",
    "reason": "",
    "operator": str(COMPANY_ID),
}
SQUARE = "17.60, 83.20\n17.60, 83.24\n17.64, 83.24\n17.64, 83.20\n"


def zones(db: Database) -> list[Any]:
    """The zones there are, by name."""
    with db.read_only() as session:
        return list(session.execute(text("SELECT * FROM zones ORDER BY name")))


def test_an_admin_draws_a_circle(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    assert client.get("zones.create").status_code == 200
    answer = client.post("zones.create", data=FORM)
    (zone,) = zones(db)
    assert (answer.status_code, answer.location) == (303, f"/zones/{zone.id}")
    assert (zone.name, zone.kind, zone.radius_km, zone.time_zone) == ("Central", "circle", 3.0, "Asia/Kolkata")
    assert (zone.version, zone.travel_buffer_minutes, zone.active) == (1, 15, True)


def test_a_manager_draws_a_polygon_of_their_own(client: DeskClient, make: Make, db: Database) -> None:
    manager = client.sign_in(make.manager())
    data = FORM | {"kind": "polygon", "corners": SQUARE, "max_travel_km": "7.5", "center_lat": "rubbish"}
    answer = client.post("zones.create", data=data, htmx=True)
    (zone,) = zones(db)
    assert answer.headers["HX-Redirect"] == f"/zones/{zone.id}"
    assert (zone.operator_id, zone.kind, zone.max_travel_km) == (manager.operator_id, "polygon", 7.5)
    assert zone.ring == [83.20, 17.60, 83.24, 17.60, 83.24, 17.64, 83.20, 17.64]
