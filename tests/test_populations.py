"""Who belongs to which population."""

from __future__ import annotations

import pytest

from scanner.errors import InputError, UsageError
from scanner.populations import ALL, Selection, select

HEADER = ["s0", "s1", "s2", "s3", "two words"]


@pytest.fixture
def choose(tmp_path):
    """Give a function that writes the two files (text or bytes) and selects."""

    def run(populations=None, samples=None, header=HEADER):
        paths = []
        for name, content in (("pops.tsv", populations), ("samples.txt", samples)):
            if content is not None:
                (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
            paths.append(None if content is None else tmp_path / name)
        return select(header, *paths)

    return run


def test_without_files_all_samples_are_one_population(choose):
    selection = choose()
    assert selection == Selection({ALL: (0, 1, 2, 3, 4)}, named=False)
    assert (selection.sizes, selection.samples) == ({ALL: 5}, (0, 1, 2, 3, 4))


@pytest.mark.parametrize(
    "text",
    [
        "s2\tA\ns0\tB\ns1\tA\n",
        "s2 A\ns0   B\ns1 A",
        "s2\tA\r\ns0\tB\r\ns1\tA\r\n",
        "\ufeffs2\tA\ns0\tB\ns1\tA\n",
        "# made by hand\n\ns2\tA\n  # more\ns0\tB\n   \n\ns1\tA\n\n",
        "sample\tpop\ns2\tA\ns0\tB\ns1\tA\n",
        "Sample_ID population\ns2 A\ns0 B\ns1 A\n",
        "\ufeffsample\tpop\tsuper_pop\tgender\r\ns2\tA\tX\tmale\r\ns0\tB\t\t\r\ns1\tA\tX\tfemale\r\n",
        "s2 \t A\ns0\tB \ns1\tA\n",
        "IID\tPOP\n#s3\tC\ns2\tA\ns0\tB\ns1\tA\n",
    ],
)
def test_the_ways_to_write_a_population_file(choose, text):
    assert choose(text) == Selection({"A": (2, 1), "B": (0,)}, named=True)


def test_populations_and_samples_keep_the_order_of_the_file(choose):
    selection = choose("s3\tZ\ns1\tA\ns0\tZ\n")
    assert list(selection.populations.items()) == [("Z", (3, 0)), ("A", (1,))]
    assert (selection.sizes, selection.samples) == ({"Z": 2, "A": 1}, (3, 0, 1))


def test_a_sample_name_with_a_space_needs_a_tab(choose):
    assert choose("two words\tA\ns0\tB\n").populations == {"A": (4,), "B": (0,)}
    with pytest.raises(InputError, match=r"names 1 sample\(s\) that the VCF has not: two; the VCF has s0, s1, s2 and"):
        choose("two words A\n")


def test_a_sample_that_is_called_like_a_heading(choose):
    assert choose("sample\tA\ns0\tB\n", header=["s0", "sample"]).populations == {"A": (1,), "B": (0,)}
    assert choose(samples="sample\n", header=["s0", "sample"]).populations == {ALL: (1,)}


@pytest.mark.parametrize(
    "text", ["s3\ns0\ntwo words\n", "sample\r\ns3\r\n\r\n# no\r\ns0\textra\r\ntwo words\r\n", " s3\ns0 \ntwo words"]
)
def test_a_samples_file_limits_to_samples_in_the_headers_order(choose, text):
    assert choose(samples=text) == Selection({ALL: (0, 3, 4)}, named=False)


def test_both_files_take_what_is_in_both(choose):
    text = "s2\tA\ns0\tB\ns1\tA\ntwo words\tC\n"
    assert choose(text, "s3\ns1\ns0\n").populations == {"A": (1,), "B": (0,)}
    with pytest.raises(InputError, match=r"pops.tsv and .*samples.txt have no sample in common"):
        choose(text, "s3\n")


@pytest.mark.parametrize("population", ["A B", "A.B", "A:B", "A/B", "é", "A*"])
def test_a_population_must_fit_into_names(choose, population):
    with pytest.raises(InputError, match=r"of sample s0 has a character that column and file names cannot hold"):
        choose(f"s0\t{population}\n")


def test_signs_that_a_population_may_have(choose):
    assert list(choose("s0\tA_1-b+\n").populations) == ["A_1-b+"]


@pytest.mark.parametrize(
    ("populations", "samples", "message"),
    [
        ("s0\tA\nx1\tA\nx2\tB\n", None, r"pops.tsv names 2 sample\(s\) that the VCF has not: x1, x2"),
        (None, "s0\nx1\n", r"samples.txt names 1 sample\(s\) that the VCF has not: x1"),
        ("s0\tA\ns1\tA\ns0\tB\n", None, r"pops.tsv names s0 more than once"),
        (None, "s1\ns1\ns1\n", r"samples.txt names s1, s1 more than once"),
        ("", None, r"pops.tsv names no sample"),
        ("# nobody\n\n", None, r"pops.tsv names no sample"),
        ("sample\tpop\n", None, r"pops.tsv names no sample"),
        (None, "", r"samples.txt names no sample"),
        ("s0\tA\ns1\n", None, r"line 2: expected 2 columns \(sample, population\), found 's1'"),
        ("s0\tA\n\ns1\t\n", None, r"line 3: expected 2 columns"),
        (None, "\tA\n", r"line 1: expected a sample, found"),
        (b"s\xff\tA\n", None, r"pops.tsv cannot be read as text"),
    ],
)
def test_faults_are_named(choose, populations, samples, message):
    with pytest.raises(InputError, match=message):
        choose(populations, samples)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"pops: no such file"):
        select(HEADER, tmp_path / "pops", None)
    with pytest.raises(UsageError, match=r"some: no such file"):
        select(HEADER, None, tmp_path / "some")
    with pytest.raises(InputError, match=r"cannot be read as text"):
        select(HEADER, tmp_path, None)
