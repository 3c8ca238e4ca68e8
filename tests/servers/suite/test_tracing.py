"""Spans reach a collector that the operator named; without one, nothing of OpenTelemetry's SDK is loaded."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.servers.suite.running import HOUSE, PATIENCE, served
from tests.servers.suite.test_stdio import Raw, sample

EXPORTER = "opentelemetry.exporter.otlp.proto.http"


class Collector(BaseHTTPRequestHandler):
    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        self.received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Generator[tuple[str, list[tuple[str, bytes]]]]:
    received: list[tuple[str, bytes]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("C", (Collector,), {"received": received}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()
    thread.join()


def has_exporter() -> bool:
    try:
        return importlib.util.find_spec(EXPORTER) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.skipif(not has_exporter(), reason="opentelemetry-exporter-otlp-proto-http is not installed")
def test_spans_of_calls_are_exported(tmp_path: Path, collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    endpoint, received = collector
    with served(sample(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as server:
        Raw(server).echo(1, "secret text")
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(PATIENCE) == 0
    paths = {path for path, _ in received}
    spans = b"".join(body for _, body in received)
    assert paths == {"/v1/traces"}
    assert b"tools/call echo" in spans
    assert b"mcp-sample" in spans
    assert b"secret text" not in spans


def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    script = (
        "import sys, servers.serving as s\n"
        "assert s.start_tracing('x') is False\n"
        "assert not [m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))]"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=HOUSE)
    assert done.returncode == 0, done.stderr


def test_a_collector_that_is_away_stops_nothing(tmp_path: Path) -> None:
    with served(sample(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as server:
        raw = Raw(server)
        assert [raw.echo(number, "x") for number in range(1, 4)] == ["x"] * 3
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(PATIENCE) == 0
