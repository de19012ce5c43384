"""How long a scan will take and how much memory, roughly, from its plan."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.networks import Group
from scanner.plan import Plan

START_SECONDS = 4.0
"""Imports and the start of worker processes."""
BASE_BYTES = 260_000_000
"""A process that has done nothing yet."""
RECORD_SECONDS = 6e-6
"""A record without its genotypes; this and the next were measured on one core of a server of 2024."""
HAPLOTYPE_SECONDS = 2.5e-8
"""Decoding, packing and all default statistics, a record and haplotype."""
SITE_SECONDS = 4e-9
"""Site scores, a record and haplotype, where about a twentieth of the records are common SNPs."""
MEMBER_SECONDS = 1.4e-6
"""A member of a network, a record and population, where about half of the records are used."""
CHANNEL_SECONDS = 1.5e-8
"""Its channels, a record and haplotype."""
PAIR_SECONDS = 5e-10
"""Comparing haplotypes of two populations, a record and pair of haplotypes counted twice."""
NETWORK_BYTES = 600_000_000
"""Keras with its backend, and a batch."""
NETWORK_START = 7.0
"""Keras and the network, loaded by every process."""


@dataclass(frozen=True)
class Estimate:
    """What a scan is expected to need.

    Parameters
    ----------
    records
        Records to read, those read twice counted twice.
    threads
        Processes.
    seconds
        Time.
    bytes_per_process
        Memory of each process.
    network_seconds
        Time that the networks take of it, on processors.
    """

    records: int
    threads: int
    seconds: float
    bytes_per_process: float
    network_seconds: float = 0.0


def estimate(plan: Plan, threads: int) -> Estimate:
    """Estimate time and memory: the order of magnitude, not a promise.

    Parameters
    ----------
    plan
        The scan.
    threads
        Processes that may be used.
    """
    haplotypes = sum(plan.probe.haplotypes.values())
    records = sum(part.records for part in plan.parts)
    used = max(1, min(threads, len(plan.parts)))
    each = RECORD_SECONDS + haplotypes * (HAPLOTYPE_SECONDS + (SITE_SECONDS if plan.site_scores else 0))
    largest = max((part.records for part in plan.parts), default=0)
    memory = BASE_BYTES + largest * (haplotypes / 8 * 6 + 200)
    networks = sum(
        len(network.spec.seeds) * MEMBER_SECONDS + _channel_seconds(group)
        for network, groups in zip(plan.networks.each, plan.networks.groups, strict=True)
        for group in groups
    )
    more = NETWORK_START + records * networks / used if plan.networks else 0.0
    if plan.networks:
        memory += NETWORK_BYTES
    return Estimate(records, used, START_SECONDS + records * each / used + more, memory, more)


def _channel_seconds(group: Group) -> float:
    """Estimate what the channels of a group cost, a record."""
    compared = group.size**2 * PAIR_SECONDS if len(group.draws) > 1 else 0.0
    return group.size * CHANNEL_SECONDS + compared
