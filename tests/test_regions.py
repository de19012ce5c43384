"""Intervals and what users write for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import UsageError
from scanner.regions import Region, match_contig, parse_region, parse_size, shortlist

LENGTHS = {"chr1": 1_000, "2": 500, "chrM": 50, "HLA-A*01:01": 80, "HLA-A*01:01:10": 70, "NC_000003.12": 300}
ALIASES = {"chr3": "3", "NC_000003.12": "3", "3": "3"}


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5)])
def test_a_region_holds_at_least_a_base(start, end):
    with pytest.raises(ValueError, match=r"empty or negative interval 1:"):
        Region("1", start, end)


@given(start=st.integers(0, 10**9), length=st.integers(1, 10**9))
def test_the_text_of_a_region_reads_back(start, length):
    region = Region("a:b-c", start, start + length)
    assert len(region) == length
    assert parse_region(str(region), {"a:b-c": start + length, "a": 7}) == region


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5000", 5000),
        ("1", 1),
        ("100kb", 100_000),
        ("100KB", 100_000),
        ("10k", 10_000),
        ("1.5Mb", 1_500_000),
        ("0.001mb", 1_000),
        ("2M", 2_000_000),
        ("1g", 10**9),
        ("1Gb", 10**9),
        ("12bp", 12),
        ("100,000", 100_000),
        ("1,000,000bp", 1_000_000),
        ("1_000kb", 1_000_000),
        (" 7 ", 7),
        ("1.1kb", 1_100),
        ("0.1kb", 100),
        ("2.3Mb", 2_300_000),
    ],
)
def test_parse_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "0",
            "0kb",
            "-5",
            "kb",
            "1.5",
            "0.5",
            "1.0001kb",
            "5 000",
            "1e6",
            "ten",
            "5b",
            "5kbp",
            "1.",
            ".5kb",
            "inf",
        ),
        *("1,5Mb", "1,5", "10,00", "1,0000", ",100", "1,000,00", "1_0"),  # a comma that sets thousands apart, or none
    ],
)
def test_parse_size_refuses(text):
    with pytest.raises(UsageError, match=r"is no length: give whole base pairs above 0"):
        parse_size(text)


@given(st.integers(1, 10**12))
def test_parse_size_takes_every_whole_number(size):
    assert parse_size(str(size)) == parse_size(f"{size:,}") == size


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("chr1", Region("chr1", 0, 1_000)),
        (" chr1 ", Region("chr1", 0, 1_000)),
        ("1", Region("chr1", 0, 1_000)),
        ("chr2", Region("2", 0, 500)),
        ("MT", Region("chrM", 0, 50)),
        ("chr3", Region("NC_000003.12", 0, 300)),
        ("3:10-20", Region("NC_000003.12", 9, 20)),
        ("chr1:1-1", Region("chr1", 0, 1)),
        ("chr1:101", Region("chr1", 100, 1_000)),
        ("chr1:1,000-1,000", Region("chr1", 999, 1_000)),
        ("chr1:1-1000", Region("chr1", 0, 1_000)),
        ("HLA-A*01:01", Region("HLA-A*01:01", 0, 80)),
        ("HLA-A*01:01:10", Region("HLA-A*01:01:10", 0, 70)),  # a contig of this name comes before a position
        ("HLA-A*01:01:11", Region("HLA-A*01:01", 10, 80)),
        ("HLA-A*01:01:10:5-6", Region("HLA-A*01:01:10", 4, 6)),
    ],
)
def test_parse_region(text, region):
    assert parse_region(text, LENGTHS, ALIASES) == region


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr9", r"no contig 'chr9' here; there is chr1, 2, chrM"),
        ("chr9:1-5", r"no contig 'chr9' here"),
        (":1-5", r"no contig ':1-5' here"),
        ("", r"no contig '' here"),
        ("chr1:", r"expected chr1:START-END"),
        ("chr1:a-b", r"expected chr1:START-END"),
        ("chr1:5-", r"expected chr1:START-END"),
        ("chr1:-5", r"expected chr1:START-END"),
        ("chr1:5-6-7", r"expected chr1:START-END"),
        ("chr1:1.5-7", r"expected chr1:START-END"),
        ("chr1:0-10", r"START must be at least 1"),
        ("chr1:10-9", r"END at least START"),
        ("chr1:1-1001", r"ends past the end of chr1, which has 1,000 bp"),
        ("chr1:1001", r"END at least START"),
    ],
)
def test_parse_region_refuses(text, message):
    with pytest.raises(UsageError, match=message):
        parse_region(text, LENGTHS, ALIASES)


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("chr1", ["1", "chr1"], "chr1"),
        ("1", ["1", "chr1"], "1"),
        ("1", ["chr1"], "chr1"),
        ("chr1", ["1"], "1"),
        ("M", ["MT"], "MT"),
        ("chrM", ["MT"], "MT"),
        ("chrMT", ["M"], "M"),
        ("MT", ["chrMT"], "chrMT"),
        ("chr1", ["11", "chr11"], None),
        ("chrchr1", ["1"], None),
        ("X", [], None),
    ],
)
def test_match_contig(name, known, found):
    assert match_contig(name, known) == found


def test_match_contig_by_an_alias():
    assert match_contig("chr3", ["x", "NC_000003.12"], ALIASES) == "NC_000003.12"
    assert match_contig("chr4", ["NC_000003.12"], ALIASES) is None
    assert match_contig("chr3", ["x"], ALIASES) is None
    assert match_contig("3", ["3", "NC_000003.12"], ALIASES) == "3"


def test_shortlist():
    assert shortlist([]) == "none"
    assert shortlist([1, 2]) == "1, 2"
    assert shortlist("abcdef") == "a, b, c, d, e, f"
    assert shortlist("abcdefgh") == "a, b, c, d, e, f and 2 more"
