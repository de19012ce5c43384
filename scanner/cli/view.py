"""``popscan view``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.cli.options import FILE, debug_option
from scanner.publish import SESSION

if TYPE_CHECKING:
    from scanner.serve import Server

# Said here too, so that the command line starts without Tornado; a test holds them against scanner.serve.
PORT, HOST = 8765, "127.0.0.1"


@click.command(short_help="Serve a result on this computer, for a genome browser.")
@click.argument("directory", metavar="DIR", type=FILE)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help=f"Port; 0 takes any free one.  [default: {PORT}, or the next free one]",
)
@click.option(
    "--host", metavar="ADDRESS", default=HOST, show_default=True, help="Address to listen on; 0.0.0.0: all there are."
)
@click.option("--no-browser", is_flag=True, help="Do not open the web browser.")
@debug_option
def view(directory: Path, port: int | None, host: str, no_browser: bool) -> None:
    """Serve a result folder over HTTP until Ctrl-C, and say how to open it in a genome browser.

    Only this computer can connect, unless --host says otherwise. Hidden files and what lies outside DIR are not served.
    """
    from scanner.serve import open_server  # loads Tornado

    with contextlib.suppress(KeyboardInterrupt):
        server = open_server(directory, host, port)
        with server.listener:
            if not server.loopback:
                click.echo(f"warning: anyone who can reach this computer can read {server.root}", err=True)
            for line in _lines(server):
                click.echo(line)
            if not no_browser and _has_display():
                # Some web browsers return only when closed.
                threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
            asyncio.run(server.run())


def _lines(server: Server) -> list[str]:
    """Say where the result is, and how to open it."""
    from scanner.serve import HUB, locate

    lines = [f"{server.root} is at {server.url} until Ctrl-C"]
    if locate(server.root, SESSION):
        lines.append(f"IGV desktop: File > Open Session, {server.root / SESSION}")
        lines.append(f"        or: File > Load from URL, {server.url}{SESSION}")
    else:
        lines.append(f"no {SESSION} here yet: 'popscan publish {server.root}' makes it")
    if locate(server.root, HUB):
        lines.append(f"UCSC: My Data > Track Hubs > Connected Hubs, {server.url}{HUB}")
        lines.append("      but UCSC's computers must reach this one: --host 0.0.0.0, and a public address in the link")
    if os.environ.get("SSH_CONNECTION") and server.loopback:
        forward = f"ssh -L {server.port}:{server.url.split('/')[2]} {socket.gethostname()}"
        lines.append(f"from another computer: '{forward}' there, then the same link")
    return lines


def _has_display() -> bool:
    """Tell whether a web browser would have a window to open."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
