"""Lines that were written beside what is said today: equal to the last bit, or which part speaks against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

import theracast
from theracast.checks import listed
from theracast.predict.file_parts import FRAME, FilePart
from theracast.predict.made_of import marks
from theracast.predict.stream_chunk import NOT_COMPUTED
from theracast.predict.verify_lines import Again

#: Parts that are not the patient's, and may change what is said of equal input.
OF_OURS = ("schema", "code", "tables", "libraries")


def compare_lines(
    written: pd.DataFrame,
    again: Again,
    shared: Sequence[str],
    changed: Sequence[FilePart],
    other: Sequence[str],
    *,
    told: bool = True,
) -> pd.DataFrame:
    """Say of every line whether it is the same.

    Parameters
    ----------
    written : DataFrame
        Lines of the file, indexed by their place (from 0).
    again : Again
        What is said of them today.
    shared : sequence of str
        The parts of then that enter the digest of each line.
    changed : sequence of FilePart
        Bytes of the file that are not those that were written.
    other : sequence of str
        Names of `OF_OURS` that are others than they were.
    told : bool, default True
        Whether the parts of then are known; otherwise another code cannot be told from another input.

    Returns
    -------
    DataFrame
        ``outcome`` and ``why``, indexed as `written`.

    Examples
    --------
    >>> line = pd.DataFrame({"probability": [0.4], "provenance": marks(["m"], ["00"])})
    >>> now = Again(pd.DataFrame({"probability": [0.5], "provenance": ""}), pd.Series(["00"]))
    >>> compare_lines(line, now, ["m"], [], []).why[0]
    'probability: of the same model, code and input'
    """
    now = again.table.reindex(written.index)
    there = written.index.isin(again.table.index)
    now["provenance"] = marks(shared, again.digests.reindex(written.index).fillna("").to_numpy())
    names = [c for c in written if c in now]
    apart = np.column_stack([~_equal(written[c], now[c]) for c in names])
    if "explanation" in names:
        apart[:, names.index("explanation")] &= (written["explanation"] != NOT_COMPUTED).to_numpy()
    of_input = names.index("provenance") if "provenance" in names else None
    known = of_input is not None and bool((there & ~apart[:, of_input]).any())
    ours = " and ".join(other)
    outcome, why = np.full(len(written), "same", dtype=object), np.full(len(written), "", dtype=object)
    for k in np.flatnonzero(~there | apart.any(axis=1)):
        line, outcome[k] = int(written.index[k]), "differs"
        wrong = [names[c] for c in np.flatnonzero(apart[k])]
        if line in again.refused:
            why[k] = f"the patient's input: it is refused now, {again.refused[line]}"
        elif not there[k] and (again.same or line in again.surplus):
            why[k] = "the scores file: the input has no row for this line"
        elif not there[k]:
            outcome[k], why[k] = "missing", "the patient's input: no row of this patient was given"
        elif all(_hit(changed, c, line) for c in wrong):
            why[k] = f"the scores file: {', '.join(wrong)} of row {line + 1:,} is not what was written"
        elif {"model_uri", "model_version"} & {*wrong}:
            why[k] = f"the model: the line says {_model_of(written.loc[line])}"
        elif "provenance" not in wrong:
            why[k] = f"{', '.join(wrong)}: of the same " + (
                f"model and input; another {ours}" if ours else "model, code and input"
            )
        elif again.same and told and not ours:
            why[k] = f"{', '.join(wrong)}: the digest of the line is not that of this model, code and input"
        else:
            why[k] = f"the patient's input is another{_named(again)}"
            if ours:
                why[k] += f", or what is read of it: another {ours}"
            elif not told and not known:
                why[k] += f", or the code: theracast {theracast.__version__} here"
    return pd.DataFrame({"outcome": outcome, "why": why}, index=written.index)


def _model_of(line: pd.Series) -> str:
    return f"{line.get('model_uri') or 'none'}, version {line.get('model_version') or 'none'}"


def _named(again: Again) -> str:
    return f": {listed(again.columns)} changed" if again.columns else ""


def _hit(changed: Sequence[FilePart], column: str, line: int) -> bool:
    """Say whether a cell may lie in changed bytes: those of the frame say where all others lie."""
    return any(p.column == FRAME or (p.column == column and p.rows[0] <= line + 1 <= p.rows[1]) for p in changed)


def _equal(written: pd.Series, now: pd.Series) -> np.ndarray:
    """Compare to the last bit; what is empty in both is equal."""
    if written.dtype.kind == "f" and now.dtype.kind == "f":
        a, b = (np.ascontiguousarray(s.to_numpy(dtype=np.float64)) for s in (written, now))
        bits: np.ndarray = (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))
        return bits
    a, b = (s.astype(object).where(s.notna(), "").to_numpy() for s in (written, now))
    same: np.ndarray = np.asarray(a == b, dtype=bool)
    return same
