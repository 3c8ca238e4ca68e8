"""The names nearest to one that the server did not find."""

from __future__ import annotations

import re
from typing import TypeVar

import psycopg

from servers.database.errors import DatabaseError
from servers.database.hints import nearest
from servers.database.postgres.connections import Connection

E = TypeVar("E", bound=DatabaseError)
MISSING = re.compile(r"(?:relation|column) \"?([^\"\s]+)\"? (?:of relation \S+ )?does not exist")
NAMES = """
SELECT DISTINCT a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind = ANY ('{r,v,m,f,p}') AND pg_catalog.pg_table_is_visible(c.oid)
   AND c.relnamespace <> 'pg_catalog'::regnamespace
UNION SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relkind = ANY ('{r,v,m,f,p}')
   AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
LIMIT 20000
"""


async def with_names(connection: Connection, wrong: E) -> E:
    """Return an error about a missing table or column with the names that are near, unless the server named one."""
    text = str(wrong)
    found = MISSING.search(text)
    if found is None or "Perhaps you meant" in text:
        return wrong
    try:
        names = [str(name) for (name,) in await (await connection.execute(NAMES)).fetchall()]
    except psycopg.Error:
        return wrong
    return type(wrong)(
        text.replace(" Correct the statement; db_schema shows the names.", "") + nearest(found[1], names)
    )
