"""What a payer asks for and what a person adds to it, as users write them in YAML."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from theracast.predict.packet.declared import read_declared

Line = Annotated[str, Field(min_length=1, max_length=300, strict=True, pattern=r"\S")]
Words = Annotated[str, Field(min_length=1, max_length=3000, strict=True, pattern=r"\S")]
Source = Annotated[str, Field(max_length=500, strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Detail = Annotated[str, Field(max_length=300, strict=True)] | None


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bounds(_Fields):
    """A value between bounds, both inclusive.

    Attributes
    ----------
    at_least, at_most : float, optional
        In `unit`.
    unit : str
        Of both; a value in another unit is not compared.

    Examples
    --------
    >>> Bounds(at_least=10, unit="mut/Mb").hold(9.4)
    False
    """

    at_least: Number | None = None
    at_most: Number | None = None
    unit: Annotated[str, Field(max_length=60, strict=True)] = ""

    def hold(self, value: float) -> bool:
        """Say whether a value lies between them.

        Parameters
        ----------
        value : float
            In `unit`.

        Returns
        -------
        bool
            Also where it lies on a bound.

        Examples
        --------
        >>> Bounds(at_most=1).hold(1.0)
        True
        """
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def _sensible(self, other: bool = False) -> None:
        if self.at_least is None and self.at_most is None and not other:
            raise ValueError("needs at_least or at_most" + ("" if isinstance(self, FeatureRule) else ", or one_of"))
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is above at_most: nothing could lie between")


class FeatureRule(Bounds):
    """A rule on what a block measured.

    Attributes
    ----------
    feature : str
        ``<block>__<feature>``.
    at_least, at_most : float, optional
        In `unit`.
    unit : str
        The feature's own; any other is not compared.

    Examples
    --------
    >>> FeatureRule(feature="mutations__tmb", at_least=10, unit="mut/Mb").hold(12.0)
    True
    """

    feature: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*?__[^\s]+$", max_length=200, strict=True)]

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        self._sensible()
        return self


class ColumnRule(Bounds):
    """A rule on a column of the patients' tables.

    Attributes
    ----------
    table, column : str
        Where.
    one_of : list of str or float
        Cells that fulfil it; upper and lower case are the same.
    at_least, at_most : float, optional
        In `unit`.
    unit : str
        The column's own; any other is not compared.

    Examples
    --------
    >>> ColumnRule(table="clinical", column="ecog", at_most=1).hold(2.0)
    False
    """

    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=100, strict=True)]
    column: Line
    one_of: Annotated[list[Line | Number], Field(max_length=100)] = []

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        self._sensible(bool(self.one_of))
        if self.one_of and (self.at_least is not None or self.at_most is not None):
            raise ValueError("takes bounds or one_of, not both: write two criteria")
        return self


class PersonRule(_Fields):
    """A rule that no table can answer.

    Attributes
    ----------
    attested_by : str
        Who can, such as ``clinician``.

    Examples
    --------
    >>> PersonRule(attested_by="clinician").attested_by
    'clinician'
    """

    attested_by: Annotated[str, Field(min_length=1, max_length=60, strict=True)]


def _kind(rule: Any) -> str | None:
    given = set(rule) if isinstance(rule, dict) else {type(rule).__name__}
    for kind, marks in (
        ("PersonRule", {"attested_by"}),
        ("FeatureRule", {"feature"}),
        ("ColumnRule", {"table", "column"}),
    ):
        if given & {kind, *marks}:
            return kind
    return None


Rule = Annotated[
    Annotated[FeatureRule, Tag("FeatureRule")]
    | Annotated[ColumnRule, Tag("ColumnRule")]
    | Annotated[PersonRule, Tag("PersonRule")],
    Discriminator(
        _kind,
        custom_error_type="rule",
        custom_error_message="needs feature, or table and column, or attested_by",
    ),
]


class Criterion(_Fields):
    """One thing that the payer asks for.

    Attributes
    ----------
    id : str
        Short name.
    text : str
        The payer's words.
    source : str
        Where they stand; open when it is not given.
    rule : FeatureRule, ColumnRule or PersonRule
        How it is checked.

    Examples
    --------
    >>> rule = {"table": "clinical", "column": "ecog", "at_most": 1}
    >>> Criterion(id="ecog", text="ECOG 0 or 1", rule=rule).rule.at_most
    1.0
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", strict=True)]
    text: Words
    source: Source = ""
    rule: Rule


class PayerCriteria(_Fields):
    """The criteria of one policy.

    Attributes
    ----------
    payer, policy, drug, indication : str
        Whose criteria they are, and for what.
    source : str
        Where the policy stands; open when it is not given.
    example : bool
        Whether it is nobody's policy; the packet then says so.
    criteria : list of Criterion
        At least one, each id once.

    Examples
    --------
    >>> PayerCriteria.example_file().splitlines()[0].startswith("#")
    True
    """

    payer: Line
    policy: Line
    drug: Line
    indication: Line
    source: Source = ""
    example: bool = False
    criteria: Annotated[list[Criterion], Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [c.id for c in self.criteria]
        if len(set(ids)) < len(ids):
            raise ValueError("criteria: an id stands twice")
        return self

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read criteria.

        Parameters
        ----------
        path : str or Path
            YAML with the fields of `PayerCriteria`; ``theracast packet --example`` prints one.

        Returns
        -------
        PayerCriteria
            Checked.

        Raises
        ------
        UsageError
            Naming the file, and line and field of everything that is wrong.

        Examples
        --------
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "payer.yaml")
        >>> _ = file.write_text(PayerCriteria.example_file())
        >>> PayerCriteria.from_yaml(file).example
        True
        """
        return read_declared(path, cls, "the file of criteria")

    @staticmethod
    def example_file() -> str:
        """Return the example that ships with the package: nobody's policy.

        Returns
        -------
        str
            YAML.

        Examples
        --------
        >>> "attested_by: clinician" in PayerCriteria.example_file()
        True
        """
        return files("theracast.predict.packet").joinpath("example_criteria.yaml").read_text("utf-8")


class Person(_Fields):
    """What the tables do not hold, and a person knows; what is not given stays open.

    Attributes
    ----------
    simulated : bool
        Whether it is nobody; the packet then says so.
    name, date_of_birth, member_number, diagnosis_code, dose, start, requested_by, clinic, contact : str, optional
        As they are to be printed.

    Examples
    --------
    >>> Person(clinic="Ward 3").open()[:2]
    ["Patient's name", 'Date of birth']
    """

    simulated: Annotated[bool, Field(strict=True)] = False
    name: Annotated[Detail, Field(title="Patient's name")] = None
    date_of_birth: Annotated[Detail, Field(title="Date of birth")] = None
    member_number: Annotated[Detail, Field(title="Member number")] = None
    diagnosis_code: Annotated[Detail, Field(title="Diagnosis code")] = None
    dose: Annotated[Detail, Field(title="Dose and schedule")] = None
    start: Annotated[Detail, Field(title="Planned start")] = None
    requested_by: Annotated[Detail, Field(title="Requesting clinician")] = None
    clinic: Annotated[Detail, Field(title="Clinic")] = None
    contact: Annotated[Detail, Field(title="Contact")] = None

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        r"""Read details.

        Parameters
        ----------
        path : str or Path
            YAML with the fields of `Person`, any subset.

        Returns
        -------
        Person
            Checked.

        Raises
        ------
        UsageError
            As `PayerCriteria.from_yaml`; no value is repeated in it.

        Examples
        --------
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "p.yaml")
        >>> _ = file.write_text("date_of_birth: 1970-01-01\n")
        >>> Person.from_yaml(file).date_of_birth
        '1970-01-01'
        """
        return read_declared(path, cls, "the file of details")

    @staticmethod
    def example_file() -> str:
        """Return the example that ships with the package: nobody, simulated.

        Returns
        -------
        str
            YAML.

        Examples
        --------
        >>> "simulated: true" in Person.example_file()
        True
        """
        return files("theracast.predict.packet").joinpath("example_person.yaml").read_text("utf-8")

    def details(self) -> dict[str, str]:
        """Return every detail by its title.

        Returns
        -------
        dict of str to str
            In order; empty where it is not given.

        Examples
        --------
        >>> Person(clinic="Ward 3").details()["Clinic"]
        'Ward 3'
        """
        told = {n: (getattr(self, n) or "").strip() for n in type(self).model_fields if n != "simulated"}
        return {str(type(self).model_fields[n].title): text for n, text in told.items()}

    def open(self) -> list[str]:
        """Return the titles of what is not given.

        Returns
        -------
        list of str
            In order.

        Examples
        --------
        >>> "Clinic" in Person(clinic="Ward 3").open()
        False
        """
        return [title for title, text in self.details().items() if not text]
