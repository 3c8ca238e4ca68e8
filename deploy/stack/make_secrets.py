"""Make the stack's passwords and tokens, each where only its service can read it; what is there already is kept.

Usage: `python make_secrets.py FOLDER`. FOLDER holds one folder per service (each a volume of its own in the stack).
`DATABASE_HOST` says where the stack's PostgreSQL listens (`postgres:5432`). `DATABASE_SOURCE`, if set, is a database
to ask instead of the sample shop, as the database server takes it: `[NAME=]DSN`.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

SERVERS = ("files", "database", "fetch")
READABLE = 0o440  # by its service's user and group; nobody may write


def main() -> int:
    """Write every secret that is missing and return the exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: make_secrets.py FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    kept(folder / "postgres" / "owner")
    reader = kept(folder / "postgres" / "reader")
    host = os.environ.get("DATABASE_HOST") or "postgres:5432"
    source = os.environ.get("DATABASE_SOURCE") or f"shop=postgresql://mcp_reader:{reader}@{host}/shop"
    written(folder / "database" / "sources", source)
    tokens = {name: kept(folder / name / "token") for name in SERVERS}
    lines = [f"{name.upper()}_TOKEN={token}" for name, token in tokens.items()]
    written(folder / "orchestrator" / "tokens", "\n".join(lines))
    return 0


def kept(file: Path) -> str:
    """Return the secret in this file, after making one if there is none. Letters, digits, - and _: fit for a URL."""
    if not file.exists():
        written(file, secrets.token_urlsafe(32))
    return file.read_text(encoding="ascii").strip()


def written(file: Path, text: str) -> None:
    """Write a file that is whole from its first moment, and that nobody else could ever read."""
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text + "\n")
    draft.chmod(READABLE)
    draft.replace(file)


if __name__ == "__main__":
    raise SystemExit(main())
