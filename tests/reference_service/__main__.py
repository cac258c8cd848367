"""``python -m tests.reference_service``: serve until standard input closes; the port is the first line printed."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tests.child import serve_until_parent_goes
from tests.reference_service.roster import Plan
from tests.reference_service.server import Server, Service
from tests.reference_service.wishes import Wishes


def main() -> None:
    """Read what is wished for, and serve."""
    wanted = argparse.ArgumentParser(prog="python -m tests.reference_service")
    wanted.add_argument("--port", type=int, default=0)
    wanted.add_argument("--trainers", type=int, default=100)
    wanted.add_argument("--seed", type=int, default=1)
    wanted.add_argument("--token", help="refuse whoever does not send it as a bearer token")
    wanted.add_argument("--plan", type=json.loads, default={}, help="JSON: zones, courses, places, all_hours")
    wanted.add_argument("--wishes", type=json.loads, default={}, help="JSON: any of the settings in wishes.py")
    asked = wanted.parse_args()
    plan = Plan(trainers=asked.trainers, seed=asked.seed, **_frozen(asked.plan))
    with Server(asked.port, Service(plan, Wishes().changed(asked.wishes), asked.token)) as server:
        serve_until_parent_goes(server.server_address[1])
        server.serve_forever()


def _frozen(given: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples of a plan."""

    def tuples(value: Any) -> Any:
        return tuple(tuples(each) for each in value) if isinstance(value, list) else value

    return {name: tuples(value) for name, value in given.items()}


if __name__ == "__main__":
    main()
