"""Utility: what a therapy is worth once its price, route and infections are counted, as the user declares them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
import yaml
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from theracast.errors import UsageError
from theracast.registry import Registry

Route = Literal["oral", "subcutaneous", "intravenous"]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Burden(BaseModel):
    """What one therapy costs and does, besides its benefit, in a year of treatment.

    Attributes
    ----------
    price : float, optional
        In `Utility.currency` per patient and year.
    route : str, optional
        ``oral``, ``subcutaneous`` or ``intravenous``.
    infection_risk : float, optional
        Serious infections per 100 patient-years.
    source : str
        Where the figures come from.

    Examples
    --------
    >>> Burden(route="oral", infection_risk=2.5).price is None
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    price: Amount | None = None
    route: Route | None = None
    infection_risk: Amount | None = None
    source: str = ""


class Utility(BaseModel):
    r"""Net worth of therapies, in units of response probability.

    .. math:: U = p - \frac{\text{price}}{\text{value of a response}} - w_\text{route} - w_\text{infection} \cdot
        \frac{\text{infections per 100 patient-years}}{100}

    Where nothing is declared it is the probability itself. Every figure is the user's: none is built in, and one that
    is needed and not declared is an error, never zero. Linear, so a gain in probability is worth the same everywhere.

    Attributes
    ----------
    name : str
        Whose figures these are; ``example`` where they are nobody's.
    currency : str
        Of every price and of `response_value`: ``GBP``.
    response_value : float, optional
        What a year in response is worth, in the currency. A therapy that costs as much must be certain to work.
    route_weights : dict of str to float
        By route, the response probability that one would give up to be spared it.
    infection_weight : float, optional
        The response probability that one would give up to be spared one serious infection.
    therapies : dict of str to Burden
        By name of the therapy, as the selector names it.

    Raises
    ------
    UsageError
        When a price has no unit, or a figure has no weight: it would not count, and nobody would see.

    Examples
    --------
    >>> pill, drip = {"price": 9000, "route": "oral"}, {"price": 3000, "route": "intravenous"}
    >>> burdens = {"tofacitinib": pill, "rituximab": drip}
    >>> weights = {"oral": 0, "intravenous": 0.05}
    >>> worth = Utility(currency="GBP", response_value=30000, route_weights=weights, therapies=burdens)
    >>> worth.of("tofacitinib", [0.5]).round(3).tolist(), worth.of("rituximab", [0.5]).round(3).tolist()
    ([0.2], [0.35])
    >>> Utility().of("anything", [0.5]).tolist()
    [0.5]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    currency: str = ""
    response_value: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    route_weights: dict[Route, Amount] = Field(default_factory=dict)
    infection_weight: Amount | None = None
    therapies: dict[str, Burden] = Field(default_factory=dict)

    def model_post_init(self, context: object) -> None:
        """Hold figures against units and weights.

        Parameters
        ----------
        context : object
            Given by pydantic.

        Examples
        --------
        >>> Utility(therapies={"rituximab": {"price": 3000}})
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: prices have no unit | where: rituximab: price | do: Declare currency: GBP.
        """
        burdens = self.therapies.items()
        priced = [t for t, b in burdens if b.price is not None]
        if (priced or self.response_value is not None) and not self.currency.strip():
            where = f"{priced[0]}: price" if priced else "response_value"
            raise UsageError("prices have no unit", where=where, fix="Declare currency: GBP.")
        unweighted = [(priced, self.response_value is not None, "price", "response_value")]
        routed = [t for t, b in burdens if b.route is not None and b.route not in self.route_weights]
        unweighted.append((routed, False, "route", "route_weights of this route, 0 if it is not to count"))
        risky = [t for t, b in burdens if b.infection_risk is not None]
        known = self.infection_weight is not None
        unweighted.append((risky, known, "infection_risk", "infection_weight, 0 if infections are not to count"))
        for therapies, weighted, figure, missing in unweighted:
            if therapies and not weighted:
                what = "a figure is declared and has no weight, so it would not count"
                raise UsageError(what, where=f"{therapies[0]}: {figure}", fix=f"Declare {missing}.")

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        r"""Read declared inputs.

        Parameters
        ----------
        path : str or Path
            YAML with the fields of `Utility`, as ``experiments/utility_ra.yaml``.

        Returns
        -------
        Utility
            Checked.

        Raises
        ------
        UsageError
            Naming the file and every wrong field.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "u.yaml")
        >>> _ = file.write_text("currency: GBP\nresponse_value: 1\ntherapies: {rituximab: {price: -1}}\n")
        >>> Utility.from_yaml(file)
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: the declared inputs are not valid | ... | got: therapies.rituximab.price: ...
        """
        wrong = {"where": str(path)}
        try:
            fields = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except OSError:
            raise UsageError("no such file of declared inputs", **wrong) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError("the declared inputs are not YAML", got=str(error).splitlines()[0], **wrong) from None
        if not isinstance(fields, Mapping) or not all(isinstance(f, str) for f in fields):
            raise UsageError("the declared inputs have no fields", wanted=", ".join(cls.model_fields), **wrong)
        try:
            return cls(**fields)
        except ValidationError as error:
            got = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            wanted = f"fields {', '.join(cls.model_fields)}; of a therapy {', '.join(Burden.model_fields)}"
            raise UsageError("the declared inputs are not valid", got=got, wanted=wanted, **wrong) from None

    def cost(self, therapy: str) -> float:
        """Give what is taken off the probability of response.

        Parameters
        ----------
        therapy : str
            Name of the therapy.

        Returns
        -------
        float
            Response probability, at least 0: so much likelier than a therapy without burden it must be to be as good.

        Raises
        ------
        UsageError
            When a weight is declared and the therapy, or the figure that it weighs, is not.

        Examples
        --------
        >>> Utility(infection_weight=2, therapies={"rituximab": {"infection_risk": 4}}).cost("rituximab")
        0.08
        """
        return float(sum(self._costs(therapy).values()))

    def of(self, therapy: str, probability: ArrayLike) -> np.ndarray:
        """Give the net utility of a therapy.

        Parameters
        ----------
        therapy : str
            Name of the therapy.
        probability : array-like of shape (n_patients,)
            Of response, in [0, 1]; NaN where it is not known.

        Returns
        -------
        ndarray of float64, shape (n_patients,)
            In units of response probability, at most the probability; may be negative. NaN stays NaN.

        Raises
        ------
        UsageError
            As `cost`; or when a probability lies outside [0, 1].

        Examples
        --------
        >>> Utility(infection_weight=2, therapies={"rituximab": {"infection_risk": 4}}).of("rituxmab", [0.5])
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: no therapy with declared inputs named 'rituxmab' | ... Did you mean 'rituximab'?
        """
        chances = np.asarray(probability, dtype=np.float64)
        if not np.all(np.isnan(chances) | ((chances >= 0) & (chances <= 1))):
            raise UsageError("a utility is of probabilities", where=therapy, wanted="numbers in [0, 1], or NaN")
        return chances - self.cost(therapy)

    def table(self) -> pd.DataFrame:
        """Lay out what was declared, and what it takes off the probability of response.

        Returns
        -------
        DataFrame
            Indexed by therapy: ``price`` (currency per year), ``route``, ``infection_risk`` (per 100 patient-years),
            ``source``, and in units of response probability ``price_cost``, ``route_cost``, ``infection_cost`` and
            their sum, ``cost``.

        Examples
        --------
        >>> Utility(infection_weight=2, therapies={"rituximab": {"infection_risk": 4}}).table().cost.to_dict()
        {'rituximab': 0.08}
        """
        columns = [*Burden.model_fields, "price_cost", "route_cost", "infection_cost"]
        lines = {t: {**b.model_dump(), **self._costs(t)} for t, b in self.therapies.items()}
        table = pd.DataFrame.from_dict(lines, orient="index", columns=columns).rename_axis("therapy")
        numbers = [c for c in columns if c not in {"route", "source"}]
        table[numbers] = table[numbers].astype(np.float64)
        return table.assign(cost=table[columns[-3:]].sum(axis=1))

    def _costs(self, therapy: str) -> dict[str, float]:
        weighs = {
            "price": self.response_value is not None,
            "route": bool(self.route_weights),
            "infection_risk": self.infection_weight is not None,
        }
        if not any(weighs.values()):
            return {"price_cost": 0.0, "route_cost": 0.0, "infection_cost": 0.0}
        burden = Registry("therapy with declared inputs", self.therapies)[therapy]
        missing = [figure for figure, counts in weighs.items() if counts and getattr(burden, figure) is None]
        if missing:
            what = "a weight is declared, and a therapy lacks what it weighs"
            raise UsageError(
                what, where=therapy, wanted=", ".join(missing), fix="Declare it: what is missing is not 0."
            )
        return {
            "price_cost": (burden.price or 0.0) / (self.response_value or 1.0),
            "route_cost": self.route_weights.get(burden.route, 0.0) if burden.route else 0.0,
            "infection_cost": (burden.infection_risk or 0.0) / 100 * (self.infection_weight or 0.0),
        }
