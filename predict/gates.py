"""Gates of a promotion: what a challenger must not be worse in than the champion.

Both were judged on whole cohorts that they had not seen, and the tables are kept with them
(`theracast.predict.kept`). A cohort is comparable when both were judged on the same bytes of it. A challenger fails

- where its AUC, on a cohort or in the random-effects mean, lies below the champion's interval;
- where the interval of its calibration slope lies outside the bounds, and the champion's does not;
- where its coverage lies too far below the level, and the champion's does not.

Cohorts of a few patients have an AUC interval of +-0.2: they decide nothing. For choices between therapies, the AUC of
each arm takes the place of the cohort's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from theracast.errors import UsageError
from theracast.models.validate import MODEL
from theracast.predict.kept import unpack_validation

Share = Annotated[float, Field(gt=0, lt=1)]


class Gates(BaseModel):
    """Settings of the gates; the defaults are those of ``experiments/gates.yaml``.

    Attributes
    ----------
    cohorts : tuple of str
        Cohorts that must be comparable and good enough; empty for all that are comparable.
    min_patients : int
        Smaller cohorts decide nothing, unless they are named.
    auc_margin : float
        How far below the champion's interval an AUC may lie.
    slope_low, slope_high : float
        Bounds of the calibration slope; 1 is right.
    coverage_level : float
        Coverage aimed at.
    coverage_errors : float
        How many standard errors below the level are borne.

    Examples
    --------
    >>> Gates().min_patients
    30
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    cohorts: tuple[str, ...] = ()
    min_patients: Annotated[int, Field(ge=1)] = 30
    auc_margin: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    slope_low: Annotated[float, Field(ge=0, lt=1)] = 0.5
    slope_high: Annotated[float, Field(gt=1, le=10)] = 2.0
    coverage_level: Share = 0.9
    coverage_errors: Annotated[float, Field(ge=0, le=5)] = 2.0

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.cohorts)) < len(self.cohorts):
            raise ValueError("a cohort is named twice")
        return self

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read settings.

        Parameters
        ----------
        path : str or Path
            As ``experiments/gates.yaml``.

        Returns
        -------
        Gates
            Checked.

        Raises
        ------
        UsageError
            When the file is not there, or says what is not known.

        Examples
        --------
        >>> Gates.from_yaml("no/such/gates.yaml")
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: the gates cannot be read | where: no/such/gates.yaml | ...
        """
        try:
            return cls.model_validate(yaml.safe_load(Path(path).read_text("utf-8")) or {})
        except OSError as error:
            raise UsageError("the gates cannot be read", where=str(path), got=error.strerror or "") from None
        except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
            wrong = (
                [".".join(map(str, e["loc"])) + ": " + e["msg"] for e in error.errors()]
                if isinstance(error, ValidationError)
                else ["no YAML"]
            )
            raise UsageError(
                "the gates cannot be read", where=str(path), got="; ".join(wrong), wanted="as experiments/gates.yaml"
            ) from None


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes
    ----------
    gate : str
        ``auc``, ``mean auc``, ``calibration slope``, ``coverage``, ``arm`` or ``comparable``.
    cohort : str
        Or study and therapy.
    outcome : {"pass", "fail", "not comparable"}
        What it means.
    said : str
        The figures.

    Examples
    --------
    >>> str(Check("auc", "riaz2017_mel", "fail", "0.40, champion 0.61 (0.41-0.77)"))
    'auc of riaz2017_mel: 0.40, champion 0.61 (0.41-0.77)'
    """

    gate: str
    cohort: str
    outcome: Literal["pass", "fail", "not comparable"]
    said: str

    def __str__(self) -> str:
        return f"{self.gate}{f' of {self.cohort}' if self.cohort else ''}: {self.said}"


@dataclass(frozen=True)
class Verdict:
    """All comparisons of a challenger with the champion.

    Attributes
    ----------
    checks : tuple of Check
        Empty where there is no champion.

    Examples
    --------
    >>> Verdict().passed, Verdict().summary()
    (True, 'no champion to compare with')
    """

    checks: tuple[Check, ...] = ()

    @property
    def against(self) -> tuple[Check, ...]:
        """What speaks against the challenger.

        Returns
        -------
        tuple of Check
            Those that do not pass.

        Examples
        --------
        >>> Verdict((Check("auc", "a", "pass", ""), Check("auc", "b", "fail", ""))).against[0].cohort
        'b'
        """
        return tuple(c for c in self.checks if c.outcome != "pass")

    @property
    def passed(self) -> bool:
        """Say whether it may be promoted without a waiver.

        Returns
        -------
        bool
            Whether nothing speaks against it.

        Examples
        --------
        >>> Verdict((Check("comparable", "", "not comparable", "no common cohort"),)).passed
        False
        """
        return not self.against

    def summary(self) -> str:
        """Say it in one line.

        Returns
        -------
        str
            For the audit trail.

        Examples
        --------
        >>> Verdict((Check("auc", "a", "pass", "0.7"), Check("auc", "b", "fail", "0.4"))).summary()
        '1 of 2 checks passed; auc of b: 0.4'
        """
        if not self.checks:
            return "no champion to compare with"
        held = f"{len(self.checks) - len(self.against)} of {len(self.checks)} checks passed"
        return "; ".join([held, *map(str, self.against[:5])])


def judge(champion: Mapping[str, Any] | None, challenger: Mapping[str, Any], gates: Gates | None = None) -> Verdict:
    """Hold what was kept with a challenger against what was kept with the champion.

    Parameters
    ----------
    champion : mapping or None
        `Predictor.about` or `SelectionPredictor.about`; None where there is none: nothing is compared.
    challenger : mapping
        The same of the version that shall be promoted.
    gates : Gates, optional
        Settings; the defaults otherwise.

    Returns
    -------
    Verdict
        Passed, or what speaks against it.

    Examples
    --------
    >>> arm = {"study": "a", "therapy": "x", "n": 90, "auc": 0.7, "auc_lower": 0.6}
    >>> kept = {"data": {"a": "1"}, "evidence": [arm]}
    >>> judge(kept, kept).passed
    True
    >>> judge(kept, {**kept, "evidence": [{**arm, "auc": 0.5}]}).summary()
    '0 of 1 checks passed; auc of a, x: 0.50, champion 0.70 (from 0.60)'
    """
    if champion is None:
        return Verdict()
    gates = gates or Gates()
    if _subject(champion) != _subject(challenger):
        return Verdict((Check("comparable", "", "not comparable", "they answer different questions"),))
    common = _common(champion, challenger)
    compare = _arms if "evidence" in champion or "evidence" in challenger else _cohorts
    checks = list(compare(champion, challenger, common, gates))
    named = {c.cohort.partition(",")[0] for c in checks if c.gate != "comparable"}
    checks += [
        Check("comparable", c, "not comparable", "not judged by both on the same data")
        for c in gates.cohorts
        if c not in named
    ]
    if not checks:
        checks.append(Check("comparable", "", "not comparable", "no cohort was judged by both on the same data"))
    return Verdict(tuple(checks))


def _subject(about: Mapping[str, Any]) -> tuple[object, ...]:
    experiment = about.get("experiment") or {}
    return "evidence" in about, experiment.get("indication"), experiment.get("name") if "evidence" in about else None


def _common(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """Name the cohorts of which both read the same bytes."""
    mine, theirs = one.get("data") or {}, other.get("data") or {}
    return {name for name, digest in mine.items() if theirs.get(name) == digest}


def _decides(cohort: str, patients: float, common: set[str], gates: Gates) -> bool:
    if gates.cohorts:
        return cohort in gates.cohorts and cohort in common
    return cohort in common and patients >= gates.min_patients


def _arms(
    champion: Mapping[str, Any], challenger: Mapping[str, Any], common: set[str], gates: Gates
) -> Iterator[Check]:
    theirs = {(r["study"], r["therapy"]): r for r in challenger.get("evidence") or []}
    for row in champion.get("evidence") or []:
        study, therapy = row["study"], row["therapy"]
        if row.get("auc") is None or not _decides(study, row["n"], common, gates):
            continue
        other = theirs.get((study, therapy))
        if other is None or other.get("auc") is None:
            yield Check("arm", f"{study}, {therapy}", "fail", "the champion judges it, the challenger does not")
        else:
            yield _auc(f"{study}, {therapy}", "auc", other["auc"], row["auc"], row["auc_lower"], gates)


def _cohorts(
    champion: Mapping[str, Any], challenger: Mapping[str, Any], common: set[str], gates: Gates
) -> Iterator[Check]:
    before, after = unpack_validation(champion), unpack_validation(challenger)
    if before is None or after is None:
        yield Check("comparable", "", "not comparable", "no validation was kept with one of them")
        return
    old, new = (v.table[v.table.model == MODEL].set_index("cohort") for v in (before, after))
    decisive = [c for c in old.index if c in new.index and _decides(c, old.n[c], common, gates)]
    for cohort in decisive:
        if old.n[cohort] != new.n[cohort]:
            yield Check("comparable", cohort, "not comparable", "they predicted different patients of it")
            continue
        if pd.notna(old.auc[cohort]):
            yield _auc(cohort, "auc", new.auc[cohort], old.auc[cohort], old.auc_lower[cohort], gates)
        yield from _slope(cohort, old.loc[cohort], new.loc[cohort], gates)
    # a mean over other cohorts is another mean
    if decisive and set(old.index) == set(new.index) <= common:
        was, now = (v.mean.set_index("model").loc[MODEL] for v in (before, after))
        if pd.notna(was.auc):
            yield _auc("", "mean auc", now.auc, was.auc, was.auc_lower, gates)
    if len(before.coverage) and len(after.coverage):
        yield from _coverage(decisive, before.coverage, after.coverage, gates)


def _auc(cohort: str, gate: str, new: float, old: float, lower: float, gates: Gates) -> Check:
    said = f"{new:.2f}, champion {old:.2f} (from {lower:.2f})"
    return Check(gate, cohort, "pass" if new >= lower - gates.auc_margin else "fail", said)


def _slope(cohort: str, old: pd.Series, new: pd.Series, gates: Gates) -> Iterator[Check]:
    names = ("calibration_slope", "calibration_slope_lower", "calibration_slope_upper")
    if not set(names) <= set(new.index) or new[list(names)].isna().any():
        return

    def off(row: pd.Series) -> bool:
        return bool(row.get(names[2]) < gates.slope_low or row.get(names[1]) > gates.slope_high)

    said = f"{new[names[0]]:.2f} ({new[names[1]]:.2f}-{new[names[2]]:.2f}), bounds {gates.slope_low}-{gates.slope_high}"
    yield Check("calibration slope", cohort, "fail" if off(new) and not off(old) else "pass", said)


def _coverage(decisive: list[str], old: pd.DataFrame, new: pd.DataFrame, gates: Gates) -> Iterator[Check]:
    before, after = old.set_index("cohort"), new.set_index("cohort")
    for cohort in (c for c in decisive if c in before.index and c in after.index):
        least = gates.coverage_level - gates.coverage_errors * after.se[cohort]
        had, has = before.coverage[cohort], after.coverage[cohort]
        if pd.notna(has):
            said = f"{has:.2f}, at least {least:.2f}, champion {had:.2f}"
            yield Check("coverage", cohort, "fail" if has < least - 1e-9 and not had < least - 1e-9 else "pass", said)
