"""Harmed input for popscan, and what must hold of every run on it: a sound result, or one sentence and nothing else."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pybigtools
import pyBigWig
from scanning import read_table

from scanner.bgzf import ends_whole

LIMIT = 10.0
"""Seconds that no run may take."""
LONGEST = 1000
"""Letters of the longest sentence."""
TALK = ("Traceback", "Warning:", "[E::", "[W::")


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit status, or minus the signal that ended it."""

    code: int
    seconds: float
    out: str
    err: str


class Server:
    """Runs command lines in forked children, see `fuzz_server`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fuzz_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, *words: object, **fate: Any) -> Ended:
        """Run popscan in a folder; ``fate`` is what `fuzz_server` may do to it."""
        asked = {"words": [str(word) for word in words], "folder": str(folder), "limit": LIMIT, **fate}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def memory(self) -> int:
        """Give the bytes of address space that a child begins with."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[0]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def close(self) -> None:
        """Let it end."""
        self._process.communicate(timeout=60)


@contextmanager
def serving() -> Iterator[Server]:
    """Keep a server while tests run."""
    server = Server()
    try:
        yield server
    finally:
        server.close()


def faults_of_end(ended: Ended, *, reports: bool = False, limit: float = LIMIT) -> list[str]:
    """Say what is wrong with the way a run ended; some commands report what they find on standard output."""
    faults = []
    if ended.seconds >= limit:
        faults.append(f"it took {ended.seconds:.0f} s")
    elif ended.code < 0:
        faults.append(f"signal {-ended.code}")
    elif ended.code not in (0, 1, 2):
        faults.append(f"exit status {ended.code}")
    faults += [f"says {word!r}" for word in TALK if word in ended.err]
    if ended.code in (1, 2):
        faults += _faults_of_report(ended.out) if reports else _faults_of_sentence(ended.err)
    return faults


def _faults_of_report(out: str) -> Iterator[str]:
    """Lines of findings, and one error at least."""
    lines = out.removesuffix("\n").split("\n")
    if not any(line.startswith("ERROR") for line in lines):
        yield "no error is reported"
    for line in lines:
        if not line.startswith(("ERROR", "warning", "ok")) or not line.replace("\t", " ").isprintable():
            yield f"reports {line!r}"


def _faults_of_sentence(err: str) -> Iterator[str]:
    """One line that begins with the program's name and can be shown on any terminal."""
    lines = err.split("\n")
    if len(lines) != 2 or lines[1] or not lines[0].startswith("popscan: "):
        yield "no single sentence"
    elif len(lines[0]) > LONGEST:
        yield f"a sentence of {len(lines[0])} letters"
    elif not lines[0].replace("\t", " ").isprintable():
        yield "letters that are no text"
    elif len(lines[0].split()) < 5 or lines[0].rstrip().endswith(":"):
        yield "a sentence that says nothing"


def faults_of_result(server: Server, folder: Path, ended: Ended) -> list[str]:
    """Say what is wrong with the result of a scan in ``folder/out``."""
    out = folder / "out"
    if ended.code != 0:
        left = sorted(path.name for path in out.iterdir() if path.name != ".popscan") if out.is_dir() else []
        if "a.fa " in ended.err and "hub" in left:
            return []  # the sequence of the genome is read last, for the hub: the scores are there, and whole
        return [f"failed, and left {left}"] if left else []
    faults = [f"left {path.name}" for path in out.rglob("*") if "partial" in path.name or path.name == ".popscan"]
    checked = server.run(folder, "check", out)
    if checked.code != 0:
        faults.append(f"check: {checked.out}{checked.err}")
    table = read_table(out / "windows.tsv.gz")
    values = [cell for row in table.rows for cell in row[3:-1] if cell != "NA"]
    if not values and "no track" not in ended.err:
        faults.append("an empty result, and no word of it")
    return faults


def half_written(files: Iterable[Path]) -> list[str]:
    """Name the files, of those that have their final names, that are not whole."""
    found = []
    for path in sorted(files):
        if not any(part.startswith(".") for part in path.parts):
            try:
                sound = _READERS.get(path.suffix, lambda _path: True)(path)
            except Exception:
                sound = False
            if not sound:
                found.append(f"{path} is not whole")
    return found


def _bigwig(path: Path) -> bool:
    with pyBigWig.open(str(path)) as file:
        return bool(file.chroms())


_READERS: dict[str, Callable[[Path], bool]] = {
    ".bw": _bigwig,
    ".bb": lambda path: bool(pybigtools.open(str(path)).chroms()),
    ".gz": lambda path: ends_whole(path) and gzip.decompress(path.read_bytes()) is not None,
    ".tbi": ends_whole,
    ".csi": ends_whole,
    ".xml": lambda path: ElementTree.parse(path) is not None,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")) is not None,
    ".html": lambda path: path.read_bytes().rstrip().endswith((b"</html>", b"</p>", b"</ul>", b"</dl>", b"</table>")),
}

NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"9223372036854775808",
    b"1" * 40,
    b"1e400",
    b"nan",
    b"-inf",
    b"0.5",
    b"1_000",
    b"\xd9\xa3",
    b"",
)
TOKENS = (
    b"\0",
    b"*",
    b"\r\n",
    b"\n",
    b"\t",
    b"\t\t",
    b" ",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\x1b[31m",
    b"<script>",
    b"&amp;",
    b"'",
    b'"',
    b"../../x",
    b"/etc/passwd",
    b"%s%n",
    b"{0}",
    b"[",
    b"]",
    b"=",
    b";",
    b",",
    b".",
    b"|",
    b"/",
    b"#",
    b"##",
    b"\xe2\x80\xae",
    b"\xf0\x9f\xa7\xac",
    b"A" * 5000,
    b"\x1f\x8b",
)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Harm bytes in one to six places."""
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        data = draw.choice(_WAYS)(data, draw)
    return data


def _place(data: bytes, draw: random.Random, longest: int = 60) -> tuple[int, int]:
    """Choose a range; small files are harmed near their start as often as elsewhere."""
    start = draw.randrange(min(len(data), 400) if draw.random() < 0.4 else len(data)) if data else 0
    return start, min(len(data), start + draw.randint(1, longest))


def _flip(data: bytes, draw: random.Random) -> bytes:
    at, _ = _place(data, draw)
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :] if data else data


def _byte(data: bytes, draw: random.Random) -> bytes:
    at, _ = _place(data, draw)
    return data[:at] + bytes([draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))]) + data[at + 1 :]


def _word(data: bytes, draw: random.Random) -> bytes:
    """Set a number of four or eight bytes, as binary formats have them."""
    at, width = _place(data, draw)[0], draw.choice((2, 4, 8))
    value = draw.choice((0, 1, -1, 2**31 - 1, -(2**31), 2**16, 2**24, draw.randrange(2**31)))
    return data[:at] + (value % (1 << 8 * width)).to_bytes(width, "little") + data[at + width :]


def _delete(data: bytes, draw: random.Random) -> bytes:
    start, end = _place(data, draw)
    return data[:start] + data[end:]


def _repeat(data: bytes, draw: random.Random) -> bytes:
    start, end = _place(data, draw, 400)
    return data[:end] + data[start:end] * draw.choice((1, 1, 2, 50)) + data[end:]


def _move(data: bytes, draw: random.Random) -> bytes:
    (start, end), (to, _) = _place(data, draw), _place(data, draw)
    return data[:to] + data[start:end] + data[to:]


def _insert(data: bytes, draw: random.Random) -> bytes:
    at, _ = _place(data, draw)
    return data[:at] + draw.choice(TOKENS) + data[at:]


def _noise(data: bytes, draw: random.Random) -> bytes:
    at, end = _place(data, draw, 12)
    return data[:at] + draw.randbytes(end - at) + data[end:]


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: _place(data, draw)[0]]


def _number(data: bytes, draw: random.Random) -> bytes:
    """Put another number where one stands."""
    at, _ = _place(data, draw)
    while at < len(data) and not data[at : at + 1].isdigit():
        at += 1
    end = at
    while end < len(data) and data[end : end + 1].isdigit():
        end += 1
    return data[:at] + draw.choice(NUMBERS) + data[end:]


def _line(data: bytes, draw: random.Random) -> bytes:
    """Delete, repeat or move a line."""
    lines = data.split(b"\n")
    line = lines.pop(draw.randrange(len(lines)))
    for _ in range(draw.choice((0, 1, 2))):
        lines.insert(draw.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _column(data: bytes, draw: random.Random) -> bytes:
    """Put another text into one cell of a table."""
    lines = data.split(b"\n")
    at = draw.randrange(len(lines))
    cells = lines[at].split(b"\t")
    cells[draw.randrange(len(cells))] = draw.choice(TOKENS + NUMBERS)
    lines[at] = b"\t".join(cells)
    return b"\n".join(lines)


_WAYS = (_flip, _byte, _word, _delete, _repeat, _move, _insert, _insert, _noise, _cut, _number, _number, _line, _column)

CASES = int(os.environ.get("POPSCAN_FUZZ_CASES", "200"))
"""Cases of all tests together."""
SEED = int(os.environ.get("POPSCAN_FUZZ_SEED", "1"))


def share(part: float) -> int:
    """Give the number of cases of a test that has a share of them."""
    return max(1, round(CASES * part))


def drawn(target: str, number: int) -> random.Random:
    """Give what chooses everything in one case."""
    return random.Random(f"{SEED} {target} {number}")


def shown(words: list[Any], ended: Ended, faults: list[str]) -> str:
    """Say what went wrong in a case."""
    return f"{' '.join(map(str, words))}\n  code {ended.code}; {'; '.join(faults)}\n  {ended.err[-1500:]}"
