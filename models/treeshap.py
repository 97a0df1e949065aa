"""Exact explanations of xgboost models, many times faster than xgboost's own: compiled once, stored as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import xgboost as xgb
from scipy.special import logit

from theracast.errors import DataError, ModelError
from theracast.kernels.treeshap_program import DEEPEST, shap_program

_FORMAT = 2
#: Numbers per step, and what each field holds.
_STEP = 10
_FIELDS = {"columns": np.int64, "code": np.int32, "number": np.float64, "bias": np.float64, "names": np.str_}
#: How an objective turns the stored base score into a margin; the others keep it.
_LINKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **dict.fromkeys(("binary:logistic", "reg:logistic"), logit),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), np.log),
}


@dataclass(frozen=True, eq=False)
class TreeTables:
    """Trees of an xgboost model, compiled for path-dependent TreeSHAP (DOI 10.1038/s42256-019-0138-9).

    Equals ``Booster.predict(pred_contribs=True)``, but in float64: contributions add up to the margin.

    Attributes
    ----------
    columns : ndarray of int64
        Features that the trees split on.
    code, number : ndarray
        The compiled trees, from `theracast.kernels.treeshap_program.shap_program`.
    bias : ndarray of float64, shape (n_outputs,)
        Mean margin of each output: base score and the trees' means by cover.
    names : ndarray of str, shape (n_features,)
        Of the features; empty strings where the model does not know them.

    Examples
    --------
    >>> X, y = np.arange(40.0).reshape(20, 2), np.arange(20) > 9
    >>> booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, xgb.DMatrix(X, label=y), 3)
    >>> shares = TreeTables.from_booster(booster).contributions(X)
    >>> margin = booster.predict(xgb.DMatrix(X), output_margin=True)
    >>> shares.shape, bool(np.allclose(shares.sum(axis=1), margin, atol=1e-6))
    ((20, 3), True)
    """

    columns: np.ndarray
    code: np.ndarray
    number: np.ndarray
    bias: np.ndarray
    names: np.ndarray

    @classmethod
    def from_booster(cls, booster: xgb.Booster, iteration_range: tuple[int, int] | None = None) -> Self:
        """Compile a trained model.

        Parameters
        ----------
        booster : Booster
            Of trees with numeric splits, one output per tree.
        iteration_range : tuple of int, optional
            First round and the one after the last, as in ``Booster.predict``; (0, 0) is all. By default up to the
            best iteration where training stopped early (as the scikit-learn interface predicts), otherwise all.

        Returns
        -------
        TreeTables
            Checked against the model's own margin of a row where everything is missing.

        Raises
        ------
        ModelError
            The model has categorical splits, dropped trees (dart), no trees (gblinear) or vectors in its leaves.

        Examples
        --------
        >>> booster = xgb.train({"base_score": 2.0}, xgb.DMatrix(np.zeros((4, 2)), label=np.zeros(4)), 0)
        >>> TreeTables.from_booster(booster).contributions(np.zeros((1, 2)))
        array([[0., 0., 2.]])
        """
        learner = json.loads(bytes(booster.save_raw("json")).decode())["learner"]
        kind, shape = learner["gradient_booster"]["name"], learner["learner_model_param"]
        if kind != "gbtree":
            raise _refused(f"booster {kind}")
        model = learner["gradient_booster"]["model"]
        if iteration_range is None:
            best = booster.attr("best_iteration")
            iteration_range = (0, 0 if best is None else int(best) + 1)
        rounds = model["iteration_indptr"]
        first, last = iteration_range[0], iteration_range[1] or len(rounds) - 1
        if not 0 <= first <= last < len(rounds):
            raise ModelError("no such rounds", got=f"{first} to {last}", wanted=f"within 0 to {len(rounds) - 1}")
        chosen = slice(rounds[first], rounds[last])
        nodes, roots = _nodes(model["trees"][chosen])
        columns, nodes["feature"] = np.unique(nodes["feature"], return_inverse=True)
        groups = np.asarray(model["tree_info"][chosen], dtype=np.int64)
        kinds = {k: nodes[k].astype(t) for k, t in _KINDS.items()}
        code, number, means = shap_program(**kinds, roots=roots, groups=groups)
        bias = _base(shape["base_score"], learner["objective"]["name"])
        outputs = max(int(shape["num_class"]), int(shape["num_target"]), 1)
        bias = np.broadcast_to(bias, outputs) + np.bincount(groups, weights=means, minlength=outputs)
        width = int(shape["num_feature"])
        names = np.asarray(booster.feature_names or [""] * width, dtype=np.str_)
        tables = cls(columns.astype(np.int64), code, number, bias, names)
        nothing = np.full((1, width), np.nan, dtype=np.float32)
        wanted = booster.predict(
            xgb.DMatrix(nothing), output_margin=True, iteration_range=(first, last), validate_features=False
        )
        found = tables.contributions(nothing).sum(axis=-1).ravel()
        if not np.allclose(found, np.ravel(wanted), rtol=1e-4, atol=1e-4):
            raise _refused("a margin that differs from its trees' sum")
        return tables

    def contributions(self, X: np.ndarray | pd.DataFrame) -> np.ndarray:
        """Split the margin of each row into one contribution per feature.

        Parameters
        ----------
        X : ndarray or DataFrame, shape (n_rows, n_features)
            NaN where missing; compared as float32, as xgboost does.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_features + 1) or (n_rows, n_outputs, n_features + 1)
            Margin units; the last column is the bias. The sum is the margin, a base margin apart.

        Raises
        ------
        DataError
            The columns are not those of the model.

        Examples
        --------
        >>> booster = xgb.train({"base_score": 2.0}, xgb.DMatrix(np.zeros((4, 2)), label=np.zeros(4)), 0)
        >>> TreeTables.from_booster(booster).contributions(np.full((2, 2), np.nan)).shape
        (2, 3)
        """
        from theracast.kernels.treeshap import shap_values  # numba takes .3 s, and a score needs no shares

        shares = shap_values(self._values(X), self.columns, self.code, self.number, self.bias)
        return shares[:, 0] if self.bias.size == 1 else shares

    def interactions(self, X: np.ndarray | pd.DataFrame, only_used: bool = False) -> np.ndarray:
        """Split the contributions of each row into what features do alone and what each pair does together.

        Equals ``Booster.predict(pred_interactions=True)``, but in float64.

        Parameters
        ----------
        X : ndarray or DataFrame, shape (n_rows, n_features)
            NaN where missing; compared as float32, as xgboost does.
        only_used : bool
            Leave out the features that no tree splits on, whose cells are 0; `columns` says which remain. The result
            takes 8 (n_features + 1)^2 bytes per row and output: 1.6 GB for 5,000 rows of 200 features.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_features + 1, n_features + 1), with outputs as in `contributions`
            Margin units, symmetric; a pair's effect is halved onto both sides. Each matrix row sums to the feature's
            contribution; the last cell is the bias.

        Raises
        ------
        DataError
            The columns are not those of the model.

        Examples
        --------
        >>> X = np.arange(40.0).reshape(20, 2) % 7
        >>> booster = xgb.train({"nthread": 1}, xgb.DMatrix(X, label=X[:, 0] * X[:, 1]), 3)
        >>> tables = TreeTables.from_booster(booster)
        >>> pairs = tables.interactions(X)
        >>> pairs.shape, bool(np.allclose(pairs.sum(axis=2), tables.contributions(X)))
        ((20, 3, 3), True)
        """
        values, columns = self._values(X), self.columns
        if only_used:
            values, columns = np.take(values, columns, axis=1), np.arange(columns.size)
        from theracast.kernels.treeshap_pairs import shap_interactions

        pairs = shap_interactions(values, columns, self.code, self.number, self.bias)
        return pairs[:, 0] if self.bias.size == 1 else pairs

    def _values(self, X: np.ndarray | pd.DataFrame) -> np.ndarray:
        """Check the columns and return the numbers as xgboost compares them."""
        if isinstance(X, pd.DataFrame) and self.names.any() and list(X.columns) != self.names.tolist():
            raise DataError("the columns are not the model's", fix="Give the model's features in its order.")
        with np.errstate(over="ignore"):  # beyond float32 is infinite there too
            values = np.array(X, dtype=np.float32, order="C")  # one layout: one compilation
        if values.ndim != 2 or values.shape[1] != self.names.size:
            raise DataError("wrong shape", got=str(values.shape), wanted=f"(rows, {self.names.size})")
        return values

    def state(self) -> dict[str, Any]:
        """Return the tables as numbers and texts.

        Returns
        -------
        dict
            JSON-ready; `from_state` reads it back to the bit.

        Examples
        --------
        >>> booster = xgb.train({}, xgb.DMatrix(np.zeros((4, 2)), label=np.zeros(4)), 1)
        >>> sorted(TreeTables.from_booster(booster).state())
        ['bias', 'code', 'columns', 'names', 'number']
        """
        return {name: array.tolist() for name, array in vars(self).items()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Rebuild tables, refusing steps that no model gives: kernels check nothing.

        Parameters
        ----------
        state : dict
            From `state`; arrays will do as well as lists.

        Returns
        -------
        TreeTables
            Gives the same numbers.

        Raises
        ------
        ModelError
            Something is missing, of another shape, or points outside the tables.

        Examples
        --------
        >>> booster = xgb.train({}, xgb.DMatrix(np.zeros((4, 2)), label=np.zeros(4)), 1)
        >>> TreeTables.from_state(TreeTables.from_booster(booster).state()).contributions(np.zeros((1, 2))).shape
        (1, 3)
        """
        try:
            arrays = {name: np.array(state[name], dtype=kind) for name, kind in _FIELDS.items()}
            # lists without a row do not say how wide it would be
            arrays["code"] = arrays["code"].reshape(-1, _STEP)
            steps, width = len(arrays["code"]), -1 if arrays["number"].size else 7
            arrays["number"] = arrays["number"].reshape(steps, width)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise ModelError("not tree tables", got=f"{type(error).__name__} in a field") from None
        tables = cls(**arrays)
        if not tables._sound():
            raise ModelError("tree tables that no model gives", fix="Fetch the model anew; it was changed or cut.")
        return tables

    def _sound(self) -> bool:
        """Say whether every step reads and writes inside the tables."""
        if self.columns.ndim != 1 or self.bias.ndim != 1 or self.names.ndim != 1 or self.number.shape[1] % 6 != 1:
            return False
        depth = int(self.code[:, 1].max(initial=0))
        bounds = (3, DEEPEST, *[2 * depth + 4] * 3, self.columns.size, 2, self.number.shape[1] // 6 + 1, self.bias.size)
        most = np.array([*bounds, len(self.code)])
        inside = (self.code >= 0).all() and (self.code < most).all()
        return bool(inside and (self.columns >= 0).all() and (self.columns < self.names.size).all())

    def save(self, path: str | Path) -> None:
        """Write the tables as plain arrays.

        Parameters
        ----------
        path : str or Path
            A file; it is named as given.

        Examples
        --------
        >>> import tempfile
        >>> booster = xgb.train({}, xgb.DMatrix(np.zeros((4, 2)), label=np.zeros(4)), 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     TreeTables.from_booster(booster).save(folder + "/tables.npz")
        ...     TreeTables.load(folder + "/tables.npz").bias.size
        1
        """
        with Path(path).open("wb") as file:
            np.savez_compressed(file, format=np.int64(_FORMAT), **vars(self))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read tables back; nothing is unpickled.

        Parameters
        ----------
        path : str or Path
            Written by `save`.

        Returns
        -------
        TreeTables
            Gives the same numbers.

        Raises
        ------
        ModelError
            The file is of another kind or format.

        Examples
        --------
        >>> import tempfile
        >>> booster = xgb.train({}, xgb.DMatrix(np.zeros((4, 2)), label=np.zeros(4)), 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     TreeTables.from_booster(booster).save(folder + "/tables.npz")
        ...     TreeTables.load(folder + "/tables.npz").code.shape
        (0, 10)
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                if int(arrays["format"]) != _FORMAT:
                    raise ModelError("tables of another format", got=str(int(arrays["format"])), wanted=str(_FORMAT))
                return cls.from_state(dict(arrays))
        except (KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise ModelError("not a file of tree tables", where=Path(path).name) from error


_KINDS: dict[str, Any] = {
    **dict.fromkeys(("left", "right", "feature"), np.int32),
    **{"threshold": np.float64, "missing_left": np.int32, "cover": np.float64, "value": np.float64},
}


def _nodes(trees: list[dict[str, Any]]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Lay all trees' nodes one after another and say where each tree begins."""
    if any(tree["categories"] or any(tree["split_type"]) for tree in trees):
        raise _refused("categorical splits")
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
        raise _refused("a vector in each leaf (multi_output_tree)")
    sizes = np.array([0, *(len(tree["left_children"]) for tree in trees)], dtype=np.int64)
    starts = np.cumsum(sizes)

    def every(name: str, kind: Any) -> np.ndarray:
        parts = [np.asarray(tree[name], dtype=kind) for tree in trees]
        return np.concatenate([np.zeros(0, kind), *parts])

    left, right = every("left_children", np.int64), every("right_children", np.int64)
    leaf, shift = left < 0, np.repeat(starts[:-1], sizes[1:])
    # thresholds and leaf values share a place; decimal text stands for float32
    value = every("split_conditions", np.float32).astype(np.float64)
    nodes = {
        "left": np.where(leaf, -1, left + shift),
        "right": np.where(leaf, -1, right + shift),
        "feature": every("split_indices", np.int64),
        "threshold": value,
        "missing_left": every("default_left", np.int64),
        "cover": every("sum_hessian", np.float32).astype(np.float64),
        "value": value,
    }
    level, depth = starts[:-1], 0
    while level.size:
        level = np.concatenate([nodes["left"][level], nodes["right"][level]])
        level, depth = level[level >= 0], depth + 1
    if depth > DEEPEST + 1:
        raise _refused(f"trees of depth {depth - 1}; the limit is {DEEPEST}")
    return nodes, starts[:-1]


def _base(text: str, objective: str) -> np.ndarray:
    """Return the base score as margins; stored as '5E-1', '[5E-1]' or one number per output."""
    stored = np.array([np.float32(part) for part in text.strip("[]").split(",")], dtype=np.float64)
    return np.asarray(_LINKS.get(objective, lambda score: score)(stored))


def _refused(what: str) -> ModelError:
    return ModelError(f"no tables for a model with {what}", fix="Use Booster.predict(pred_contribs=True).")
