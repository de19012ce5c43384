"""Shapes of the published networks that read alignments, as data.

Every convolution spans two sites. What a design fixes is the order of layers; how many filters and units they have may
be changed, so that a network can be trained on one core.

References
----------
Flagel, Brandvain & Schrider 2019, 10.1093/molbev/msy224.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Pool = Literal["none", "average", "maximum"]
Beside = Literal["none", "positions", "distances"]


@dataclass(frozen=True)
class Stage:
    """One convolution, and what follows it.

    Parameters
    ----------
    filters
        Of the convolution.
    pool
        How two sites are made one.
    dropout
        Share that is dropped after that; 0 for none.
    """

    filters: int
    pool: Pool = "none"
    dropout: float = 0.0


@dataclass(frozen=True)
class Dense:
    """One layer in which everything is joined with everything.

    Parameters
    ----------
    units
        Their number.
    dropout
        Share that is dropped after it; 0 for none.
    """

    units: int
    dropout: float = 0.0


@dataclass(frozen=True)
class Design:
    """One published network.

    Parameters
    ----------
    name
        Its name in `DESIGNS`.
    stages
        Convolutions along the sites.
    head
        Hidden layers before the output.
    beside
        What a second branch sees of the sites: their positions in the window, or the distances between them.
    branch
        The layer of that branch.
    ordered
        Haplotypes are sorted by similarity; else they stand as they came, population after population.
    decay
        Penalty on squared weights.
    """

    name: str
    stages: tuple[Stage, ...]
    head: tuple[Dense, ...]
    beside: Beside = "none"
    branch: Dense | None = None
    ordered: bool = True
    decay: float = 0.0

    @property
    def filters(self) -> tuple[int, ...]:
        """Filters of every convolution."""
        return tuple(stage.filters for stage in self.stages)

    @property
    def units(self) -> tuple[int, ...]:
        """Units of every hidden layer before the output."""
        return tuple(layer.units for layer in self.head)

    @property
    def shortest(self) -> int:
        """Fewest sites of which something is left after all convolutions.

        Examples
        --------
        >>> DESIGNS["tajimas_d"].shortest, DESIGNS["rho"].shortest
        (4, 8)
        """
        length = 1
        for stage in reversed(self.stages):
            length = length * (1 if stage.pool == "none" else 2) + 1
        return length

    def resized(self, filters: Sequence[int] | None = None, units: Sequence[int] | None = None) -> Design:
        """Give the same design with other numbers of filters and units; None leaves them.

        Raises
        ------
        ValueError
            For other numbers of layers than it has.

        Examples
        --------
        >>> DESIGNS["rho"].resized([128, 64, 64], [128]).filters
        (128, 64, 64)
        """
        wanted = self.filters if filters is None else tuple(filters)
        hidden = self.units if units is None else tuple(units)
        for what, found, expected in (("filters", wanted, self.filters), ("units", hidden, self.units)):
            if len(found) != len(expected):
                raise ValueError(f"{what} are those of {len(expected)} layers in the network {self.name}: {found}")
        return replace(
            self,
            stages=tuple(replace(stage, filters=size) for stage, size in zip(self.stages, wanted, strict=True)),
            head=tuple(replace(layer, units=size) for layer, size in zip(self.head, hidden, strict=True)),
        )


DESIGNS: Mapping[str, Design] = {
    design.name: design
    for design in (
        Design(
            "rho",
            (Stage(1250), Stage(256, "average", 0.25), Stage(256, "average", 0.25)),
            (Dense(256),),
            "positions",
            Dense(64, 0.1),
            decay=1e-4,
        ),
        Design(
            "sweeps",
            (
                Stage(256),
                *(Stage(256, "maximum", 0.2),) * 2,
                *(Stage(256, "average", 0.2),) * 2,
            ),
            (Dense(256, 0.25),),
            "positions",
            Dense(64, 0.1),
            decay=1e-4,
        ),
        Design(
            "introgression",
            (Stage(256), Stage(128, "average", 0.25), Stage(128, "average", 0.25)),
            (Dense(128, 0.5), Dense(128, 0.5)),
            ordered=False,
        ),
        Design(
            "demography",
            (Stage(128, "average"),) * 4,
            (Dense(256),),
            "distances",
            Dense(32),
        ),
        Design("tajimas_d", (Stage(128), Stage(128, "average", 0.1)), (Dense(128, 0.25),)),
    )
}
"""The published networks by name."""
