"""The baseline: gradient boosting of trees on classical summaries.

References
----------
Ke et al. 2017, LightGBM: a highly efficient gradient boosting decision tree (Advances in Neural Information
Processing Systems 30).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import UsageError

Float = NDArray[np.float64]
Single = NDArray[np.float32]

ROUNDS = 3000
"""Trees at most."""
PATIENCE = 60
"""Trees without a better validation error after which no more are grown."""
LEARNING_RATE = 0.05
HELD_OUT = 0.1
"""Share of the windows, at their end, that decides when to stop."""
SMALLEST = 100
"""Windows that there must be."""


@dataclass(frozen=True)
class Boosting:
    """Trees that were grown.

    Parameters
    ----------
    trees
        A ``lightgbm.Booster``.
    rounds
        Number of trees.
    """

    trees: Any
    rounds: int

    def predict(self, features: Single) -> Float:
        """Predict targets, (windows,), or probabilities of classes, (windows, classes).

        Parameters
        ----------
        features
            (windows, features), as those that it was fitted to.
        """
        return np.asarray(self.trees.predict(features, num_iteration=self.rounds), np.float64)


def require_lightgbm() -> None:
    """Make sure that LightGBM is installed, without loading it.

    Raises
    ------
    UsageError
        Where it is not.
    """
    if find_spec("lightgbm") is None:
        raise UsageError(
            "the baseline of gradient boosting needs LightGBM, which a plain install leaves out: "
            "pip install 'popscan[train]', or leave it out with --baselines none"
        )


def fit(features: Single, targets: Float, *, names: tuple[str, ...] = (), threads: int = 1, seed: int = 1) -> Boosting:
    """Grow trees until the windows that are held out are predicted no better.

    The same windows, threads and version of LightGBM give the same trees.

    Parameters
    ----------
    features
        (windows, features) float32; NaN where there is none.
    targets
        (windows,), on the scale on which errors are to be small; or (windows, classes), 1 for the true class. Windows
        of one simulation stand together.
    names
        What the features are called.
    threads
        Processors.
    seed
        Decides which features and windows a tree sees.

    Raises
    ------
    UsageError
        Where LightGBM is not installed, or the windows are too few.
    """
    require_lightgbm()
    if len(targets) < SMALLEST:
        raise UsageError(f"{len(targets)} windows are too few for gradient boosting: give {SMALLEST} at least")
    import lightgbm

    kept = len(targets) - max(1, round(HELD_OUT * len(targets)))
    goal: dict[str, Any] = {"objective": "regression", "metric": "rmse"}
    if targets.ndim == 2:
        goal = {"objective": "multiclass", "metric": "multi_logloss", "num_class": targets.shape[1]}
        targets = targets.argmax(axis=1)
    how = {
        **goal, "learning_rate": LEARNING_RATE, "num_leaves": 31,
        "min_data_in_leaf": 20, "bagging_fraction": 0.8, "bagging_freq": 1, "feature_fraction": 0.7, "lambda_l2": 1.0,
        "seed": seed, "num_threads": threads, "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    training = lightgbm.Dataset(
        features[:kept], targets[:kept], feature_name=list(names) if names else "auto", params=how
    )
    held_out = lightgbm.Dataset(features[kept:], targets[kept:], reference=training, params=how)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    trees = lightgbm.train(how, training, ROUNDS, valid_sets=[held_out], callbacks=[stop])
    return Boosting(trees, trees.best_iteration)
