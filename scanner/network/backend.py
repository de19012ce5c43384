"""Keras and the device it computes on, both asked for only when a network is used."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import scanner
from scanner.errors import UsageError
from scanner.network import BACKENDS, require_keras

Device = Literal["cpu", "gpu"]

DEVICES = ("auto", "cpu", "gpu")
BATCH_SITES = {"cpu": 2048, "gpu": 65536}
"""Sites that the trunk takes at a time: what fills a core's cache, or keeps a graphics card busy."""
CARDS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""One of these is there where there is a graphics card that can compute: NVIDIA's, in Windows' Linux, AMD's."""
SHARE = 0.5
"""Share of a card's free memory that the trunk may take."""


def load_keras() -> Any:
    """Import Keras with the backend that the user set, or else one that is installed; give the module.

    popscan's layers are then known to it.

    Raises
    ------
    UsageError
        Where Keras or a backend is not installed.
    """
    if "scanner.network.layers" in sys.modules:
        return sys.modules["keras"]
    require_keras()
    there = [name for name in BACKENDS if find_spec(name)]
    asked = os.environ.setdefault("KERAS_BACKEND", there[0])
    if asked not in there:
        raise UsageError(f"KERAS_BACKEND is '{asked}', and of what popscan can use there is {' and '.join(there)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every network after the first
    with contextlib.nullcontext() if "keras" in sys.modules else _hushed():
        import keras

        import_module("scanner.network.layers")
    return keras


def versions() -> dict[str, str]:
    """Name what a network is made with: popscan, Keras and its backend."""
    keras = load_keras()
    name = keras.backend.backend()
    return {
        "popscan": scanner.__version__,
        "keras": keras.__version__,
        "backend": f"{name} {sys.modules[name].__version__}",
    }


def choose_device(text: str = "auto", threads: int | None = None) -> Device:
    """Decide what networks compute on. It has no effect once something was computed.

    Parameters
    ----------
    text
        ``cpu``: graphics cards are not touched. ``gpu``: there must be one. ``auto``: one is used where there is one.
    threads
        Threads of this process that compute; as many as there are cores where None.

    Raises
    ------
    UsageError
        For another text, and where there is no GPU that the backend can use.
    """
    if text not in DEVICES:
        raise UsageError(f"--device {text}: choose one of {', '.join(DEVICES)}")
    # JAX would take most of the card's memory at once, from itself in the next process too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    name = load_keras().backend.backend()
    found = _tensorflow_cards(text, threads) if name == "tensorflow" else _jax_cards(text, threads)
    if text == "gpu" and not found:
        raise UsageError(
            f"--device gpu: {name} finds no GPU here: leave the option out, or install a build of {name} that can use "
            "the card (pip install 'popscan[gpu]')"
        )
    return "gpu" if found else "cpu"


def find_device(text: str) -> Device:
    """Decide what a scan computes on; Keras is loaded only where there may be a graphics card.

    Parameters
    ----------
    text
        See `choose_device`.

    Raises
    ------
    UsageError
        As there.
    """
    if text == "cpu" or (text == "auto" and not any(Path(card).exists() for card in CARDS)):
        return "cpu"
    return choose_device(text, threads=1)


def batch_sites(device: Device, site_bytes: int) -> int:
    """Choose how many sites the trunk takes at a time.

    Parameters
    ----------
    device
        What computes. Processors always take the same number, so that rounding is always the same; a graphics card
        takes fewer than its usual number where others have left it too little memory.
    site_bytes
        Memory that a site takes.
    """
    usual = BATCH_SITES[device]
    free = _free_on_card() if device == "gpu" else None
    if free is None:
        return usual
    fitting = max(1, int(free * SHARE / site_bytes))
    return max(BATCH_SITES["cpu"], min(usual, 1 << (fitting.bit_length() - 1)))


def evaluate(network: Any, inputs: Any) -> NDArray[np.float32]:
    """Compute the outputs of a network, or of a layer of it, for one batch.

    Parameters
    ----------
    network
        A ``keras.Model``.
    inputs
        Arrays in the structure that it takes.
    """
    if load_keras().backend.backend() == "tensorflow" and network.jit_compile:
        network.jit_compile = False  # here XLA is slower, to start with as well
    return np.asarray(network.predict_on_batch(inputs), np.float32)


def _tensorflow_cards(text: str, threads: int | None) -> bool:
    """Hide GPUs from TensorFlow, or let it use them but not take all their memory; tell whether it uses any."""
    config = import_module("tensorflow").config
    with contextlib.suppress(RuntimeError):  # too late: it has begun to compute
        if threads is not None:
            config.threading.set_intra_op_parallelism_threads(threads)
            config.threading.set_inter_op_parallelism_threads(1)
        if text == "cpu":
            config.set_visible_devices([], "GPU")
        for card in config.get_visible_devices("GPU"):
            config.experimental.set_memory_growth(card, True)
    return bool(config.get_visible_devices("GPU"))


def _jax_cards(text: str, threads: int | None) -> bool:
    """Keep JAX from GPUs, or not; tell whether it uses any."""
    jax = import_module("jax")
    if threads == 1:  # no other number can be set
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    if text == "cpu":
        jax.config.update("jax_platforms", "cpu")
    return any(device.platform == "gpu" for device in jax.devices())


def _free_on_card() -> int | None:
    """Give the free bytes of the fullest NVIDIA card that this process may use; None where nobody can tell."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    call = [
        "nvidia-smi",
        "--query-gpu=memory.free",
        "--format=csv,noheader,nounits",
        *(["--id", shown] if shown else []),
    ]
    try:
        done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=30)
        return min(int(line) for line in done.stdout.split()) * 2**20
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep back what is written to the error channel, unless something fails.

    TensorFlow's libraries greet everyone there while they are loaded, before they look at any setting.
    """
    with tempfile.TemporaryFile() as kept:
        channel = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(channel, kept.read())
            raise
        finally:
            os.dup2(channel, 2)
            os.close(channel)
