"""Priors: what is drawn lies where it should, and what makes no sense is refused."""

from __future__ import annotations

import math
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.simulate.priors import Prior, read_prior

NUMBERS = st.floats(min_value=1e-12, max_value=1e12)
PRIORS = st.one_of(
    st.tuples(
        st.sampled_from(["uniform", "log_uniform", "inverse_uniform", "exponential"]),
        st.tuples(NUMBERS, NUMBERS).map(lambda p: tuple(sorted(p))),
    ),
    st.tuples(st.just("choice"), st.lists(NUMBERS, min_size=1, max_size=5).map(tuple)),
).map(lambda pair: Prior(*pair))


@given(PRIORS, st.integers(0, 2**32))
def test_draws_lie_within_the_range_and_depend_on_the_seed_alone(prior: Prior, seed: int) -> None:
    drawn = [prior.draw(np.random.default_rng(seed)) for _ in range(2)]
    low, high = prior.range
    assert drawn[0] == drawn[1]
    assert low <= drawn[0] <= high
    assert prior.kind != "choice" or drawn[0] in prior.values


@given(PRIORS)
def test_what_is_written_is_read_again(prior: Prior) -> None:
    assert read_prior(tomllib.loads(f"x = {prior.as_toml()}")["x"], "x") == prior


@pytest.mark.parametrize(
    ("prior", "scale"),
    [
        (Prior("uniform", (2.0, 10.0)), lambda x: (x - 2) / 8),
        (Prior("log_uniform", (1e-9, 1e-5)), lambda x: (math.log10(x) + 9) / 4),
        (Prior("inverse_uniform", (2.0, 10.0)), lambda x: (1 / 2 - 1 / x) / (1 / 2 - 1 / 10)),
        (Prior("exponential", (1e-8, 3e-8)), lambda x: (1 - math.exp(-x / 1e-8)) / (1 - math.exp(-3))),
    ],
    ids=["uniform", "log_uniform", "inverse_uniform", "exponential"],
)
def test_draws_are_spread_evenly_on_their_scale(prior: Prior, scale: object) -> None:
    rng = np.random.default_rng(1)
    assert callable(scale)
    places = np.array([scale(prior.draw(rng)) for _ in range(4000)])
    counts = np.histogram(places, bins=10, range=(0, 1))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi squared with 9 degrees of freedom, p = 0.001


def test_choices_are_equally_likely() -> None:
    rng = np.random.default_rng(1)
    drawn = [Prior("choice", (1.0, 1.0, 5.0)).draw(rng) for _ in range(3000)]
    assert drawn.count(1.0) == pytest.approx(2000, abs=110)


def test_a_plain_number_is_a_prior() -> None:
    assert read_prior(3, "x").draw(np.random.default_rng(1)) == 3.0


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            "much",
            "x must be a number or one of { uniform = [...] }, { log_uniform = [...] }, "
            "{ inverse_uniform = [...] }, { exponential = [...] }, { choice = [...] }, not 'much'",
        ),
        (True, "x must be a number or one of"),
        (math.nan, "x must be a number or one of"),
        (math.inf, "x must be a number or one of"),
        (10**400, "x must be a number or one of"),
        ({}, "x must be a number or one of"),
        ({"normal": [0, 1]}, "x must be a number or one of"),
        ({"uniform": [0, 1], "choice": [1]}, "x must be a number or one of"),
        ({"uniform": 3}, "x: uniform takes a list of numbers, not 3"),
        ({"choice": []}, "x: choice takes a list of numbers, not []"),
        ({"choice": [1, "a"]}, "x: choice takes a list of numbers, not [1, 'a']"),
        ({"uniform": [1, 2, 3]}, "x: uniform takes [smallest, largest], not [1, 2, 3]"),
        ({"log_uniform": [2, 1]}, "x: log_uniform takes [smallest, largest], not [2, 1]"),
        ({"log_uniform": [0, 1]}, "x: log_uniform takes bounds above 0, not [0, 1]"),
        ({"exponential": [2, 1]}, "x: exponential takes [mean, cap], the mean no larger, not [2, 1]"),
        ({"exponential": [0, 1]}, "x: exponential takes a mean and a cap above 0, not [0, 1]"),
        (-1, "x must lie between 0 and 10, not [-1]"),
        ({"choice": [1, 11]}, "x must lie between 0 and 10, not [1, 11]"),
    ],
)
def test_anything_else_is_refused(value: object, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        read_prior(value, "x", high=10)
    assert str(caught.value).startswith(sentence)


def test_a_bound_on_one_side_is_said_as_such() -> None:
    with pytest.raises(InputError, match=r"^x must be at least 2, not \[1\]$"):
        read_prior(1, "x", low=2)
