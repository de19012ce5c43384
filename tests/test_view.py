"""``popscan view``: a real server on a real socket, and whatever else may be asked of it."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.web import HTTPError

from scanner import serve
from scanner.cli import main
from scanner.cli import view as command
from scanner.errors import UsageError
from scanner.serve import Server, allowed_origin, byte_range, locate, open_server, start_page

SECRET = b"nobody may read this"
TRACK = bytes(range(256)) * 8
SESSION = "igv_session.xml"


def make_result(folder: Path) -> Path:
    """Write the least that is a result, a track, a call and a session."""
    for name, content in {
        "run.json": b'{"popscan": "0.1.0"}',
        SESSION: b"<Session/>",
        "accounting.tsv": b"a\tb\n",
        "tracks/pi.GBR.bw": TRACK,
        "tracks/genome.chrom.sizes": b"20\t100\n",
        "tracks/empty.bed": b"",
        "calls/pi.GBR.bed.gz": b"\x1f\x8b\x08",
        "calls/pi.GBR.bed.gz.tbi": b"\x1f\x8b\x09",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def add_traps(root: Path) -> None:
    """Put secrets beside a folder and hidden ones into it, and links to them; two links that are harmless too."""
    outside = root.parent / "outside"
    for path in (outside / "secret.bw", root.with_name(f"{root.name}-too") / "secret.bw", root / ".popscan" / "lock",
                 root / "tracks" / ".draft.bw"):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SECRET)
    for name, target in {
        "tracks/linked.bw": outside / "secret.bw",
        "elsewhere": outside,
        "calls/up": Path(".."),
        "shown": Path(".popscan"),
        "tracks/shown.bw": Path(".draft.bw"),
        "circle": Path("circle"),
        "dangling": Path("nowhere"),
        "tracks/same.bw": Path("pi.GBR.bw"),
        "again": Path("tracks"),
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe")


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run a server in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(server.run())

    def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(server: Server, path: str, method: str = "GET", host: str | None = None, **headers: str) -> Answer:
    """Send one request, its path as it is; underscores in headers' names stand for hyphens."""
    address = str(server.listener.getsockname()[0])
    with contextlib.closing(http.client.HTTPConnection(address, server.port, timeout=10)) as connection:
        connection.putrequest(method, path, skip_host=host is not None)
        for name, value in {**headers, **({} if host is None else {"Host": host})}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A result with traps, served on 127.0.0.1; it has no index.html."""
    root = make_result(tmp_path_factory.mktemp("view") / "result")
    add_traps(root)
    with running(open_server(root, port=0)) as server:
        yield server


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A result of one's own, to be changed while it is served."""
    with running(open_server(make_result(tmp_path / "result"), port=0)) as server:
        yield server


def test_a_file_is_given_whole(served: Server) -> None:
    answer = ask(served, "/tracks/pi.GBR.bw")
    assert (answer.status, answer.body) == (200, TRACK)
    assert answer.headers["Content-Length"] == str(len(TRACK))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Encoding"] is None
    head = ask(served, "/tracks/pi.GBR.bw", "HEAD")
    differing = {name for name in answer.headers if name != "Date" and answer.headers[name] != head.headers[name]}
    assert (head.status, head.body, differing) == (200, b"", set())
    assert ask(served, "/tracks/pi.GBR.bw?v=1#x").headers["Expires"] is None


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        ("bytes=2000-9999", 2000, 2048),
        ("bytes=2047-", 2047, 2048),
        ("bytes=-48", 2000, 2048),
        ("bytes=-9999", 0, 2048),
        ("bytes=0-", 0, 2048),  # a range, though all of the file: UCSC's reader gives up on a 200
        ("bytes=0-2047", 0, 2048),
        ("Bytes=1-2 ", 1, 3),
    ],
)
def test_a_range_is_given(served: Server, header: str, start: int, end: int) -> None:
    answer = ask(served, "/tracks/pi.GBR.bw", Range=header)
    assert (answer.status, answer.body) == (206, TRACK[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/2048"
    assert answer.headers["Content-Length"] == str(end - start)
    assert ask(served, "/tracks/pi.GBR.bw", "HEAD", Range=header).status == 200  # ranges are for GET alone


@pytest.mark.parametrize("header", ["bytes=2048-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(served: Server, header: str) -> None:
    answer = ask(served, "/tracks/pi.GBR.bw", Range=header)
    assert (answer.status, answer.headers["Content-Range"], answer.body) == (416, "bytes */2048", b"")


def test_an_empty_file_has_no_ranges(served: Server) -> None:
    assert ask(served, "/tracks/empty.bed").status == 200
    for header in ("bytes=0-", "bytes=-5"):
        answer = ask(served, "/tracks/empty.bed", Range=header)
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */0")


@pytest.mark.parametrize(
    "header", ["bytes=5-2", "bytes=0-1,4-5", "lines=0-1", "bytes=-", "bytes", "bytes=a-b", f"bytes=0-{'9' * 5000}"]
)
def test_a_range_that_is_none_gives_the_whole_file(served: Server, header: str) -> None:
    answer = ask(served, "/tracks/pi.GBR.bw", Range=header)
    assert (answer.status, answer.body) == (200, TRACK)


@given(st.integers(0, 40), st.integers(0, 50), st.integers(0, 50))
def test_ranges_are_slices(size: int, first: int, last: int) -> None:
    content = list(range(size))
    for header, expected in [
        (f"bytes={first}-{last}", content[first : last + 1]),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last}", content[-last:] if last else []),
    ]:
        span = byte_range(header, size)
        if span is None:
            assert first > last
        else:
            assert content[slice(*span)] == expected
            assert span == (0, 0) or 0 <= span[0] < span[1] <= size


@given(st.text(max_size=20), st.integers(0, 10**6))
def test_any_text_is_a_range_or_none(text: str, size: int) -> None:
    for header in (text, f"bytes={text}"):
        span = byte_range(header, size)
        assert span is None or 0 <= span[0] <= span[1] <= size


def test_what_is_known_is_not_sent_again(served: Server) -> None:
    first = ask(served, "/run.json")
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    later = email.utils.formatdate(email.utils.parsedate_to_datetime(modified).timestamp() + 100, usegmt=True)
    earlier = email.utils.formatdate(email.utils.parsedate_to_datetime(modified).timestamp() - 1, usegmt=True)
    assert modified == email.utils.formatdate((served.root / "run.json").stat().st_mtime, usegmt=True)
    for headers, status in [
        ({"If_Modified_Since": modified}, 304),
        ({"If_Modified_Since": later}, 304),
        ({"If_Modified_Since": earlier}, 200),
        ({"If_Modified_Since": "yesterday"}, 200),
        ({"If_Modified_Since": "Mon, 01 Jan 999999 00:00:00 GMT"}, 200),
        ({"If_None_Match": etag}, 304),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_None_Match": '"other"', "If_Modified_Since": later}, 200),
        ({"Range": "bytes=0-1", "If_Range": etag}, 206),
        ({"Range": "bytes=0-1", "If_Range": modified}, 206),
        ({"Range": "bytes=0-1", "If_Range": '"other"'}, 200),
        ({"Range": "bytes=0-1", "If_Range": earlier}, 200),
    ]:
        answer = ask(served, "/run.json", **headers)
        assert answer.status == status, headers
        assert answer.body == {304: b"", 206: first.body[:2], 200: first.body}[status], headers


def test_a_result_published_anew_is_seen(fresh: Server) -> None:
    before = ask(fresh, "/tracks/pi.GBR.bw")
    draft = fresh.root / "tracks" / "new"
    draft.write_bytes(b"x" * len(TRACK))  # of the same size
    os.utime(draft, (0, 1))
    draft.replace(fresh.root / "tracks" / "pi.GBR.bw")
    after = ask(fresh, "/tracks/pi.GBR.bw", If_None_Match=before.headers["ETag"])
    assert (after.status, after.body) == (200, b"x" * len(TRACK))
    assert after.headers["Cache-Control"] == "no-cache"


def test_a_file_replaced_while_it_is_sent_stays_itself(fresh: Server) -> None:
    big = fresh.root / "big.bw"
    big.write_bytes(b"a" * 20_000_000)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", fresh.port, timeout=10)) as connection:
        connection.request("GET", "/big.bw")
        answer = connection.getresponse()
        begun = answer.read(1000)
        (fresh.root / "draft").write_bytes(b"b" * 10)
        (fresh.root / "draft").replace(big)
        assert (begun + answer.read()).count(b"a") == 20_000_000
    assert ask(fresh, "/big.bw").body == b"b" * 10


def test_a_reader_who_leaves_does_no_harm(fresh: Server, caplog: pytest.LogCaptureFixture) -> None:
    (fresh.root / "big.bw").write_bytes(b"a" * 20_000_000)
    with socket.create_connection(("127.0.0.1", fresh.port), timeout=10) as connection:
        connection.sendall(b"GET /big.bw HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(1000)
    assert ask(fresh, "/run.json").status == 200
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tracks/pi.GBR.bw", "application/octet-stream"),
        ("calls/pi.GBR.bed.gz", "application/gzip"),
        ("calls/pi.GBR.bed.gz.tbi", "application/octet-stream"),
        ("tracks/genome.chrom.sizes", "text/plain; charset=utf-8"),
        ("accounting.tsv", "text/tab-separated-values; charset=utf-8"),
        ("run.json", "application/json"),
        (SESSION, "application/xml"),
        ("", "text/html; charset=utf-8"),
        ("nothing", "text/plain; charset=utf-8"),
    ],
)
def test_content_has_its_type(served: Server, name: str, kind: str) -> None:
    answer = ask(served, f"/{name}")
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def naive(root: Path, path: str) -> bytes:
    """Read what a careless server would: decode, join, open."""
    return Path(os.fsdecode(os.fsencode(root) + b"/" + unquote_to_bytes(path))).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/../outside/secret.bw",
        "/tracks/../../outside/secret.bw",
        "/%2e%2e/outside/secret.bw",
        "/%2E./outside/secret.bw",
        "/..%2foutside%2fsecret.bw",
        "/tracks%2f..%2F..%2foutside/secret.bw",
        "/./../outside/secret.bw",
        "/tracks//../../outside/secret.bw",
        "/../result-too/secret.bw",
        "/tracks/linked.bw",
        "/elsewhere/secret.bw",
        "/elsewhere%2fsecret.bw",
        "/calls/up/.popscan/lock",
        "/calls/up/elsewhere/secret.bw",
        "/.popscan/lock",
        "/%2epopscan/lock",
        "/tracks/../.popscan/lock",
        "/shown/lock",
        "/tracks/.draft.bw",
        "/tracks/shown.bw",
    ],
)
def test_secrets_stay_secret(served: Server, path: str) -> None:
    assert naive(served.root, path) == SECRET
    for method in ("GET", "HEAD"):
        answer = ask(served, path, method, Range="bytes=0-3")
        assert answer.status == 404
        assert answer.headers["Content-Range"] is None
        assert answer.body == (b"404 Not Found\n" if method == "GET" else b"")


def test_absolute_and_twice_encoded_paths_lead_nowhere(served: Server) -> None:
    secret = quote(str(served.root.parent / "outside" / "secret.bw"))
    for path in (f"/{secret}", f"/{secret.replace('/', '%2f')}", f"//localhost{secret}", f"/file:{secret}",
                 "/%252e%252e/outside/secret.bw", "/..%5coutside%5csecret.bw", "/..%c0%afoutside/secret.bw",
                 "/run.json%00.bw", "/%00", "/%ff", f"/{'a' * 5000}", f"/{'a/' * 4000}a", "/run.json/", "/run.json/.",
                 "/tracks/../run.json", "//run.json"):  # fmt: skip
        answer = ask(served, path)
        assert answer.status in {400, 404}, path
        assert SECRET not in answer.body


@pytest.mark.parametrize("path", ["/tracks", "/tracks/", "/again", "/.popscan", "/circle", "/dangling", "/pipe", "/."])
def test_what_is_no_plain_file_is_not_there(served: Server, path: str) -> None:
    assert ask(served, path).status == 404


def test_folders_and_pipes_are_not_files(served: Server) -> None:
    assert [locate(served.root, name) for name in ("tracks", "again", "pipe", "calls/up")] == [None] * 4
    assert locate(served.root, "again/pi.GBR.bw") == served.root / "tracks" / "pi.GBR.bw"


def test_a_folder_may_be_named_by_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_result(tmp_path / ".hidden" / "result")
    (tmp_path / "link").symlink_to(tmp_path / ".hidden" / "result")
    monkeypatch.chdir(tmp_path)
    with running(open_server(Path("link"), port=0)) as server:
        assert server.root == tmp_path / ".hidden" / "result"
        assert ask(server, "/tracks/pi.GBR.bw").body == TRACK


def test_links_within_the_folder_are_followed(served: Server) -> None:
    for path in ("/tracks/same.bw", "/again/pi.GBR.bw", "/calls/up/tracks/pi.GBR.bw"):
        assert ask(served, path).body == TRACK


PIECES = st.sampled_from([
    "..", ".", "", "/", "//", "%2e", "%2E%2e", "%2f", "%5c", "\\", "%00", "%252e", "~", "?", ";", "tracks", "calls",
    "outside", "secret.bw", "result-too", "elsewhere", "up", "linked.bw", ".popscan", "lock", "shown", "shown.bw",
    ".draft.bw", "pi.GBR.bw", "run.json", "again", "circle", "result",
])  # fmt: skip


@settings(max_examples=300)
@given(st.lists(PIECES | st.text(max_size=4).map(quote), max_size=9), st.sampled_from(["/", ""]))
def test_no_path_reads_a_secret(served: Server, pieces: list[str], joint: str) -> None:
    answer = ask(served, "/" + joint.join(pieces))
    assert answer.status in {200, 400, 404}
    assert SECRET not in answer.body
    if answer.status == 200:
        shown = [path.read_bytes() for path in served.root.rglob("*") if path.is_file()]
        assert answer.body in shown or answer.body.startswith(b"<!DOCTYPE")


@settings(max_examples=300)
@given(st.lists(PIECES | st.text(max_size=4), max_size=9).map("/".join))
def test_what_is_located_is_inside_and_not_hidden(served: Server, wanted: str) -> None:
    path = locate(served.root, wanted)
    if path is not None:
        assert os.path.realpath(path) == str(path)
        assert not any(name.startswith(".") for name in path.relative_to(served.root).parts)
        assert path.read_bytes() != SECRET


def test_a_file_that_became_a_link_is_not_opened(served: Server) -> None:
    """Look at the moment between finding and opening."""
    for name in ("tracks/linked.bw", "pipe", "tracks", "nothing"):
        with pytest.raises(HTTPError, match="404"):
            serve._open(served.root / name)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8765"])
def test_this_computer_may_ask_by_any_port(served: Server, host: str) -> None:
    assert ask(served, "/run.json", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"],
)
def test_foreign_names_are_refused(served: Server, host: str) -> None:
    for path in ("/run.json", "/", "/nothing"):
        answer = ask(served, path, host=host)
        assert answer.status == 403
        assert b"localhost only" in answer.body
    assert ask(served, "/run.json", "OPTIONS", host=host, Origin="https://igv.org").status == 403


def test_two_names_at_once_are_refused(served: Server) -> None:
    assert ask(served, "/run.json", host="localhost, evil.example").status in {400, 403}


def test_whom_others_reach_answers_to_any_name(tmp_path: Path) -> None:
    with running(open_server(make_result(tmp_path), "0.0.0.0", 0)) as server:
        assert not server.loopback
        assert server.url == f"http://localhost:{server.port}/"
        answer = ask(server, "/run.json", host="popscan.example", Origin="https://elsewhere.example")
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://igv.org", True),
        ("https://app.igv.org", True),
        ("https://genome.ucsc.edu", True),
        ("https://genome-euro.ucsc.edu", True),
        ("https://jbrowse.org", True),
        ("http://localhost:3000", True),
        ("http://[::1]:3000", True),
        ("http://igv.org", False),
        ("https://igv.org.evil.example", False),
        ("https://evil-igv.org", False),
        ("https://students.ucsc.edu", False),
        ("https://evil.example", False),
        ("file://localhost", False),
        ("http://[", False),
        ("null", False),
    ],
)
def test_scripts_of_genome_browsers_may_read(served: Server, origin: str, allowed: bool) -> None:
    answer = ask(served, "/run.json", Origin=origin, Range="bytes=0-1")
    assert (answer.status, answer.headers["Vary"]) == (206, "Origin")
    assert answer.headers["Access-Control-Allow-Origin"] == (origin if allowed else None)
    assert ("Content-Range" in str(answer.headers["Access-Control-Expose-Headers"])) == allowed
    assert allowed_origin(None, loopback=True) is None


def test_a_web_browser_may_ask_beforehand(served: Server) -> None:
    ahead = {"Origin": "https://igv.org", "Access_Control_Request_Private_Network": "true"}
    answer = ask(served, "/tracks/pi.GBR.bw", "OPTIONS", **ahead)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://igv.org"
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"
    assert "Range" in answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert ask(served, "/run.json", "OPTIONS").headers["Access-Control-Allow-Private-Network"] is None
    assert ask(served, "/nothing", Origin="https://igv.org").headers["Access-Control-Allow-Origin"] == "https://igv.org"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_sent(served: Server, method: str) -> None:
    assert ask(served, "/run.json", method, Content_Length="0").status == 405
    assert ask(served, "/run.json", method, Content_Length="1").status == 400


def test_refusals_are_not_logged(served: Server, caplog: pytest.LogCaptureFixture) -> None:
    for path, host in (("/nothing", None), ("/%ff", None), ("/run.json", "evil.example")):
        assert ask(served, path, host=host).status >= 400
    assert caplog.text == ""


def test_a_fault_is_logged(fresh: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(serve, "start_page", fail)
    answer = ask(fresh, "/")
    assert (answer.status, answer.body) == (500, b"500 Internal Server Error\n")
    assert "the disk is gone" in caplog.text


def test_the_start_page_links_to_what_can_be_had(served: Server) -> None:
    answer = ask(served, "/")
    page = answer.body.decode()
    for name in (SESSION, "run.json", "accounting.tsv", "tracks/pi.GBR.bw", "tracks/same.bw", "calls/pi.GBR.bed.gz"):
        assert f'<a href="{name}">' in page
        assert ask(served, f"/{name}").status == 200
    for name in ("linked.bw", "shown.bw", "draft", "outside", "popscan/", "lock", "hub", "tbi", "windows"):
        assert name not in page
    assert f"load?file=http%3A%2F%2F127.0.0.1%3A{served.port}%2Figv_session.xml" in page
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert ask(served, "/", "HEAD").headers["Content-Length"] == str(len(page))


def test_an_index_takes_the_place_of_the_start_page(fresh: Server) -> None:
    (fresh.root / "index.html").write_text("<p>mine")
    answer = ask(fresh, "/")
    assert (answer.status, answer.body) == (200, b"<p>mine")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    (fresh.root / "index.html").unlink()
    outside = fresh.root.parent / "secret.html"
    outside.write_bytes(SECRET)
    (fresh.root / "index.html").symlink_to(outside)
    assert ask(fresh, "/").body.startswith(b"<!DOCTYPE html>")


def test_names_are_escaped(tmp_path: Path) -> None:
    root = make_result(tmp_path / "<b>&\"'")
    odd = "<script>alert('1')&amp;\"{x}#?%2e é.bw"
    (root / "tracks" / odd).write_bytes(b"odd")
    (root / "tracks" / os.fsdecode(b"\xff.bw")).write_bytes(b"no UTF-8")
    page = start_page(root, 'http://localhost:1/"><script>')
    assert "<script>" not in page
    assert "<title>&lt;b&gt;&amp;&quot;&#x27;</title>" in page
    assert page.count('<a href="tracks/') == 2
    assert '<a href="tracks/%3Cscript%3Ealert%28%271%27%29%26amp%3B%22%7Bx%7D%23%3F%252e%20%C3%A9.bw">' in page
    with running(open_server(root, port=0)) as server:
        assert ask(server, f"/tracks/{quote(odd)}").body == b"odd"


def test_a_result_without_session_has_no_link_to_igv(tmp_path: Path) -> None:
    root = make_result(tmp_path)
    (root / SESSION).unlink()
    assert "60151" not in start_page(root, "http://localhost/")


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def test_the_next_free_port_is_taken(tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "PORT", taken)
    with open_server(make_result(tmp_path)).listener as listener:
        assert taken < listener.getsockname()[1] < taken + serve.PORTS_TRIED
    monkeypatch.setattr(serve, "PORTS_TRIED", 1)
    with pytest.raises(UsageError, match=rf"^ports {taken} to {taken} of 127.0.0.1 are all taken: name a free one"):
        open_server(tmp_path)


def test_a_port_asked_for_is_taken_or_refused(tmp_path: Path, taken: int) -> None:
    with pytest.raises(UsageError, match=rf"^port {taken} of 127.0.0.1 is taken: name another one with --port"):
        open_server(make_result(tmp_path), port=taken)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "no"), "port 80 is not permitted: name one from 1024 on with --port"),
        (socket.gaierror(socket.EAI_NONAME, "no"), "--host here is no address of this computer: leave --host out"),
        (OSError(errno.EADDRNOTAVAIL, "no"), "--host here is no address of this computer: leave --host out"),
        (UnicodeError("label too long"), "--host here is no address of this computer: leave --host out"),
        (OSError(errno.EAFNOSUPPORT, "no"), "port 80 of here cannot be listened on: Address family not supported"),
    ],
)
def test_a_socket_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    make_result(tmp_path)
    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(UsageError) as caught:
        open_server(tmp_path, "here", 80)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("content", [None, "{}", "[]", "not JSON"])
def test_a_folder_that_is_no_result(tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    assert main(["view", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        f"popscan: {tmp_path} is not a popscan result: it has no run.json of popscan's\n",
    )


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_the_other_kind_of_address(tmp_path: Path, host: str) -> None:
    try:
        server = open_server(make_result(tmp_path), host, 0)
    except UsageError as error:
        pytest.skip(str(error))
    with running(server):
        assert (server.loopback, server.url) == (True, f"http://[::1]:{server.port}/")
        assert ask(server, "/run.json").status == 200
        assert ask(server, "/run.json", host="evil.example").status == 403


def test_a_name_of_this_computer_is_answered_to(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with running(Server(make_result(tmp_path), "MyBox", listener)) as server:
        assert server.url == f"http://MyBox:{server.port}/"
        assert ask(server, "/run.json", host=f"mybox:{server.port}").status == 200
        assert ask(server, "/run.json", host="otherbox").status == 403


def test_defaults_are_those_of_the_library() -> None:
    assert (command.PORT, command.HOST) == (serve.PORT, serve.HOST)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Let no server run and no web browser open; give the links that one was asked to open."""
    links: list[str] = []

    class Now(threading.Thread):
        def start(self) -> None:
            self.run()

    async def stop(_: Server) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "run", stop)
    monkeypatch.setattr(webbrowser, "open", links.append)
    monkeypatch.setattr(threading, "Thread", Now)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return lambda: links


Opened = Callable[[], list[str]]


def test_the_command_says_how_to_look(tmp_path: Path, opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_result(tmp_path / "my result")
    assert main(["view", str(root), "--port", "0"]) == 0
    said = capsys.readouterr()
    (link,) = opened()
    assert urlsplit(link).hostname == "127.0.0.1"
    assert said.err == ""
    assert said.out.splitlines() == [
        f"{root} is at {link} until Ctrl-C",
        f"IGV desktop: File > Open Session, {root}/igv_session.xml",
        f"        or: File > Load from URL, {link}igv_session.xml",
    ]


def test_the_command_speaks_of_hubs_and_tunnels(
    tmp_path: Path, opened: Opened, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_result(tmp_path)
    (root / "hub").mkdir()
    (root / "hub" / "hub.txt").write_text("hub popscan\n")
    (root / SESSION).unlink()
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    assert main(["view", str(root), "--port", "0"]) == 0
    (link,) = opened()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"no igv_session.xml here yet: 'popscan publish {root}' makes it"
    assert lines[2].startswith("UCSC: ")
    assert lines[2].endswith(f"{link}hub/hub.txt")
    assert "public address" in lines[3]
    assert f"ssh -L {urlsplit(link).port}:{urlsplit(link).netloc} " in lines[4]


def test_the_web_browser_stays_closed(tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(make_result(tmp_path))
    assert main(["view", root, "--port", "0", "--no-browser"]) == 0
    assert opened() == []
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert main(["view", root, "--port", "0"]) == 0
    assert opened() == []
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["view", root, "--port", "0"]) == 0
    assert len(opened()) == 1


@pytest.mark.usefixtures("opened")
def test_the_command_warns_where_others_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_result(tmp_path)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    assert main(["view", str(root), "--host", "0.0.0.0", "--port", "0", "--no-browser"]) == 0
    said = capsys.readouterr()
    assert said.err == f"warning: anyone who can reach this computer can read {root}\n"
    assert "ssh" not in said.out.replace(str(root), "")  # no tunnel is needed


def test_wrong_calls_end_in_one_sentence(tmp_path: Path, taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(make_result(tmp_path))
    assert main(["view", root, "--port", str(taken)]) == 2
    assert main(["view", root, "--host", "192.0.2.1"]) == 2  # for documentation only: nobody has it
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"popscan: port {taken} of 127.0.0.1 is taken")
    assert second.startswith("popscan: --host 192.0.2.1 is no address of this computer")
    assert main(["view", root, "--port", "65536"]) == 2


START = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may have switched it off
from scanner.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    """Stop a real process that has an idle reader and one in the middle of a file."""
    root = make_result(tmp_path / "result")
    (root / "big.bw").write_bytes(bytes(30_000_000))
    words = [sys.executable, "-c", START, "view", str(root), "--port", "0", "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            assert process.stdout is not None
            port = urlsplit(process.stdout.readline().split()[3]).port
            idle, busy = (http.client.HTTPConnection("127.0.0.1", port or 0, timeout=20) for _ in range(2))
            with contextlib.closing(idle), contextlib.closing(busy):
                idle.request("GET", "/run.json")
                assert idle.getresponse().read() == (root / "run.json").read_bytes()
                busy.request("GET", "/big.bw")
                with busy.getresponse() as answer:
                    assert answer.read(10) == bytes(10)
                    process.send_signal(signal.SIGINT)
                    _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")
