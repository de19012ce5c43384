"""The registry of statistics: choosing them, their columns, and computing them."""

import numpy as np
import pytest

from scanner.errors import UsageError
from scanner.haplotypes import HaplotypeBlock, from_alleles
from scanner.regions import Region
from scanner.scores import Producer, Reason, column
from scanner.statistics import registry
from scanner.statistics.registry import ScoreColumn
from scanner.windows import sliding, spans

EXPECTED = [
    *("callable_bp", "callable", "sites", "missing", "pi", "theta_w", "tajimas_d", "theta_h", "fay_wu_h"),
    *("haplotypes", "h1", "h12", "h2_h1", "zns", "omega", "rmin", "mu"),
    *("fst", "dxy", "da", "pbs", "abba_d", "f_d", "f_dm", "rnd_min"),
    *("ihs", "nsl", "xpehh"),
]
TRIO = ("A", "B", "C")


def block_of(names=TRIO, size=8):
    """Make a block of random alleles, 30 sites over 3 kb."""
    rng = np.random.default_rng(8)
    populations = tuple(from_alleles(name, rng.integers(0, 2, (30, size), np.int8)) for name in names)
    positions = np.arange(30, dtype=np.int64) * 100 + 7
    return HaplotypeBlock(Region("1", 0, 3000), positions, np.ones(30, bool), populations)


def windows_of(block):
    """Lay three overlapping windows."""
    return spans(sliding(block.region, 2000, 500), block.positions)


def test_every_statistic_is_listed_once_in_the_tables_order():
    assert list(registry.statistic_names()) == EXPECTED
    assert list(registry.DEFAULT) == EXPECTED[:-3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, EXPECTED[:-3]),
        ("all", EXPECTED),
        ("none", []),
        ("fst,pi", ["pi", "fst"]),
        (" pi , ihs,pi", ["pi", "ihs"]),
    ],
)
def test_resolve(text, expected):
    assert list(registry.resolve(text)) == expected


@pytest.mark.parametrize("text", ["tajima_d", "pi,tajimasd", "pi,Tajimas_D"])
def test_resolve_suggests_a_close_name(text):
    with pytest.raises(UsageError, match=r"'.*': did you mean 'tajimas_d'\? there is all, none, .*rnd_min"):
        registry.resolve(text)


@pytest.mark.parametrize("text", ["", "pi,", "zzzzzz", "pi,all", "fst_num,none"])
def test_resolve_refuses_unknown_names(text):
    with pytest.raises(UsageError, match="no statistic '"):
        registry.resolve(text)


def test_default_groups():
    assert registry.default_pairs(["A"]) == ()
    assert len(registry.default_pairs("ABCDE")) == 10
    assert registry.default_pairs("ABCDEF") == ()
    assert registry.default_trios("ABC") == (("A", "B", "C"), ("B", "C", "A"), ("C", "A", "B"))
    assert registry.default_trios("AB") == registry.default_trios("ABCD") == ()
    assert registry.default_trios("ABC", [("A", "B")]) == registry.default_trios("ABC", []) == ()


def test_populations_for():
    pairs, trios = [("B", "A"), ["A", "C"], ("B", "A")], [("C", "B", "A")]
    assert registry.populations_for(0, TRIO, pairs, trios) == [()]
    assert registry.populations_for(1, TRIO, pairs, trios) == [("A",), ("B",), ("C",)]
    assert registry.populations_for(2, TRIO, pairs, trios) == [("B", "A"), ("A", "C")]
    assert registry.populations_for(3, TRIO, pairs, trios) == trios


@pytest.mark.parametrize(
    ("arity", "group", "message"),
    [
        (2, ("A", "D"), "'A:D': no population 'D'; there is A, B, C"),
        (3, ("A", "B", "X"), "'A:B:X': no population 'X'; there is A, B, C"),
        (2, ("A", "A"), "'A:A' names a population twice: give 2 different ones"),
        (3, ("A", "B", "A"), "'A:B:A' names a population twice: give 3 different ones"),
        (2, ("A", "B", "C"), "'A:B:C' names 3 populations: expected 2"),
        (3, ("A", "B"), "'A:B' names 2 populations: expected 3"),
    ],
)
def test_bad_groups_are_refused(arity, group, message):
    pairs, trios = ([group], []) if arity == 2 else ([], [group])
    with pytest.raises(UsageError, match=message):
        registry.populations_for(arity, TRIO, pairs, trios)


def test_columns_with_their_sums_and_extremes():
    found = registry.columns(registry.resolve("callable,pi,fst,f_d,xpehh,ihs"), TRIO, [("A", "B")], [TRIO])
    assert [entry.column for entry in found] == [
        "callable",
        *("pi.A", "pi.B", "pi.C"),
        *("fst.A.B", "fst_num.A.B", "fst_den.A.B"),
        *("f_d.A.B.C", "f_d_num.A.B.C", "f_d_den.A.B.C"),
        *("ihs.A", "ihs_max.A", "ihs.B", "ihs_max.B", "ihs.C", "ihs_max.C"),
        *("xpehh.A.B", "xpehh_max.A.B"),
    ]
    assert [entry.name for entry in found if not entry.auxiliary][4:] == ["fst", "f_d", "ihs", "ihs", "ihs", "xpehh"]


def test_a_single_unnamed_population_leaves_out_the_suffix():
    found = registry.columns(("callable", "pi", "fst", "nsl"), ["all samples"], [], [], suffix=False)
    assert found == [
        ScoreColumn("callable", ()),
        ScoreColumn("pi", ()),
        ScoreColumn("nsl", ()),
        ScoreColumn("nsl_max", (), auxiliary=True),
    ]
    with pytest.raises(ValueError, match="need the suffix"):
        registry.columns(("pi",), TRIO, [], [], suffix=False)


def test_compute_all_gives_the_columns_in_order():
    block = block_of()
    found = windows_of(block)
    pairs, trios = registry.default_pairs(TRIO), registry.default_trios(TRIO)
    made = registry.compute_all(block, found, registry.resolve("all"), pairs, trios)
    expected = [entry.column for entry in registry.columns(registry.DEFAULT, TRIO, pairs, trios)]
    assert list(made) == expected
    assert {len(score.values) for score in made.values()} == {len(found)}
    for score in made.values():
        np.testing.assert_array_equal(np.isnan(score.values), score.reasons != 0)
    assert made["fst.A.B"].values.tolist() == pytest.approx(
        (made["fst_num.A.B"].values / made["fst_den.A.B"].values).tolist()
    )
    single = registry.compute_all(block, found, ("fst", "pi"), [("A", "B")], [])
    assert list(single) == ["pi.A", "pi.B", "pi.C", "fst.A.B", "fst_num.A.B", "fst_den.A.B"]
    np.testing.assert_array_equal(single["fst.A.B"].values, made["fst.A.B"].values)


def test_compute_all_without_suffix():
    block = block_of(names=["everyone"])
    found = windows_of(block)
    named = registry.compute_all(block, found, ("callable", "pi", "ihs"), [], [])
    plain = registry.compute_all(block, found, ("callable", "pi", "ihs"), [], [], suffix=False)
    assert (list(named), list(plain)) == (["callable", "pi.everyone"], ["callable", "pi"])
    np.testing.assert_array_equal(plain["pi"].values, named["pi.everyone"].values)


def test_each_needed_producer_runs_once_a_group(monkeypatch):
    calls = []

    def compute(_, found, populations, wanted):
        calls.append((tuple(p.name for p in populations), wanted))
        return {name: column(np.zeros(len(found))) for name in wanted}

    producers = (Producer(("x", "y", "z"), 1, compute), Producer(("v",), 2, compute), Producer(("w",), 2, compute))
    monkeypatch.setattr(registry, "PRODUCERS", producers)
    block = block_of()
    made = registry.compute_all(block, windows_of(block), ("x", "z", "w"), [("C", "A")], [])
    assert list(made) == ["x.A", "x.B", "x.C", "z.A", "z.B", "z.C", "w.C.A"]
    assert calls == [*(((name,), {"x", "z"}) for name in TRIO), (("C", "A"), {"w"})]


def test_populations_with_too_few_haplotypes_have_no_values(monkeypatch):
    block = block_of(names=("A", "B"), size=2)
    found = windows_of(block)
    asked = [Producer(p.names, p.arity, p.compute, False, False, 4, p.auxiliary) for p in registry.PRODUCERS]
    monkeypatch.setattr(registry, "PRODUCERS", tuple(asked))
    made = registry.compute_all(block, found, ("callable", "pi", "fst"), [("A", "B")], [])
    assert list(made) == ["callable", "pi.A", "pi.B", "fst.A.B", "fst_num.A.B", "fst_den.A.B"]
    assert (made["callable"].reasons == Reason.VALUE).all()
    for name in list(made)[1:]:
        assert (made[name].reasons == Reason.MISSING_DATA).all()
