"""What every test may ask for. Servers and databases come from the plugin `tests.services`, the
application and its client from `tests.web.client`."""

from __future__ import annotations

pytest_plugins = ["tests.services", "tests.web.client", "tests.isolation.counted"]
