"""Which tracks of a hub stand together, and which are shown at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scanner.browser.drawn import Colour, DrawnTrack
from scanner.browser.hub_files import hub_name
from scanner.browser.stanza import Stanza
from scanner.catalogue import GROUPS
from scanner.catalogue import tracks as catalogue

MOST_VISIBLE = 10
"""Tracks that a hub shows at first, at most."""
PALETTE: tuple[Colour, ...] = (
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (0, 0, 0),
)  # fmt: skip
"""Colours of what an overlay shows, told apart by colour-blind people too (Okabe and Ito)."""
_CALLS_AT_FIRST = 3
_KINDS = ("samples", "population", "pair", "trio")
"""What a composite brings together, by the number of populations that its scores concern."""
_NETWORK = "overlay_network_"
_BESIDE_NETWORK = "tajimas_d"
"""The statistic that overlays show with the networks' probabilities."""


@dataclass(frozen=True)
class Member:
    """A file of the hub: the values or the calls of one column, and whether it is shown at first."""

    track: DrawnTrack
    calls: bool
    shown: bool

    @property
    def name(self) -> str:
        """Name it as a track."""
        return hub_name(self.track.column) + "_calls" * self.calls


@dataclass(frozen=True)
class Overlay:
    """Columns in one graph."""

    name: str
    label: str
    title: str
    tracks: tuple[DrawnTrack, ...]


@dataclass(frozen=True)
class Composite:
    """The values or the calls of one population, of all samples, or of all pairs or trios."""

    kind: str
    population: str
    calls: bool
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """Name it as a track."""
        return f"{hub_name(f'{self.kind}.{self.population}'.rstrip('.'))}_{'calls' if self.calls else 'values'}"

    @property
    def label(self) -> str:
        """Call it in few letters."""
        return self.population or ("All samples" if self.kind == "samples" else f"{self.kind.capitalize()}s")

    @property
    def title(self) -> str:
        """Call it in full."""
        if self.kind == "samples":
            return "All samples"
        return f"Population {self.population}" if self.population else f"{self.kind.capitalize()}s of populations"

    def subgroups(self) -> Stanza:
        """Say by what its members are chosen: by family, or by statistic and populations."""
        tracks = [member.track for member in self.members]
        if self.kind in _KINDS[:2]:
            used = {track.group for track in tracks}
            families = " ".join(f"{group}={group.capitalize()}" for group in GROUPS if group in used)
            return {"subGroup1": f"family Family {families}", "dimensions": "dimY=family"}
        scores = dict.fromkeys(track.score for track in tracks)
        statistics = " ".join(f"{score}={_tag(catalogue()[score].label)}" for score in scores)
        groups = dict.fromkeys(track.populations for track in tracks)
        populations = " ".join(f"{_populations_tag(names)}={_tag('/'.join(names))}" for names in groups)
        return {
            "subGroup1": f"statistic Statistic {statistics}",
            "subGroup2": f"{self.kind} {self.kind.capitalize()} {populations}",
            "dimensions": f"dimX={self.kind} dimY=statistic",
        }

    def membership(self, track: DrawnTrack) -> str:
        """Say where in it a track stands."""
        if self.kind in _KINDS[:2]:
            return f"family={track.group}"
        return f"statistic={track.score} {self.kind}={_populations_tag(track.populations)}"


def composites(members: Sequence[Member]) -> list[Composite]:
    """Bring files together, populations first, then pairs, then trios; the calls of each after its values."""
    found: dict[tuple[int, str, bool], list[Member]] = {}
    for member in members:
        names = member.track.populations
        number = min(len(names), len(_KINDS) - 1)
        found.setdefault((number, names[0] if number == 1 else "", member.calls), []).append(member)
    order = list(dict.fromkeys(key[1] for key in found))
    keys = sorted(found, key=lambda key: (max(key[0], 1), order.index(key[1]), key[2]))
    return [Composite(_KINDS[key[0]], key[1], key[2], tuple(found[key])) for key in keys]


def choose(tracks: Sequence[DrawnTrack], called: Sequence[DrawnTrack], overlays: Sequence[Overlay]) -> list[Member]:
    """List all files of a hub, and choose which are shown at first.

    Parameters
    ----------
    tracks
        All columns, in the order of browsers.
    called
        Those that have calls.
    overlays
        What is shown already; with it come the calls of its statistics, then one score after the other.

    Returns
    -------
    At most `MOST_VISIBLE` of them shown, the overlays counted.
    """
    calls = {track.column for track in called}
    overlaid = {track.score for overlay in overlays for track in overlay.tracks}
    wanted = [(track.column, True) for track in called if track.score in overlaid][:_CALLS_AT_FIRST]
    for track in _by_turns([track for track in tracks if track.shown and track.score not in overlaid]):
        wanted += [(track.column, False), *([(track.column, True)] if track.column in calls else [])]
    chosen = set(wanted[: MOST_VISIBLE - len(overlays)])
    both = [(track, kind) for track in tracks for kind in (False, True) if not kind or track.column in calls]
    return [Member(track, kind, (track.column, kind) in chosen) for track, kind in both]


def find_overlays(tracks: Sequence[DrawnTrack]) -> list[Overlay]:
    """Find what is worth one graph: populations of a statistic, and networks beside Tajima's D."""
    return [*_overlays(tracks), *_network_overlays(tracks)]


def first_overlays(overlays: Sequence[Overlay]) -> list[Overlay]:
    """Choose the overlays that are shown at first: one of populations, one of networks."""
    network = [overlay for overlay in overlays if overlay.name.startswith(_NETWORK)]
    return [*[overlay for overlay in overlays if overlay not in network][:1], *network[:1]]


def _overlays(tracks: Sequence[DrawnTrack]) -> list[Overlay]:
    """Bring the populations of each statistic that is shown together, as many at once as there are colours."""
    scores: dict[str, list[DrawnTrack]] = {}
    for track in tracks:
        if track.shown and track.group != "data" and len(track.populations) == 1:
            scores.setdefault(track.score, []).append(track)
    made = []
    for score, columns in scores.items():
        count = -(-len(columns) // len(PALETTE))
        parts = [columns[at::count] for at in range(count)] if len(columns) > 1 else []
        for number, part in enumerate(parts, start=1):
            which = f" {number}" if count > 1 else ""
            label = catalogue()[score].label
            title = f"{label} of populations{which}: {', '.join(track.populations[0] for track in part)}"
            made.append(Overlay(f"overlay_{score}_{number}", f"{label} all{which}", title, tuple(part)))
    return made


def _network_overlays(tracks: Sequence[DrawnTrack]) -> list[Overlay]:
    """Bring the networks' probabilities of a population and the classical statistic together."""
    made = []
    for beside in (track for track in tracks if track.score == _BESIDE_NETWORK):
        own = [track for track in tracks if track.populations == beside.populations and track.shown]
        found = [t for t in own if t.group == "network" and (t.minimum, t.maximum) == (0, 1)][: len(PALETTE) - 1]
        if found:
            name = f"{_NETWORK}{hub_name(beside.column)}"
            title = f"Networks and {beside.name}"
            made.append(Overlay(name, f"Networks {'/'.join(beside.populations)}", title, (beside, *found)))
    return made


def _by_turns(tracks: Sequence[DrawnTrack]) -> list[DrawnTrack]:
    """Order tracks so that the first of every score comes before the second of any, and counts come last."""
    seen: dict[str, int] = {}
    ranked = []
    for place, track in enumerate(tracks):
        seen[track.score] = seen.get(track.score, 0) + 1
        ranked.append(((track.group == "data", seen[track.score], place), track))
    return [track for _, track in sorted(ranked, key=lambda item: item[0])]


def _populations_tag(populations: Sequence[str]) -> str:
    return hub_name(".".join(["p", *populations]))


def _tag(label: str) -> str:
    """Spell a label of a subgroup, which holds no space and no ``=``."""
    return label.replace(" ", "_").replace("=", "-")
