"""OpenTelemetry, when the operator has configured it and installed its SDK; otherwise nothing is imported.

The MCP SDK makes the spans (`tools/call fs_read`, in the trace of the client that sent `traceparent`); here they only
get somewhere to go.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading

SECONDS_TO_SEND = 1.0
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

logger = logging.getLogger(__name__)


def start_tracing(name: str) -> bool:
    """Export spans as the service `name` if an OTLP endpoint is configured; return whether they are exported."""
    if not any(os.environ.get(variable) for variable in ENDPOINTS) or os.environ.get("OTEL_SDK_DISABLED") == "true":
        return False
    try:
        trace = importlib.import_module("opentelemetry.trace")
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        resources = importlib.import_module("opentelemetry.sdk.resources")
        otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as missing:
        logger.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but %s is not installed; nothing is traced", missing.name)
        return False
    os.environ.setdefault("OTEL_SERVICE_NAME", name)
    provider = sdk.TracerProvider(resource=resources.Resource.create(), shutdown_on_exit=False)
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True


def stop_tracing() -> None:
    """Send what is waiting, for a moment only: a collector that is away must not keep the process."""
    provider = importlib.import_module("opentelemetry.trace").get_tracer_provider()
    last = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    last.start()
    last.join(SECONDS_TO_SEND)
