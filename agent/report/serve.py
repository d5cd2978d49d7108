"""`nightfly serve`: the runs of a directory and their reports in a browser; reads files, changes nothing."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader, RawIOBase
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from agent.report.listing import render_listing
from agent.report.shelf import Shelf
from state.errors import NightflyError, RunError

HTML = "text/html; charset=utf-8"
# Seconds until a connection that takes nothing is closed, and until a request must have come whole.
PATIENCE_S = 60.0
HEAD_S = 10.0
# Connections at once; the one that has kept its request to itself for the longest makes room for a new one.
MOST = 64
# No run is called so: the name of one begins with a letter or a figure.
COMPARE = "/-/compare"
ONE = re.compile(r"runs/([1-9][0-9]{0,8})\.json", re.ASCII)
OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the list, of reports, and of the few files that reports link to."""

    server: Server
    server_version, sys_version = "nightfly", ""
    timeout = PATIENCE_S

    def setup(self) -> None:
        """Read through a clock: a byte now and then does not keep a connection."""
        super().setup()
        self.rfile = BufferedReader(_Clocked(self.connection, time.monotonic() + HEAD_S))

    def parse_request(self) -> bool:
        """Once the request has come the connection is not one that keeps others waiting."""
        whole = super().parse_request()
        self.server.heard(self.connection)
        return whole

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
        if path == COMPARE:
            asked = parse_qs(urlsplit(self.path).query)
            names = [asked.get(side, [""])[0] for side in ("a", "b")]
            return HTTPStatus.OK, HTML, shelf.nights(names[0], names[1]).encode("utf-8")
        name, slash, inside = path.removeprefix("/").partition("/")
        if (paths := shelf.run(name)) is None:
            return HTTPStatus.NOT_FOUND, "text/plain", b"no such run\n"
        if not slash:
            return HTTPStatus.MOVED_PERMANENTLY, "text/plain", b""
        if inside == "":
            return HTTPStatus.OK, HTML, shelf.page(paths).encode("utf-8")
        if (run := ONE.fullmatch(inside)) is not None:
            facts = shelf.one(paths, int(run[1]))
            if facts is None:
                return HTTPStatus.NOT_FOUND, "text/plain", b"no such run\n"
            return HTTPStatus.OK, "application/json", facts.encode("utf-8")
        if inside == "version":
            return HTTPStatus.OK, "text/plain", shelf.head(paths).encode()
        found = shelf.file(paths, inside)
        return (HTTPStatus.OK, *found) if found else (HTTPStatus.NOT_FOUND, "text/plain", b"no such file\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a line for each picture that is sent helps nobody."""


class _Clocked(RawIOBase):
    """A socket that is read until ``end`` on the monotonic clock, however slowly it gives."""

    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection, self._end = connection, end

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What has come; TimeoutError at the end."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request did not come in time")
        self._connection.settimeout(left)
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(PATIENCE_S)


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
        self._lock, self._open, self._unheard = threading.Lock(), 0, dict[int, socket.socket]()
        super().__init__((host, port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; without descriptors it waits a moment, else the loop would turn as fast as it can."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in OUT_OF:
                time.sleep(0.1)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand the connection to a thread; when there are too many, one that says nothing is closed for it."""
        with self._lock:
            full, self._open = self._open >= MOST, self._open + 1
            oldest = next(iter(self._unheard.values()), None) if full else None
            if oldest is not None:
                del self._unheard[id(oldest)]
            self._unheard[id(request)] = request
        if oldest is not None:
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def heard(self, request: socket.socket) -> None:
        """The request of this connection is there."""
        with self._lock:
            self._unheard.pop(id(request), None)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and make its room free."""
        with self._lock:
            self._unheard.pop(id(request), None)
            self._open -= 1
        super().shutdown_request(request)

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
