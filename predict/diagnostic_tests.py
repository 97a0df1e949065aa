"""Diagnostic tests as data: which blocks each gives, what it costs, how long it takes, and who says so."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from theracast.errors import UsageError
from theracast.features.blocks import BLOCKS

#: More bytes than this are no list of tests.
_LARGEST = 1_000_000
_SHIPPED = "test_costs.yaml"


class Figure(BaseModel):
    """A number with its source and year: without them nobody can tell whether it holds here and now.

    Attributes
    ----------
    value : float
        Above 0.
    source : str
        A DOI, an address, a fee schedule, or ``our laboratory``.
    year : int
        Of the figure, 1990-2100.

    Examples
    --------
    >>> Figure(value=120, source="our laboratory", year=2026).value
    120.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Annotated[float, Field(strict=True, gt=0, le=1e9, allow_inf_nan=False)]
    source: Annotated[str, Field(min_length=1, max_length=300)]
    year: Annotated[int, Field(strict=True, ge=1990, le=2100)]


class DiagnosticTest(BaseModel):
    """One test.

    Attributes
    ----------
    gives : tuple of str
        Blocks that its result fills; at least one.
    about : str
        What it is.
    cost : Figure, optional
        In `DiagnosticTests.currency`; open when not given.
    days : Figure, optional
        From order to result; open when not given.

    Examples
    --------
    >>> DiagnosticTest(gives=["mutations"]).cost is None
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gives: Annotated[tuple[str, ...], Field(min_length=1)]
    about: Annotated[str, Field(max_length=300)] = ""
    cost: Figure | None = None
    days: Figure | None = None


class DiagnosticTests(BaseModel):
    """The tests of a site, in the order that ties follow.

    Attributes
    ----------
    currency : str
        Of every cost: ``EUR``.
    tests : dict of str to DiagnosticTest
        By name; at least one.

    Raises
    ------
    UsageError
        When costs have no currency, or a block is none that there is, or named twice.

    Examples
    --------
    >>> list(DiagnosticTests.shipped().tests)
    ['ihc', 'panel', 'rna', 'blood']
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: Annotated[str, Field(max_length=20)] = ""
    tests: Annotated[dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")], DiagnosticTest], Field(min_length=1)]

    def model_post_init(self, context: object) -> None:
        """Hold the blocks against those that there are, and costs against their currency.

        Parameters
        ----------
        context : object
            Given by pydantic.

        Examples
        --------
        >>> DiagnosticTests(tests={"panel": {"gives": ["mutation"]}})
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: no such block | where: tests.panel.gives | got: 'mutation' | ... 'mutations'...
        """
        for name, test in self.tests.items():
            for block in test.gives:
                if block not in BLOCKS:
                    near = get_close_matches(block, BLOCKS, 1)
                    raise UsageError(
                        "no such block",
                        where=f"tests.{name}.gives",
                        got=repr(block[:40]),
                        wanted=f"one that 'theracast blocks' lists{f', such as {near[0]!r}' if near else ''}",
                    )
            if len({*test.gives}) < len(test.gives):
                raise UsageError("a block is named twice", where=f"tests.{name}.gives")
            if test.cost is not None and not self.currency.strip():
                raise UsageError("costs have no currency", where=f"tests.{name}.cost", fix="Declare currency: EUR.")

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        r"""Read the tests of a site.

        Parameters
        ----------
        path : str or Path
            YAML as ``features/tables/test_costs.yaml``.

        Returns
        -------
        DiagnosticTests
            Checked.

        Raises
        ------
        UsageError
            Naming the file and every wrong field.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "costs.yaml")
        >>> panel = "panel: {gives: [mutations], cost: {value: -1, source: us, year: 2026}}"
        >>> _ = file.write_text("currency: EUR\ntests: {" + panel + "}\n")
        >>> DiagnosticTests.from_yaml(file)
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: the tests are not valid | where: ... | got: tests.panel.cost.value: ...
        """
        path = Path(path)
        try:
            if path.stat().st_size > _LARGEST:
                raise UsageError("too large for a list of tests", where=str(path), got=f"{path.stat().st_size} bytes")
            text = path.read_text(encoding="utf-8")
        except OSError:
            raise UsageError(
                "no such file of tests", where=str(path), wanted="a YAML file: currency, and tests by name"
            ) from None
        except UnicodeDecodeError:
            raise UsageError("the tests are not text", where=str(path), wanted="YAML in UTF-8") from None
        return cls._of(text, str(path))

    @classmethod
    def shipped(cls) -> Self:
        """Read the tests that ship: what has a public source; the rest is open.

        Returns
        -------
        DiagnosticTests
            Of ``features/tables/test_costs.yaml``.

        Examples
        --------
        >>> DiagnosticTests.shipped().tests["ihc"].cost is None
        True
        """
        return cls._of(files("theracast.features.tables").joinpath(_SHIPPED).read_text(encoding="utf-8"), _SHIPPED)

    @classmethod
    def _of(cls, text: str, where: str) -> Self:
        try:
            fields = _EachOnce(text).get_single_data()
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise UsageError("the tests are not YAML", where=where, got=str(error).splitlines()[0][:200]) from None
        if not isinstance(fields, Mapping) or not all(isinstance(f, str) for f in fields):
            raise UsageError("the tests have no fields", where=where, wanted=", ".join(cls.model_fields))
        try:
            return cls(**fields)
        except ValidationError as error:
            # of what was written, where it is wrong and not the value: a list of tests may hold anything
            wrong = "; ".join(f"{'.'.join(str(p)[:40] for p in e['loc'])}: {e['msg']}" for e in error.errors()[:5])
            raise UsageError(
                "the tests are not valid", where=where, got=wrong, wanted="see features/tables/test_costs.yaml"
            ) from None


class _EachOnce(yaml.SafeLoader):
    """YAML of which the second of two equal keys does not replace the first in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [str(key.value) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a name stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
