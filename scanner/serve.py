"""A result folder over HTTP, for genome browsers: byte ranges, and nothing but what the folder shows.

Tornado's own handler of files is not used: it answers 200 to a range that spans the whole file, where the UCSC browser
insists on 206, and it keeps the ETag of a file that has been published anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import errno
import html
import os
import re
import socket
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler

from scanner.errors import UsageError
from scanner.publish import SESSION
from scanner.workspace import Workspace

PORT = 8765
PORTS_TRIED = 100
HOST = "127.0.0.1"
HUB = "hub/hub.txt"
START = "index.html"
_SHOWN = (SESSION, HUB, "windows.tsv.gz", "sites.tsv.gz", "accounting.tsv", "run.json")
_PATTERNS = ("tracks/*.bw", "calls/*.bed.gz")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_BROWSERS = re.compile(r"([a-z0-9-]+\.)*(igv|jbrowse)\.org|genome(-[a-z0-9]+)?\.ucsc\.edu")
_CHUNK = 1 << 18
_TEXT = "text/plain; charset=utf-8"
_TYPES = {
    ".bed": _TEXT,
    ".css": "text/css; charset=utf-8",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".sizes": _TEXT,
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".txt": _TEXT,
    ".xml": "application/xml",
}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title></head>
<body><h1>{name}</h1>{session}<ul>
{files}
</ul></body></html>
"""
_LOAD = '<p><a href="http://localhost:60151/load?file={url}">Load the session into IGV on this computer</a></p>'


@dataclass(frozen=True)
class Server:
    """A result folder and the socket on which it is offered; who takes one runs it or closes the socket.

    Parameters
    ----------
    root
        The folder, without symbolic links in its path.
    host
        Address or name as the user gave it, without brackets.
    listener
        Bound and listening: who connects waits until `run`.
    """

    root: Path
    host: str
    listener: socket.socket

    @property
    def port(self) -> int:
        """Number of the port, also where any free one was asked for."""
        return int(self.listener.getsockname()[1])

    @property
    def loopback(self) -> bool:
        """Whether only this computer can connect."""
        return ip_address(self._address).is_loopback

    @property
    def url(self) -> str:
        """Link to the start page, for this computer."""
        return f"http://{self._name}:{self.port}/"

    @property
    def _address(self) -> str:
        return str(self.listener.getsockname()[0])

    @property
    def _name(self) -> str:
        if ip_address(self._address).is_unspecified:
            return "localhost" if self.listener.family == socket.AF_INET else "[::1]"
        return f"[{self.host}]" if ":" in self.host else self.host

    async def run(self) -> None:
        """Answer requests until cancelled, then close everything."""
        hosts = _LOCAL | {self._name.lower()} if self.loopback else None
        application = Application([(r"/(.*)", _Files)], log_function=lambda _: None, root=self.root, hosts=hosts)
        server = HTTPServer(application, max_body_size=0)
        self.listener.setblocking(False)
        server.add_socket(self.listener)
        try:
            await asyncio.Event().wait()
        finally:
            server.stop()
            await server.close_all_connections()


def open_server(directory: Path, host: str = HOST, port: int | None = None) -> Server:
    """Take a port for a result folder.

    Parameters
    ----------
    directory
        Result of a scan.
    host
        Address to listen on; the default is reached from this computer only.
    port
        From 0 (any free one) to 65535; None: `PORT`, or the next free one.

    Raises
    ------
    UsageError
        Where the folder is no result, or the port cannot be had.
    """
    if Workspace(directory).finished() is None:
        raise UsageError(f"{directory} is not a popscan result: it has no run.json of popscan's")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    tried = range(PORT, PORT + PORTS_TRIED) if port is None else (port,)
    for number in tried:
        try:
            return Server(directory.resolve(), host, socket.create_server((host, number), family=family))
        except (OSError, UnicodeError) as error:
            if getattr(error, "errno", None) != errno.EADDRINUSE:
                raise UsageError(_refusal(error, host, number)) from error
    if port is None:
        raise UsageError(f"ports {tried[0]} to {tried[-1]} of {host} are all taken: name a free one with --port")
    raise UsageError(f"port {port} of {host} is taken: name another one with --port, or leave --port out")


def _refusal(error: OSError | UnicodeError, host: str, port: int) -> str:
    """Say why a port cannot be had; a name that leads nowhere is no address either."""
    if isinstance(error, UnicodeError | socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is no address of this computer: leave --host out, or give one that it has"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} is not permitted: name one from 1024 on with --port"
    return f"port {port} of {host} cannot be listened on: {os.strerror(error.errno or 0)}"


def locate(root: Path, wanted: str) -> Path | None:
    """Find a file that may be read.

    Parameters
    ----------
    root
        Folder, without symbolic links in its path.
    wanted
        Names joined by ``/``, decoded.

    Returns
    -------
    The file with all links followed; None where it is not there, is not a plain file, lies outside ``root``, or any of
    its names, as asked for or as links lead, is hidden.
    """
    names = wanted.split("/")
    if any(not name or name.startswith(".") for name in names):
        return None
    try:
        path = root.joinpath(*names).resolve(strict=True)
        inside = path.relative_to(root)
        hidden = any(name.startswith(".") for name in inside.parts)
        return path if path.is_file() and not hidden else None
    except (OSError, RuntimeError, ValueError):  # not there; links in a circle; a NUL, or outside
        return None


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Read a Range header.

    Returns
    -------
    First byte and the byte after the last, from 0; an empty span where the file has nothing of it; None where the whole
    file is due: no header, or several ranges, other units, nonsense.

    Examples
    --------
    >>> byte_range("bytes=10-19", 100), byte_range("bytes=90-", 100), byte_range("bytes=-5", 100)
    ((10, 20), (90, 100), (95, 100))
    >>> byte_range("bytes=100-", 100), byte_range("bytes=0-1,5-6", 100), byte_range("bytes=9-3", 100)
    ((0, 0), None, None)
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip(), re.ASCII | re.IGNORECASE)
    if match is None or not any(match.groups()):
        return None
    first, last = (int(text) if text else None for text in match.groups())
    if first is None:
        start, end = max(0, size - (last or 0)), size
    elif last is not None and last < first:
        return None
    else:
        start, end = first, size if last is None else min(size, last + 1)
    return (start, end) if start < end else (0, 0)


def allowed_origin(origin: str | None, *, loopback: bool) -> str | None:
    """Decide which web page's scripts may read the files.

    What only this computer can reach is for pages of this computer and of well-known genome browsers, not for any page
    that happens to be open; what others can reach anyway, any page may read.

    Parameters
    ----------
    origin
        The header of this name.
    loopback
        Whether only this computer can connect.

    Returns
    -------
    Value of Access-Control-Allow-Origin, None for none.

    Examples
    --------
    >>> allowed_origin("https://igv.org", loopback=True), allowed_origin("https://igv.org", loopback=False)
    ('https://igv.org', '*')
    >>> allowed_origin("https://elsewhere.example", loopback=True)
    """
    if not loopback:
        return "*"
    try:
        parts = urlsplit(origin or "")
        name = parts.hostname or ""
    except ValueError:
        return None
    here = name in {"localhost", "127.0.0.1", "::1"} and parts.scheme in {"http", "https"}
    known = parts.scheme == "https" and _BROWSERS.fullmatch(name) is not None
    return origin if here or known else None


def start_page(root: Path, url: str) -> str:
    """Write a page with links to what a result holds.

    Parameters
    ----------
    root
        The folder, without symbolic links in its path.
    url
        Link to the page, ending in ``/``.
    """
    names = [*_SHOWN, *(f"{path.parent.name}/{path.name}" for glob in _PATTERNS for path in sorted(root.glob(glob)))]
    found = [name for name in names if locate(root, name) is not None and _readable(name) == name]
    rows = [f'<li><a href="{quote(name)}">{html.escape(name)}</a></li>' for name in found]
    session = _LOAD.format(url=quote(url + SESSION, safe="")) if SESSION in found else ""
    return _PAGE.format(name=html.escape(_readable(root.name)), session=session, files="\n".join(rows))


def _readable(name: str) -> str:
    """Replace bytes of a file name that are no UTF-8: no link could hold them."""
    return os.fsencode(name).decode("utf-8", "replace")


def _open(path: Path) -> BinaryIO:
    """Open a plain file that was just looked up: had it become a link or a pipe since, it would not do."""
    try:
        handle = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0)
    except OSError as error:
        raise HTTPError(404) from error
    if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        handle.close()
        raise HTTPError(404)
    return handle


class _Files(RequestHandler):
    """Answers for the files of a folder, and the start page."""

    etag: str | None = None

    def set_default_headers(self) -> None:
        """Set what every answer has."""
        self.set_header("Server", "popscan")
        self.set_header("Content-Type", _TEXT)
        self.set_header("Cache-Control", "no-cache")  # ask again: the result may be published anew
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Vary", "Origin")
        origin = allowed_origin(self.request.headers.get("Origin"), loopback=self.settings["hosts"] is not None)
        if origin is not None:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range, ETag")

    def prepare(self) -> None:
        """Refuse names that are not this computer's: a page from elsewhere may have had its own name lead here."""
        hosts = self.settings["hosts"]
        if hosts is not None and self.request.host_name not in hosts:
            raise HTTPError(403, reason="This server answers to localhost only, unless popscan view --host is given")

    def options(self, wanted: str) -> None:  # noqa: ARG002
        """Answer a web browser that asks whether a script may ask."""
        self.set_status(204)
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Range, If-Range, If-None-Match, If-Modified-Since")
        self.set_header("Access-Control-Max-Age", "600")
        if "Access-Control-Request-Private-Network" in self.request.headers:
            self.set_header("Access-Control-Allow-Private-Network", "true")

    async def head(self, wanted: str) -> None:
        """Answer as `get` without a body."""
        await self.get(wanted)

    async def get(self, wanted: str) -> None:
        """Answer with a file, a part of it, or the start page."""
        root: Path = self.settings["root"]
        path = locate(root, wanted or START)
        if path is not None:
            with _open(path) as handle:
                await self._send(handle, _TYPES.get(path.suffix.lower(), "application/octet-stream"))
        elif wanted:
            raise HTTPError(404)
        else:
            self.set_header("Content-Type", _TYPES[".html"])
            self.set_header("Content-Security-Policy", "default-src 'none'")
            self.finish(start_page(root, f"{self.request.protocol}://{self.request.host}/"))

    async def _send(self, handle: BinaryIO, kind: str) -> None:
        """Send what conditions and range leave of an open file."""
        about = os.fstat(handle.fileno())
        size, modified = about.st_size, email.utils.formatdate(about.st_mtime, usegmt=True)
        self.etag = f'"{about.st_mtime_ns:x}-{size:x}"'
        self.set_etag_header()
        self.set_header("Last-Modified", modified)
        if self._is_known(int(about.st_mtime)):
            self.set_status(304)
            return
        asked = self.request.headers.get("Range", "") if self.request.method == "GET" else ""
        fits = self.request.headers.get("If-Range", self.etag) in (self.etag, modified)
        span = byte_range(asked, size) if fits else None
        if span is None:
            span = (0, size)
        elif span == (0, 0):
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{size}")
            return
        else:
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {span[0]}-{span[1] - 1}/{size}")
        self.set_header("Content-Type", kind)
        self.set_header("Content-Length", str(span[1] - span[0]))
        if self.request.method == "GET":
            await self._stream(handle, *span)

    async def _stream(self, handle: BinaryIO, start: int, end: int) -> None:
        """Send a span of a file, as fast as it is taken."""
        handle.seek(start)
        with contextlib.suppress(StreamClosedError):  # the other side has seen enough
            while start < end and (chunk := handle.read(min(_CHUNK, end - start))):
                self.write(chunk)
                start += len(chunk)
                await self.flush()

    def _is_known(self, modified: int) -> bool:
        """Tell whether the other side has this very file; ``modified`` in seconds since 1970."""
        if "If-None-Match" in self.request.headers:
            return self.check_etag_header()
        try:
            since = email.utils.parsedate_to_datetime(self.request.headers.get("If-Modified-Since", ""))
            return since.timestamp() >= modified
        except (OverflowError, TypeError, ValueError):
            return False

    def compute_etag(self) -> str | None:
        """Give the file's mark; the start page has none."""
        return self.etag

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ARG002
        """Answer an error with one plain line."""
        self.finish(f"{status_code} {self._reason}\n")

    def log_exception(self, *error: Any) -> None:
        """Log only what should not happen; the arguments are type, value and traceback."""
        if not isinstance(error[1], HTTPError):
            super().log_exception(*error)
