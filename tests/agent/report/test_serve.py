"""`nightfly serve` over real sockets: what it shows, and everything it must not show to anybody."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.report import listing, shelf
from agent.report.serve import Server, serve
from state.errors import RunError
from state.journal import Journal, read_records
from state.lock import DriverLock
from state.paths import RunPaths


@dataclass
class Site:
    root: Path
    port: int

    def get(self, path: str, host: str | None = None, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """The answer to a request whose path is sent as it stands, dots and all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{self.port}")
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body


@pytest.fixture
def site(plain: Path, tmp_path: Path) -> Iterator[Site]:
    root = tmp_path / "runs"
    shutil.copytree(plain, root / "surrogate")
    (tmp_path / "secret.txt").write_text("secret")
    with Server(root, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Site(root, server.server_port)
        server.shutdown()
        thread.join()


def test_runs_are_listed_and_their_reports_shown(site: Site) -> None:
    status, headers, body = site.get("/")
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert b'href="surrogate/"' in body
    assert b"5</td>" in body
    status, _, body = site.get("/surrogate/")
    assert status == 200
    assert b"What was learned" in body
    assert b'href="analysis.md"' in body
    assert b"connect-src &#39;self&#39;" in body


def test_a_report_without_its_slash_is_sent_to_its_folder(site: Site) -> None:
    status, headers, _ = site.get("/surrogate")
    assert (status, headers["Location"]) == (301, "/surrogate/")


def test_a_report_follows_its_journal(site: Site) -> None:
    head = site.get("/surrogate/version")[2].decode()
    assert f'"head":"{head}"'.encode() in site.get("/surrogate/")[2]
    journal = RunPaths(site.root / "surrogate").journal
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-3]))
    shorter = site.get("/surrogate/version")[2].decode()
    *_, last = read_records(journal)
    assert shorter == last.hash != head
    assert f'"head":"{shorter}"'.encode() in site.get("/surrogate/")[2]


def test_the_files_that_a_report_links_to_are_sent(site: Site) -> None:
    blob = next((site.root / "surrogate" / "blobs").iterdir())
    for path in ("analysis.md", "memory.md", f"blobs/{blob.name}"):
        status, headers, body = site.get(f"/surrogate/{path}")
        assert (status, body) == (200, (site.root / "surrogate" / path).read_bytes())
        assert headers["Content-Type"].startswith("text/plain")
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/surrogate/../../secret.txt",
        "/surrogate/%2e%2e/%2e%2e/secret.txt",
        "/%2e%2e/secret.txt",
        "/surrogate/slots/../../../secret.txt",
        "/surrogate//etc/passwd",
        "//etc/passwd",
        "/surrogate/campaign.yaml",
        "/surrogate/journal.jsonl",
        "/surrogate/user_input.md",
        "/surrogate/blobs/../journal.jsonl",
        "/surrogate/blobs/" + "0" * 64,
        "/surrogate/slots/0001/stderr.log",
        "/surrogate/\x00",
        "/./",
        "/absent/",
    ],
)
def test_nothing_else_is_sent(site: Site, path: str) -> None:
    status, _, body = site.get(path.replace("\x00", "%00"))
    assert status == 404
    assert b"secret" not in body
    assert b"root:" not in body


def test_links_out_of_the_directory_lead_nowhere(site: Site, tmp_path: Path) -> None:
    (site.root / "surrogate" / "memory.md").unlink()
    (site.root / "surrogate" / "memory.md").symlink_to(tmp_path / "secret.txt")
    assert site.get("/surrogate/memory.md")[0] == 404
    shutil.copytree(site.root / "surrogate", tmp_path / "elsewhere", symlinks=True)
    (site.root / "linked").symlink_to(tmp_path / "elsewhere")
    assert site.get("/linked/")[0] == 404


def test_only_reading_is_possible(site: Site) -> None:
    before = {path: path.read_bytes() for path in site.root.rglob("*") if path.is_file()}
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert site.get("/surrogate/", method=method)[0] == 501
    status, headers, body = site.get("/surrogate/", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1_000_000
    assert {path: path.read_bytes() for path in site.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8787", "192.168.1.7", "", "127.0.0.1.evil.example"])
def test_a_name_that_was_made_to_point_here_is_refused(site: Site, host: str) -> None:
    status, _, body = site.get("/", host=host or " ")
    assert status == 421
    assert b"surrogate" not in body


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:8787"])
def test_the_names_of_this_machine_are_known(site: Site, host: str) -> None:
    assert site.get("/", host=host)[0] == 200


def raw(port: int, request: bytes) -> bytes:
    """What comes back for bytes that no browser would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("request_line", "host", "status"),
    [
        ("GET http://[/", "localhost", b"400"),
        ("GET /", "[", b"421"),
        ("GET /", "", b"421"),
        ("GET /%ff", "[::1", b"421"),
    ],
)
def test_addresses_that_are_none_are_answered(
    site: Site, capsys: pytest.CaptureFixture[str], request_line: str, host: str, status: bytes
) -> None:
    answer = raw(site.port, f"{request_line} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    assert answer.split()[1] == status
    assert capsys.readouterr().err == ""


def test_a_browser_that_goes_away_is_no_event(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", site.port)) as connection:
            connection.sendall(b"GET /surrogate/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
            # Closed with a reset, as a browser does that is ended while it reads.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The page of a run is made under its lock, so that this answer comes after those.
    assert site.get("/surrogate/")[0] == 200
    assert capsys.readouterr().err == ""


def test_readers_at_the_same_time_get_the_same_page(site: Site) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: site.get("/surrogate/"), range(6)))
    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1


def test_open_pages_do_not_make_the_server_read_the_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.get("/")
    site.get("/surrogate/")
    monkeypatch.setattr(listing, "read_story", None)
    monkeypatch.setattr(shelf, "Reading", None)
    *_, last = read_records(RunPaths(site.root / "surrogate").journal)
    assert site.get("/surrogate/version")[2].decode() == last.hash
    assert site.get("/surrogate/")[0] == site.get("/")[0] == 200


@pytest.mark.parametrize("tail", [b"", b'{"half a rec', b"{}\n", b"[]\n", b"\xff\n", b"x" * 200_000 + b"\n"])
def test_the_version_of_a_journal_in_any_state_is_an_answer(site: Site, tail: bytes) -> None:
    journal = RunPaths(site.root / "surrogate").journal
    *_, last = read_records(journal)
    with journal.open("ab") as file:
        file.write(tail)
    status, _, body = site.get("/surrogate/version")
    assert (status, body.decode()) == (200, "" if tail.endswith(b"\n") else last.hash)
    journal.write_bytes(b"")
    assert site.get("/surrogate/version")[2] == b""


def test_a_run_that_is_written_to_by_a_living_driver_is_running(site: Site) -> None:
    assert b"not running (5 batches" in site.get("/")[2]
    lock = DriverLock(RunPaths(site.root / "surrogate").lock)
    assert b"<td>running</td>" in site.get("/")[2]
    lock.release()


def test_a_run_that_cannot_be_shown_is_not_listed(site: Site, tmp_path: Path) -> None:
    shutil.copytree(site.root / "surrogate", tmp_path / "elsewhere")
    (site.root / "linked").symlink_to(tmp_path / "elsewhere")
    (site.root / "circle").symlink_to(site.root / "circle")
    shutil.copytree(site.root / "surrogate", site.root / "not a name")
    body = site.get("/")[2]
    assert b"surrogate" in body
    assert b"linked" not in body
    assert b"not a name" not in body


def test_a_run_of_another_version_is_listed_with_its_fault(site: Site) -> None:
    journal = RunPaths(site.root / "surrogate").journal
    first, *_ = read_records(journal)
    forged = Journal(journal.parent / "forged", lambda record: None)
    forged.append(first.type, 0, first.data)
    forged.append("slot_started", 1, {"unknown": 1})
    forged.close()
    (journal.parent / "forged").replace(journal)
    assert b"line 2: a slot_started that this nightfly cannot read" in site.get("/")[2]
    assert site.get("/surrogate/")[0] == 500


def test_a_damaged_run_is_listed_with_its_fault(site: Site) -> None:
    journal = RunPaths(site.root / "surrogate").journal
    journal.write_bytes(journal.read_bytes().replace(b'"batch":1', b'"batch":7', 1))
    assert b"it was changed after writing" in site.get("/")[2]
    status, _, body = site.get("/surrogate/")
    assert status == 500
    assert b"it was changed after writing" in body
    assert b"Traceback" not in body


def test_a_directory_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    with Server(tmp_path, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert b"There are no runs here yet" in Site(tmp_path, server.server_port).get("/")[2]
        server.shutdown()


def test_bad_directories_and_ports_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a directory; give the directory that holds the runs"):
        serve(tmp_path / "absent", "127.0.0.1", 0)
    with Server(tmp_path, "127.0.0.1", 0) as taken, pytest.raises(RunError, match="choose another port"):
        serve(tmp_path, "127.0.0.1", taken.server_port)


def test_the_command_serves_on_loopback_and_ends_on_ctrl_c(plain: Path) -> None:
    command = [sys.executable, "-m", "agent.cli", "serve", str(plain.parent), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.match(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
            assert found is not None
            assert Site(plain, int(found[1])).get("/")[0] == 200
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert complaint.strip() == "nightfly: stopped"
