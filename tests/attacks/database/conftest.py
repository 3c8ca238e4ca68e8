"""The PostgreSQL of the session, as the tests of the server have it."""

from __future__ import annotations

from tests.servers.database.conftest import postgres, postgres_server, source, world

__all__ = ["postgres", "postgres_server", "source", "world"]
