"""The catalogue of tracks: every entry is sound and drawn alike, and every kind of fault is named."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scanner import catalogue
from scanner.catalogue import Track, catalogue_folder, read_track, track, tracks
from scanner.errors import RunError
from scanner.statistics.registry import SITE_SCORES, statistic_names

TRACKS = tracks()
SCORES = [
    "callable", "sites", "missing", "pi", "theta_w", "tajimas_d", "theta_h", "fay_wu_h", "haplotypes", "h1", "h12",
    "h2_h1", "zns", "omega", "rmin", "mu", "ihs", "ihs_max", "nsl", "nsl_max", "xpehh", "xpehh_max", "fst", "dxy",
    "da", "pbs", "abba_d", "f_d", "f_dm", "rnd_min",
]  # fmt: skip
# Okabe and Ito's colours, which people with any common form of colour blindness tell apart, and two greys.
PALETTE = {
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (120, 120, 120), (153, 153, 153),
}  # fmt: skip
SIGNED = {"tajimas_d", "fay_wu_h", "abba_d", "f_dm"}

GOOD = """
score = "pi"
label = "pi"
title = "Nucleotide diversity"
unit = "per bp"
group = "diversity"
order = 1
colour = "0,158,115"
colour_negative = "0,158,115"
limits = "data"
baseline = 0
height = 50
visible = true

[outliers]
tail = "low"
share = 0.01
colour = "0,158,115"
"""


def make_entry(folder: Path, text: str) -> Path:
    """Write one entry, called pi."""
    entry = folder / "pi"
    entry.mkdir(parents=True)
    (entry / "track.toml").write_text(text)
    (entry / "description.html").write_text("<h2>Description</h2>")
    return entry


@pytest.mark.parametrize("score", SCORES)
def test_every_score_has_a_track(score: str):
    assert TRACKS[score].score == score


def test_every_statistic_has_a_track():
    auxiliary = {"callable_bp"}
    assert set(statistic_names()) - auxiliary <= set(TRACKS)
    assert {f"{name}_max" for name in SITE_SCORES} <= set(TRACKS)


def test_tajimas_d_comes_first_and_families_stay_together():
    assert next(iter(TRACKS)) == "tajimas_d"
    groups = [item.group for item in TRACKS.values()]
    assert list(dict.fromkeys(groups)) == sorted(set(groups), key=catalogue.GROUPS.index)
    assert groups == sorted(groups, key=catalogue.GROUPS.index)
    assert len({item.order for item in TRACKS.values()}) == len(TRACKS)


def test_labels_are_unique_and_leave_room_for_a_population():
    assert len({item.label for item in TRACKS.values()}) == len(TRACKS)
    assert len({item.title for item in TRACKS.values()}) == len(TRACKS)
    assert max(len(item.name(["GBR"])) for item in TRACKS.values()) <= catalogue.LONGEST_LABEL


def test_a_handful_of_tracks_per_population_is_visible():
    of_pairs = {"introgression_into", "introgression_from"}
    single = [item for item in TRACKS.values() if item.visible and item.group not in ("differentiation",)]
    assert 6 <= len([item for item in single if item.score not in of_pairs]) <= 13


@pytest.mark.parametrize("item", TRACKS.values(), ids=TRACKS)
class TestEntry:
    """Checks of one entry of the catalogue."""

    def test_colours(self, item: Track):
        same_family = [other.colour for other in TRACKS.values() if other.group == item.group]
        assert {item.colour, item.colour_negative} <= PALETTE
        assert set(same_family) == {item.colour}
        assert item.outliers is None or item.outliers.colour in (item.colour, item.colour_negative)

    def test_signed_statistics_show_their_sign(self, item: Track):
        assert item.symmetric == (item.score in SIGNED)
        if item.symmetric:
            assert item.colour_negative != item.colour

    def test_limits(self, item: Track):
        assert item.limits is None or item.limits[0] <= item.baseline <= item.limits[1]

    def test_text_is_plain(self, item: Track):
        assert all(text.isascii() and text.isprintable() for text in (item.label, item.title, item.unit))

    def test_description_has_all_parts(self, item: Track):
        root = ElementTree.fromstring(f"<body>{item.description.read_text()}</body>")
        assert [head.text for head in root.iter("h2")] == [
            "Description",
            "Display conventions",
            "Methods",
            "References",
        ]
        paragraphs = ["".join(part.itertext()).strip() for part in root.iter("p")]
        assert len(paragraphs) >= 4
        assert min(map(len, paragraphs)) > 60
        assert {element.tag for element in root.iter()} <= {"body", "h2", "p", "a", "i", "sub", "sup"}

    def test_description_says_what_is_called(self, item: Track):
        text = item.description.read_text()
        assert ("Calls mark" in text) == (item.outliers is not None)

    def test_references_link_to_their_doi(self, item: Track):
        links: list[str] = []

        class Links(HTMLParser):
            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
                links.extend(str(value) for name, value in attrs if tag == "a" and name == "href")

        text = item.description.read_text()
        Links().feed(text)
        assert links
        for link in links:
            assert re.fullmatch(r"https://doi\.org/10\.\d{4,5}/\S+", link)
            assert f">{link.removeprefix('https://doi.org/')}</a>" in text


def test_track_finds_one_and_names_what_there_is():
    assert track("h12").label == "H12"
    with pytest.raises(RunError, match=r"no track draws the score 'h13'.*h12"):
        track("h13")


def test_tracks_gives_everybody_their_own_copy():
    tracks().clear()
    assert tracks()


def test_names_of_columns():
    assert track("pi").name() == "pi"
    assert track("pi").name(["GBR"]) == "pi GBR"
    assert track("pbs").name(["GBR", "TSI", "YRI"]) == "PBS GBR/TSI/YRI"


def test_a_sound_entry(tmp_path: Path):
    item = read_track(make_entry(tmp_path, GOOD))
    assert (item.score, item.colour, item.limits, item.symmetric) == ("pi", (0, 158, 115), None, False)
    assert item.outliers == catalogue.Outliers("low", 0.01, (0, 158, 115))
    fixed = read_track(make_entry(tmp_path / "b", GOOD.split("[outliers]")[0].replace('"data"', "[0, 1]")))
    assert (fixed.limits, fixed.outliers) == ((0.0, 1.0), None)
    assert read_track(make_entry(tmp_path / "c", GOOD.replace('"data"', '"symmetric"'))).symmetric


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('score = "pi"', 'score = "dxy"', "score must be the folder's name, 'pi'"),
        ('label = "pi"\n', "", "the field label is missing"),
        ('unit = "per bp"', 'unit = "per bp"\nwidth = 3', "unknown field width; there is baseline, "),
        ('label = "pi"', 'label = "a label too long by one"', "label must be 1-17 letters"),
        ('label = "pi"', 'label = ""', "label must be 1-17 letters"),
        ('label = "pi"', "label = 3", "label must be 1-17 letters"),
        ('label = "pi"', 'label = "p\\ti"', "label must be printable"),
        ("Nucleotide", 70 * "x", "title must be 1-75 letters"),
        ('unit = "per bp"', "unit = 3", "unit must be a text"),
        ('"diversity"', '"divers"', "group must be one of spectrum, "),
        ("order = 1", "order = -1", "order must be a whole number from 0 on"),
        ("order = 1", "order = 1.5", "order must be a whole number"),
        ("height = 50", "height = true", "height must be a whole number from 10 on"),
        ("visible = true", "visible = 1", "visible must be true or false"),
        ("baseline = 0", 'baseline = "0"', "baseline must be a number"),
        ('colour = "0,158,115"', 'colour = "0,158,300"', 'colour must be a colour such as "0,114,178"'),
        ('colour = "0,158,115"', 'colour = "#00ff00"', "colour must be a colour"),
        ('colour_negative = "0,158,115"', "colour_negative = [0, 1, 2]", "colour_negative must be a colour"),
        ('limits = "data"', 'limits = "auto"', 'limits must be "data", "symmetric" or'),
        ('limits = "data"', "limits = [1, 0]", "limits must be"),
        ('limits = "data"', "limits = [0, true]", "limits must be"),
        ('tail = "low"', 'tail = "left"', "outliers.tail must be one of low, high, both"),
        ("share = 0.01", "share = 0.5", "outliers.share must be a share between 0 and 0.5"),
        ("share = 0.01", "", "the field outliers.share is missing"),
        ('tail = "low"', 'tail = "probable"', "unknown field outliers.share; there is colour, tail"),
        ("share = 0.01", "share = 0.01\nbest = 1", "unknown field outliers.best"),
        ("height = 50", "height = ", "cannot be read"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, message: str):
    assert old in GOOD
    with pytest.raises(RunError, match=re.escape(message)) as caught:
        read_track(make_entry(tmp_path, GOOD.replace(old, new, 1)))
    assert str(tmp_path / "pi" / "track.toml") in str(caught.value)


def test_outliers_that_are_no_table(tmp_path: Path):
    text = GOOD.split("[outliers]")[0] + "outliers = 3\n"
    with pytest.raises(RunError, match="outliers must be a table"):
        read_track(make_entry(tmp_path, text))


def test_an_entry_without_its_page(tmp_path: Path):
    entry = make_entry(tmp_path, GOOD)
    (entry / "description.html").unlink()
    with pytest.raises(RunError, match=r"description\.html is missing"):
        read_track(entry)


def test_an_entry_in_another_encoding(tmp_path: Path):
    entry = make_entry(tmp_path, GOOD)
    (entry / "track.toml").write_bytes(GOOD.replace("Nucleotide", "Nükleotid").encode("latin-1"))
    with pytest.raises(RunError, match="cannot be read"):
        read_track(entry)


def test_the_catalogue_is_taken_from_the_package_first_and_only_with_its_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    package = tmp_path / "scanner"
    inside, beside = package / "tracks", tmp_path / "tracks"
    inside.mkdir(parents=True)
    beside.mkdir()
    monkeypatch.setattr(catalogue, "__file__", str(package / "catalogue.py"))
    with pytest.raises(RunError, match="the catalogue of tracks is neither in"):
        catalogue_folder("tracks")
    (beside / "catalogue.toml").touch()
    assert catalogue_folder("tracks") == beside
    (inside / "catalogue.toml").touch()
    assert catalogue_folder("tracks") == inside


@pytest.mark.parametrize("kind", ["tracks", "models"])
def test_both_catalogues_are_found(kind: str):
    assert (catalogue_folder(kind) / "catalogue.toml").is_file()
