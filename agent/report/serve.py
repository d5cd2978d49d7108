"""`nightfly serve`: the runs of a directory and their reports in a browser; reads files, changes nothing."""

from __future__ import annotations

import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from agent.report.listing import render_listing
from agent.report.shelf import Shelf
from state.errors import NightflyError, RunError

HTML = "text/html; charset=utf-8"
# Seconds until a connection that sends nothing is closed.
PATIENCE_S = 60.0


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the list, of reports, and of the few files that reports link to."""

    server: Server
    server_version, sys_version = "nightfly", ""
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        """Answer with a body."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer with headers alone."""
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        try:
            status, kind, content = self._find()
        except (NightflyError, OSError) as error:
            status, kind, content = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", f"{error}\n".encode()
        self.send_response(status)
        for name, value in _headers(kind, len(content)).items():
            self.send_header(name, value)
        if status == HTTPStatus.MOVED_PERMANENTLY:
            # The links of a report are relative to its folder.
            self.send_header("Location", f"{quote(unquote(urlsplit(self.path).path))}/")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _find(self) -> tuple[HTTPStatus, str, bytes]:
        if not self.server.knows(self.headers.get("Host", "")):
            # DNS rebinding: a page of another site whose name resolves to this address must not read the reports.
            return HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"this server is not called that\n"
        try:
            shelf, path = self.server.shelf, unquote(urlsplit(self.path).path)
        except ValueError:
            return HTTPStatus.BAD_REQUEST, "text/plain", b"no such address\n"
        if path == "/":
            return HTTPStatus.OK, HTML, render_listing(shelf.lines()).encode("utf-8")
        name, slash, inside = path.removeprefix("/").partition("/")
        if (paths := shelf.run(name)) is None:
            return HTTPStatus.NOT_FOUND, "text/plain", b"no such run\n"
        if not slash:
            return HTTPStatus.MOVED_PERMANENTLY, "text/plain", b""
        if inside == "":
            return HTTPStatus.OK, HTML, shelf.page(paths).encode("utf-8")
        if inside == "version":
            return HTTPStatus.OK, "text/plain", shelf.head(paths).encode()
        found = shelf.file(paths, inside)
        return (HTTPStatus.OK, *found) if found else (HTTPStatus.NOT_FOUND, "text/plain", b"no such file\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a line for each picture that is sent helps nobody."""


def _headers(kind: str, length: int) -> dict[str, str]:
    return {
        "Content-Type": kind,
        "Content-Length": str(length),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


class Server(ThreadingHTTPServer):
    """Serves one shelf; ``daemon_threads`` so that Ctrl-C ends it at once."""

    daemon_threads = True

    def __init__(self, root: Path, host: str, port: int) -> None:
        self.shelf, self.host = Shelf(root), host
        super().__init__((host, port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away or fell silent; anything else is a fault and is told."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def knows(self, given: str) -> bool:
        """Whether the Host header names this server: loopback names, or the address or name it was told to be."""
        try:
            name = (urlsplit(f"//{given}").hostname or "").lower()
        except ValueError:
            return False
        if name in ("localhost", self.host.lower()):
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(root: Path, host: str, port: int) -> None:
    """Serve until Ctrl-C. RunError for no directory, and for an address that cannot be had."""
    if not root.is_dir():
        raise RunError(f"{root}: is not a directory; give the directory that holds the runs, such as runs")
    try:
        server = Server(root, host, port)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"--host {host} --port {port}: cannot be served ({reason}); choose another port") from error
    with server:
        print(f"http://{host}:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        if not _is_loopback(host):
            print("nightfly: everyone who can reach this address can read these runs", file=sys.stderr)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("nightfly: stopped", file=sys.stderr)
