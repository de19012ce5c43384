"""Prior probabilities of the classes that a network tells, as users give them.

A network learns from simulations of which every class has its share. On a genome, most windows are none of what is
looked for: with the prior that a user expects, probabilities mean what they say (Saerens et al. 2002,
10.1162/089976602753284446).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scanner.errors import UsageError
from scanner.network.spec import Spec

Float = NDArray[np.float64]

TOLERANCE = 1e-6
"""How far priors may be from summing to one."""


def read_priors(texts: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Read ``NAME=P`` texts.

    Raises
    ------
    UsageError
        For a text of another form, a name that comes twice, and a number that is no probability.

    Examples
    --------
    >>> read_priors(["sweep=0.01", "sweep_hard=0.002"])
    (('sweep', 0.01), ('sweep_hard', 0.002))
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise UsageError(f"--prior {text}: give a name and a probability from 0 to 1, as in sweep=0.01")
        if name in found:
            raise UsageError(f"--prior {name} is given twice")
        found[name] = value
    return tuple(found.items())


def names(spec: Spec) -> tuple[str, ...]:
    """List what a prior can be given for: the task, for all classes but the first together, and every class."""
    return (spec.task, *(item.name for item in spec.classes)) if spec.classes else ()


def resolve(spec: Spec, given: Mapping[str, float]) -> tuple[float, ...]:
    """Give the prior of every class.

    What the task is given belongs to all classes but the first. Classes that are not named divide what is left
    according to their shares in training.

    Parameters
    ----------
    spec
        The network's contract.
    given
        Probabilities by name, out of `names`; others are passed over.

    Returns
    -------
    One probability a class, summing to one; the shares in training where nothing is given.

    Raises
    ------
    UsageError
        Where they cannot sum to one.
    """
    shares = {item.name: item.share for item in spec.classes}
    _nothing, *others = shares
    known = {name: given[name] for name in shares if name in given}
    if spec.task in given:
        known |= _divided(spec, given[spec.task], {name: shares[name] for name in others}, known)
    known |= _divided(spec, 1.0, shares, known)
    return tuple(known[name] for name in shares)


def _divided(spec: Spec, total: float, shares: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    """Divide what is left of a total among the classes that have no prior yet."""
    free = {name: share for name, share in shares.items() if name not in known}
    left = total - sum(known[name] for name in shares if name in known)
    if left < -TOLERANCE or (not free and left > TOLERANCE):
        raise UsageError(
            f"--prior: the priors of {', '.join(shares)} sum to {total - left:g}, and must sum to {total:g} ({spec.id})"
        )
    whole = sum(free.values())
    return {name: max(left, 0.0) * share / whole for name, share in free.items()}
