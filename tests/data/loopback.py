"""A web server on 127.0.0.1 that behaves as badly as a test asks it to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """What the server gives, how it fails, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    address: str = ""
    ranges: bool = True  # whether it can begin in the middle
    tags: bool = True  # whether it names the version (ETag)
    cut: list[int] = field(default_factory=list)  # break off the next answers after so many bytes
    errors: list[int] = field(default_factory=list)  # answer the next requests with these codes
    shift: int = 0  # begin so many bytes beside the place asked for
    chunked: bool = False  # send without saying how long it is
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range of each request

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


@contextmanager
def serving(**files: bytes) -> Iterator[Host]:
    """A Host with these files for the length of a `with` block."""
    host = Host(files=dict(files))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, host)

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    host.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, host: Host) -> None:
    name, wish = request.path.lstrip("/"), request.headers.get("Range")
    host.asked.append((name, wish))
    request.close_connection = True
    if host.errors or name not in host.files:
        request.send_response(host.errors.pop(0) if host.errors else 404)
        request.send_header("Retry-After", "0")
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    body = host.files[name]
    tag = f'"{hashlib.md5(body).hexdigest()}"'
    start = 0
    same = request.headers.get("If-Range", tag) == tag
    if wish and host.ranges and same:
        start = int(wish.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = max(0, start - host.shift)
    partial = bool(wish and host.ranges and same)
    request.send_response(206 if partial else 200)
    if partial:
        request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
    if host.tags:
        request.send_header("ETag", tag)
    rest = body[start:]
    sent = rest[: host.cut.pop(0)] if host.cut else rest
    if host.chunked:
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"%x\r\n" % len(rest) + sent + (b"\r\n0\r\n\r\n" if len(sent) == len(rest) else b""))
        return
    request.send_header("Content-Length", str(len(rest)))
    request.end_headers()
    request.wfile.write(sent)
