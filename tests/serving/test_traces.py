"""SIGHTLINE_TRACES_URL: a real service tells a collector of what it answered."""

from __future__ import annotations

import gzip
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Spans = queue.Queue


@pytest.fixture
def collector() -> Iterator[tuple[str, Spans]]:
    """The URL of something that takes OTLP, and the names of the spans that it was sent."""
    names: Spans = queue.Queue()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        names.put(span.name)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing: the tests' output is not the place."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", names
        server.shutdown()
        thread.join()


def test_a_collector_is_told_of_each_request(registry, start_service, encoded, collector) -> None:
    registry.promote(1)
    url, names = collector
    service = start_service(
        SIGHTLINE_HOME=registry.workspace.root, SIGHTLINE_TRACES_URL=url, OTEL_BSP_SCHEDULE_DELAY=100
    )
    service.wait_ready()

    assert service.classify(encoded["photo.jpg"]).status_code == 200

    while "/v1/classify" not in (name := names.get(timeout=20)):
        pass
    assert name.startswith("POST")


def test_a_wrong_url_is_refused_at_the_start(registry, start_service) -> None:
    service = start_service(SIGHTLINE_HOME=registry.workspace.root, SIGHTLINE_TRACES_URL="collector:4318")

    assert service.process.wait(timeout=30) != 0
    assert 'SIGHTLINE_TRACES_URL="collector:4318"' in service.log.read_text()
