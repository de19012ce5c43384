"""The networks of the catalogue. Keras is looked for only when a network is asked for."""

from __future__ import annotations

from importlib.util import find_spec

from scanner.catalogue import catalogue_folder
from scanner.errors import UsageError

BACKENDS = ("tensorflow", "jax")


def names() -> tuple[str, ...]:
    """Name the networks of the catalogue, in alphabetical order."""
    return tuple(sorted(entry.parent.name for entry in catalogue_folder("models").glob("*/spec.toml")))


def resolve(text: str) -> tuple[str, ...]:
    """Read a choice of networks: ``all``, ``none``, or names joined by commas.

    Raises
    ------
    UsageError
        Where Keras and a backend are not installed, or a network is not in the catalogue.

    Examples
    --------
    >>> resolve("none")
    ()
    """
    if text == "none":
        return ()
    if find_spec("keras") is None or not any(find_spec(backend) for backend in BACKENDS):
        raise UsageError(
            "networks need Keras and a backend, which a plain install leaves out: "
            "pip install 'popscan[cpu]' (or 'popscan[gpu]', 'popscan[jax]')"
        )
    known = names()
    chosen = known if text == "all" else tuple(name.strip() for name in text.split(","))
    for name in chosen:
        if name not in known:
            raise UsageError(f"no network '{name}' in the catalogue: there is {', '.join(known) or 'none yet'}")
    return chosen
