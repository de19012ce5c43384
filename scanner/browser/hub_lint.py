"""Read a hub as UCSC would, and say what it would complain of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyBigWig

from scanner.browser.assembly import has_contig
from scanner.browser.bigbed import column_counts
from scanner.browser.hub_layout import MOST_VISIBLE
from scanner.browser.labels import LONG, SHORT
from scanner.browser.stanza import Stanza, parse
from scanner.browser.twobit import read_lengths
from scanner.errors import InputError
from scanner.regions import shortlist

_HUB = ("shortLabel", "longLabel", "email", "descriptionUrl")
_ASSEMBLY = ("groups", "description", "organism", "scientificName", "defaultPos")
_CONTAINERS = ("compositeTrack", "container", "superTrack")
_COLOUR = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3})")
Known = Callable[[str, int], bool]


def lint(hub: Path) -> list[str]:
    """Check a hub of one file, with all that it names.

    Parameters
    ----------
    hub
        Its ``hub.txt``.

    Returns
    -------
    What is wrong, one sentence each; empty for a hub that UCSC takes.
    """
    try:
        stanzas = parse(hub.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [f"{hub}: there is no such file"]
    except (OSError, UnicodeDecodeError) as error:
        return [f"{hub}: it cannot be read as text ({error})"]
    except InputError as error:
        return [f"{hub}: {error}"]
    if not stanzas or next(iter(stanzas[0])) != "hub":
        return [f"{hub}: it does not begin with the setting hub"]
    if len(stanzas) < 2 or next(iter(stanzas[1])) != "genome":
        return [f"{hub}: the second stanza does not begin with genome"]
    found = [*_head(hub.parent, stanzas[0]), *_genome(hub.parent, stanzas[1])]
    tracks: dict[str, Stanza] = {}
    for stanza in stanzas[2:]:
        first = next(iter(stanza))
        if first != "track":
            found.append(f"a stanza begins with {first}, not with track")
        elif stanza["track"] in tracks:
            found.append(f"{stanza['track']}: there are two tracks of this name")
        else:
            tracks[stanza["track"]] = stanza
    known = _known(hub.parent, stanzas[1])
    for name, stanza in tracks.items():
        complaints = [*_settings(stanza), *_place(stanza, tracks), *_files(hub.parent, stanza, known)]
        found += [f"{name}: {complaint}" for complaint in complaints]
    return [*found, *_labels(tracks), *_visible(tracks)]


def _head(folder: Path, stanza: Stanza) -> Iterator[str]:
    """Check what is said of the hub as a whole."""
    for setting in _HUB:
        if setting not in stanza:
            yield f"hub: {setting} is missing"
    if stanza.get("useOneFile") != "on":
        yield "hub: useOneFile is not on"
    if "@" not in stanza.get("email", "@"):
        yield f"hub: email {stanza['email']} is no address"
    yield from (f"hub: {text}" for text in [*_long(stanza), *_missing_file(folder, stanza, "descriptionUrl")])


def _genome(folder: Path, stanza: Stanza) -> Iterator[str]:
    """Check the genome: by a UCSC id, or with all that an assembly hub needs."""
    if "twoBitPath" not in stanza:
        return
    for setting in _ASSEMBLY:
        if setting not in stanza:
            yield f"genome: {setting} is missing"
    for setting in ("twoBitPath", "groups", "htmlPath"):
        yield from (f"genome: {text}" for text in _missing_file(folder, stanza, setting))


def _known(folder: Path, genome: Stanza) -> Known:
    """Make what tells whether a contig of such a name and length (bp) is in the genome."""
    try:
        lengths = read_lengths(folder / genome["twoBitPath"]) if "twoBitPath" in genome else None
    except InputError:
        lengths = {}
    if lengths is not None:
        return lambda name, length: lengths.get(name) == length
    return lambda name, length: has_contig(genome["genome"], name, length)


def _settings(stanza: Stanza) -> Iterator[str]:
    """Check the settings of a track by themselves."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", stanza["track"]):
        yield "its name holds more than letters, digits and _, or begins with no letter"
    for setting in ("shortLabel", "longLabel"):
        if setting not in stanza:
            yield f"{setting} is missing"
    yield from _long(stanza)
    for setting in ("color", "altColor"):
        match = _COLOUR.fullmatch(stanza.get(setting, "0,0,0"))
        if match is None or max(map(int, match.groups())) > 255:
            yield f"{setting} {stanza[setting]} is no colour such as 70,130,180"
    if stanza.get("visibility", "hide") not in ("hide", "dense", "squish", "pack", "full"):
        yield f"visibility {stanza['visibility']} is unknown"
    for setting, text in (("type", stanza.get("type", "")), ("viewLimits", stanza.get("viewLimits", ""))):
        if text.startswith("bigWig ") or (setting == "viewLimits" and text):
            yield from _bounds(setting, text.removeprefix("bigWig ").replace(":", " ").split())


def _bounds(setting: str, words: Sequence[str]) -> Iterator[str]:
    """Check a minimum and a maximum."""
    try:
        low, high = map(float, words)
        if low >= high:
            yield f"{setting}: {words[0]} is not below {words[1]}"
    except ValueError:
        yield f"{setting}: '{' '.join(words)}' is no minimum and maximum"


def _place(stanza: Stanza, tracks: dict[str, Stanza]) -> Iterator[str]:
    """Check a track against its parent and its children."""
    parent = stanza.get("parent", "").split()
    above = tracks.get(parent[0]) if parent else None
    if parent and above is None:
        yield f"its parent {parent[0]} does not exist"
    elif above is not None and not _is_container(above):
        yield f"its parent {parent[0]} is no container"
    elif above is not None and list(tracks).index(parent[0]) > list(tracks).index(stanza["track"]):
        yield f"its parent {parent[0]} comes after it"
    elif above is not None and "superTrack" not in above:
        if stanza.get("type", "").split()[:1] != above.get("type", "").split()[:1]:
            yield f"its type {stanza.get('type')} is not that of its parent, {above.get('type')}"
        yield from _membership(stanza, above)
    children = [other for other in tracks.values() if other.get("parent", "").split()[:1] == [stanza["track"]]]
    if _is_container(stanza):
        least = 2 if "container" in stanza else 1
        if len(children) < least:
            yield f"it is a container of {len(children)} tracks, at least {least} are needed"
        if "bigDataUrl" in stanza:
            yield "it is a container and has a bigDataUrl"
    else:
        for setting in ("type", "bigDataUrl"):
            if setting not in stanza:
                yield f"{setting} is missing"


def _membership(stanza: Stanza, parent: Stanza) -> Iterator[str]:
    """Check that a track says its place in every subgroup of its composite."""
    declared = {}
    for words in (value.split() for key, value in parent.items() if re.fullmatch(r"subGroup\d", key)):
        declared[words[0]] = {word.partition("=")[0] for word in words[2:]}
    own = dict(word.partition("=")[::2] for word in stanza.get("subGroups", "").split())
    for group in sorted(declared.keys() | own.keys()):
        if own.get(group) not in declared.get(group, set()):
            yield f"subGroups: {group}={own.get(group)} is not what its parent declares"


def _files(folder: Path, stanza: Stanza, known: Known) -> Iterator[str]:
    """Check the page and the data of a track."""
    yield from _missing_file(folder, stanza, "html")
    if "html" not in stanza:
        yield "it has no page: html is missing"
    if "bigDataUrl" not in stanza:
        return
    complaints = list(_missing_file(folder, stanza, "bigDataUrl"))
    yield from complaints or _data(folder / stanza["bigDataUrl"], stanza, known)


def _missing_file(folder: Path, stanza: Stanza, setting: str) -> Iterator[str]:
    """Check that a file is there, and below the hub's folder, where every server finds it."""
    if setting not in stanza:
        return
    url = stanza[setting]
    if not re.fullmatch(r"[A-Za-z0-9_./-]+", url) or url.startswith("/") or ".." in url.split("/"):
        yield f"{setting} {url} is no plain path below the hub's folder"
    elif not (folder / url).is_file():
        yield f"{setting} {url}: no such file"


def _data(path: Path, stanza: Stanza, known: Known) -> Iterator[str]:
    """Open a bigWig or bigBed and compare it with its type and with the genome."""
    words = stanza.get("type", "").split()
    try:
        with pyBigWig.open(str(path)) as file:
            kind = "bigBed" if file.isBigBed() else "bigWig"
            contigs = file.chroms()
    except (OSError, RuntimeError, ValueError) as error:
        yield f"{stanza['bigDataUrl']} cannot be read: {error}"
        return
    if words[:1] != [kind]:
        yield f"{stanza['bigDataUrl']} is a {kind}, its type {stanza.get('type')}"
    elif kind == "bigBed":
        total, bed = column_counts(path)
        if words[1:] != [str(bed), *(["+"] if total > bed else [])]:
            yield f"{stanza['bigDataUrl']} has {bed} columns of BED out of {total}, its type is {stanza['type']}"
    strangers = [name for name, length in contigs.items() if not known(name, length)]
    if strangers:
        yield f"{stanza['bigDataUrl']} has contigs that the genome has not: {shortlist(strangers)}"


def _long(stanza: Stanza) -> Iterator[str]:
    """Check the lengths of labels."""
    for setting, longest in (("shortLabel", SHORT), ("longLabel", LONG)):
        text = stanza.get(setting, "")
        if len(text) > longest:
            yield f"{setting} '{text}' has {len(text)} characters, at most {longest} are shown"


def _labels(tracks: dict[str, Stanza]) -> Iterator[str]:
    """Check that no two tracks have the same label."""
    for setting in ("shortLabel", "longLabel"):
        counts = Counter(stanza.get(setting) for stanza in tracks.values())
        for label, count in counts.items():
            if label is not None and count > 1:
                yield f"{setting} '{label}' is that of {count} tracks"


def _visible(tracks: dict[str, Stanza]) -> Iterator[str]:
    """Check the number of tracks that are shown at first."""
    count = sum(_is_shown(stanza, tracks) for stanza in tracks.values())
    if not 1 <= count <= MOST_VISIBLE:
        yield f"{count} tracks are shown at first, where 1 to {MOST_VISIBLE} are useful"


def _is_shown(stanza: Stanza, tracks: dict[str, Stanza]) -> bool:
    """Tell whether a row of its own is drawn for a track: not for what only holds others, nor inside an overlay."""
    if "compositeTrack" in stanza or "superTrack" in stanza:
        return False
    parent, *state = [*stanza.get("parent", "").split(), "", ""][:2]
    above = tracks.get(parent, {})
    if "container" in above or state == ["off"]:
        return False
    if "superTrack" in above:
        return above["superTrack"] == "on show" and stanza.get("visibility", "hide") != "hide"
    return stanza.get("visibility", above.get("visibility", "hide")) != "hide" and above.get("visibility") != "hide"


def _is_container(stanza: Stanza) -> bool:
    return any(setting in stanza for setting in _CONTAINERS)
