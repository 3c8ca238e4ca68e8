"""What is in a PostgreSQL database, as far as the role may see it: read from the catalogs, never by counting."""

from __future__ import annotations

from collections.abc import Sequence

from servers.database.engine import ForeignKey, Found, Index, Kind, Search, Table, TableColumn
from servers.database.errors import NoSuchThing
from servers.database.postgres.asking import rows_of
from servers.database.postgres.connections import Connection

USER_SCHEMAS = "n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'"
RELATIONS = f"""
SELECT n.nspname, c.relname, NULL, NULL, obj_description(c.oid, 'pg_class'),
       CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8 END
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE {USER_SCHEMAS} AND c.relkind = ANY ('{{KINDS}}') AND NOT c.relispartition
   AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
   AND lower(c.relname) LIKE $1 AND ($2::text IS NULL OR n.nspname = $2) ORDER BY 1, 2 LIMIT $3 OFFSET $4
"""
FIND: dict[Kind, str] = {
    "table": RELATIONS.replace("KINDS", "r,p,f"),
    "view": RELATIONS.replace("KINDS", "v,m"),
    "column": f"""
SELECT n.nspname, a.attname, c.relname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum),
       NULL::int8
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE {USER_SCHEMAS} AND c.relkind = ANY ('{{r,p,f,v,m}}') AND NOT c.relispartition
   AND a.attnum > 0 AND NOT a.attisdropped
   AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
   AND lower(a.attname) LIKE $1 AND ($2::text IS NULL OR n.nspname = $2) ORDER BY 1, 3, 2 LIMIT $3 OFFSET $4
""",
    "index": f"""
SELECT n.nspname, c.relname, t.relname, NULL, NULL, NULL::int8
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE {USER_SCHEMAS} AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(t.oid, 'SELECT')
   AND lower(c.relname) LIKE $1 AND ($2::text IS NULL OR n.nspname = $2) ORDER BY 1, 2 LIMIT $3 OFFSET $4
""",
    "function": f"""
SELECT n.nspname, p.proname, NULL,
       pg_get_function_identity_arguments(p.oid) || ' -> ' || format_type(p.prorettype, NULL),
       obj_description(p.oid, 'pg_proc'),
       NULL::int8
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE {USER_SCHEMAS} AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
   AND lower(p.proname) LIKE $1 AND ($2::text IS NULL OR n.nspname = $2) ORDER BY 1, 2, 4 LIMIT $3 OFFSET $4
""",
    "schema": f"""
SELECT n.nspname, n.nspname, NULL, NULL, obj_description(n.oid, 'pg_namespace'), NULL::int8
  FROM pg_catalog.pg_namespace n WHERE {USER_SCHEMAS} AND has_schema_privilege(n.oid, 'USAGE')
   AND lower(n.nspname) LIKE $1 AND ($2::text IS NULL OR n.nspname = $2) ORDER BY 1 LIMIT $3 OFFSET $4
""",
}
OIDS = """
SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, obj_description(c.oid, 'pg_class'),
       CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8 END
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, place)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
 WHERE c.relkind = ANY ('{r,p,f,v,m}') AND has_schema_privilege(n.oid, 'USAGE')
   AND has_any_column_privilege(c.oid, 'SELECT')
 ORDER BY w.place
"""
COLUMNS = """
SELECT a.attrelid::int8, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       CASE WHEN a.attgenerated = '' AND a.attidentity = '' THEN pg_get_expr(d.adbin, d.adrelid)
            WHEN a.attidentity <> '' THEN 'identity' ELSE 'generated' END,
       coalesce(a.attnum = ANY (i.indkey::int2[]), false), col_description(a.attrelid, a.attnum)
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
 WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
   AND has_column_privilege(a.attrelid, a.attnum, 'SELECT') ORDER BY a.attrelid, a.attnum
"""
KEYS = """
SELECT k.conrelid::int8,
  (SELECT array_agg(a.attname::text ORDER BY p) FROM unnest(k.conkey) WITH ORDINALITY u(n, p)
     JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n),
  CASE WHEN n.nspname = 'public' THEN t.relname ELSE n.nspname || '.' || t.relname END,
  (SELECT array_agg(a.attname::text ORDER BY p) FROM unnest(k.confkey) WITH ORDINALITY u(n, p)
     JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n)
  FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
 WHERE k.contype = 'f' AND k.conrelid = ANY ($1::oid[]) ORDER BY k.conrelid, k.conname
"""
INDEXES = """
SELECT i.indrelid::int8, c.relname,
  (SELECT array_agg(pg_get_indexdef(i.indexrelid, place, true) ORDER BY place)
     FROM generate_series(1, i.indnkeyatts) place),
  i.indisunique
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = ANY ($1::oid[]) ORDER BY i.indrelid, c.relname
"""
VIEWS = ("v", "m")
SCANNED_WHOLE = 1_000_000
"""Up to so many rows a sample picks rows, beyond that whole blocks, without reading the others."""
FEWEST_SAMPLED = 10_000
"""Rows that blocks are picked for, so that a small sample does not come from one block or none."""


async def find(connection: Connection, search: Search) -> list[Found]:
    """Return the objects that match, by schema and name."""
    rows = await rows_of(connection, FIND[search.kind], [search.like, search.schema, search.limit, search.offset])
    return [
        Found(schema, name, search.kind, table, type_, comment, rough)
        for schema, name, table, type_, comment, rough in rows
    ]


async def describe(connection: Connection, wanted: Sequence[tuple[str, str]]) -> list[Table]:
    """Return tables and views with their columns, keys and indexes."""
    names = [schema for schema, _ in wanted], [name for _, name in wanted]
    tables = await rows_of(connection, OIDS, names)
    oids = [[row[0] for row in tables]]
    columns: dict[int, list[TableColumn]] = {}
    for oid, name, type_, nullable, default, pk, comment in await rows_of(connection, COLUMNS, oids):
        columns.setdefault(oid, []).append(TableColumn(name, type_, nullable, default, pk, comment))
    keys: dict[int, list[ForeignKey]] = {}
    for oid, own, table, others in await rows_of(connection, KEYS, oids):
        keys.setdefault(oid, []).append(ForeignKey(own, table, others))
    indexes: dict[int, list[Index]] = {}
    for oid, name, expressions, unique in await rows_of(connection, INDEXES, oids):
        indexes.setdefault(oid, []).append(Index(name, expressions, unique))
    return [
        Table(
            schema,
            name,
            "view" if kind in VIEWS else "table",
            columns.get(oid, []),
            keys.get(oid, []),
            indexes.get(oid, []),
            comment,
            rough,
        )
        for oid, schema, name, kind, comment, rough in tables
    ]


async def sample(connection: Connection, table: tuple[str, str], rows: int) -> str:
    """Return a sub-select of at most `rows` rows: all of a small table, blocks picked at random of a large one."""
    found = await rows_of(connection, OIDS, ([table[0]], [table[1]]))
    if not found:
        raise NoSuchThing(f"No table {table[1]!r} in schema {table[0]!r}. Call db_schema to see the names.")
    name = f"{quoted(table[0])}.{quoted(table[1])}"
    _, _, _, kind, _, rough = found[0]
    if kind not in ("r", "p", "m") or not rough or rough <= rows:
        return f"(SELECT * FROM {name} LIMIT {rows})"
    method, least = ("SYSTEM", 100.0 * FEWEST_SAMPLED / rough) if rough > SCANNED_WHOLE else ("BERNOULLI", 0.0)
    percent = min(100.0, max(least, 120.0 * rows / rough))
    return f"(SELECT * FROM {name} TABLESAMPLE {method} ({percent:.6f}) REPEATABLE (1) LIMIT {rows})"


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
