"""Which role a PostgreSQL source may use: a plain one, because the role is the boundary that no statement passes.

A superuser, or a role that may read the server's files, run its programs, or reach other servers, is refused, with the
SQL that makes the right role. See https://www.postgresql.org/docs/current/predefined-roles.html.
"""

from __future__ import annotations

from typing import Any

from servers.database.errors import Refused, Unavailable

OLDEST = 140_000
MIGHTY_ROLES = (
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_execute_server_program",
    "pg_signal_backend",
    "pg_create_subscription",
    "rds_superuser",
    "cloudsqlsuperuser",
    "azure_pg_admin",
)
MIGHTY_FUNCTIONS = (
    "pg_read_file",
    "pg_read_binary_file",
    "pg_ls_dir",
    "pg_stat_file",
    "lo_import",
    "lo_export",
    "dblink",
    "dblink_connect",
    "dblink_connect_u",
    "dblink_exec",
    "dblink_send_query",
)

FACTS = f"""
SELECT current_setting('server_version_num')::int, session_user, current_database(),
  (SELECT bool_or(rolsuper OR rolreplication OR rolcreaterole) FROM pg_catalog.pg_roles WHERE rolname = session_user),
  (SELECT string_agg(rolname, ', ') FROM pg_catalog.pg_roles
    WHERE (rolsuper OR rolname = ANY ('{{{",".join(MIGHTY_ROLES)}}}'))
      AND rolname <> session_user AND pg_catalog.pg_has_role(session_user, oid, 'MEMBER')),
  (SELECT string_agg(DISTINCT p.oid::regprocedure::text, ', ') FROM pg_catalog.pg_proc p
    WHERE p.proname = ANY ('{{{",".join(MIGHTY_FUNCTIONS)}}}')
      AND pg_catalog.has_function_privilege(session_user, p.oid, 'EXECUTE'))
"""

RIGHT_ROLE = """CREATE ROLE mcp_reader LOGIN PASSWORD '...' NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
GRANT CONNECT ON DATABASE "{database}" TO mcp_reader;
GRANT USAGE ON SCHEMA public TO mcp_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO mcp_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO mcp_reader;
ALTER ROLE mcp_reader SET default_transaction_read_only = on;
ALTER ROLE mcp_reader SET temp_file_limit = '1GB';"""


class MightyRole(Refused):
    """The role of a source may do more than this server can keep it from; the text holds the SQL of the right one."""


def check(facts: tuple[Any, ...]) -> None:
    """Accept the role that the row of `FACTS` describes. Raises `MightyRole`, `Unavailable` for too old a server."""
    version, user, database, mighty, member_of, functions = facts
    if version < OLDEST:
        raise Unavailable(f"The PostgreSQL server is of version {version // 10_000}; 14 is the oldest that is served.")
    reasons: list[str] = []
    if mighty:
        reasons.append("is a superuser, or may replicate or create roles")
    if member_of:
        reasons.append(f"is a member of {member_of}")
    if functions and not mighty and not member_of:
        reasons.append(f"may call {functions} (REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC)")
    if reasons:
        sql = RIGHT_ROLE.format(database=str(database).replace('"', '""'))
        raise MightyRole(
            f"The role {user!r} {' and '.join(reasons)}: with it no statement can be kept from the server's files and"
            f" programs. Give the source a plain role instead:\n{sql}"
        )
