"""The frame of every page: templates, what they may call, and how a page is written."""

from __future__ import annotations

import base64
import re
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from theracast.features.tumours import tumour_types
from theracast.models.base import OUTSIDE
from theracast.predict.files import replace_file
from theracast.predict.report.plots import to_svg
from theracast.predict.report.printed import number, readable, signed, value_in


@cache
def text_of(name: str) -> str:
    """Read a template, style or script of ours.

    Parameters
    ----------
    name : str
        File in this folder.

    Returns
    -------
    str
        Its text.

    Examples
    --------
    >>> text_of("style.css").startswith(":root")
    True
    """
    return files("theracast.predict.report").joinpath(name).read_text("utf-8")


def render(template: str, scripts: tuple[str, ...] = (), **values: Any) -> str:
    """Fill a template in; every text is escaped, and a value that is not given is an error.

    Parameters
    ----------
    template : str
        File in this folder.
    scripts : tuple of str, default ()
        Files in this folder; the page runs these, known by their digests, and no others.
    **values
        What it names.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> callable(render)
    True
    """
    style = Markup(text_of("style.css"))  # noqa: S704 - our own file
    texts = [text_of(name) for name in scripts]
    digests = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in texts]
    return (
        _environment()
        .get_template(template)
        .render(
            style=style,
            scripts=[Markup(text) for text in texts],  # noqa: S704 - our own files
            # as it is, since a server may say the same in a header
            policy=Markup(" ".join(f"'sha256-{d}'" for d in digests) or "'none'"),  # noqa: S704 - digests
            **values,
        )
    )


def inline(figure: Any, label: str) -> Markup:
    """Draw a figure into the page.

    Parameters
    ----------
    figure : matplotlib Figure
        Of `theracast.predict.report.plots`.
    label : str
        What a reader hears who does not see it.

    Returns
    -------
    Markup
        SVG.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> inline(Figure(), "nothing").startswith("<svg")
    True
    """
    return Markup(to_svg(figure, label))  # noqa: S704 - matplotlib and `to_svg` escape every text


def write_page(html: str, path: str | Path) -> Path:
    """Write a page so that a reader sees the old file or the new one, never half of it.

    Parameters
    ----------
    html : str
        The page.
    path : str or Path
        Where; its folder is made.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    SetupError
        When the disk refuses.

    Examples
    --------
    >>> import tempfile
    >>> write_page("<p>", Path(tempfile.mkdtemp()) / "p.html").read_text()
    '<p>'
    """
    return replace_file(path, lambda scratch: scratch.write_text(html, encoding="utf-8"))


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FunctionLoader(text_of),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        percent=_percent,
        tumour=_tumour,
        sentence=_sentence,
        number=number,
        readable=readable,
        signed=signed,
        value_in=value_in,
        doi=_doi,
    )
    return env


def _percent(p: float) -> str:
    if np.isnan(p):
        return "–"
    return "below 1%" if p < 0.005 else "above 99%" if p > 0.995 else f"{100 * p:.0f}%"


def _tumour(name: str) -> str:
    """Give a tumour type as people call it; empty where it is not known."""
    known = tumour_types()
    return known[name].title if name in known else name


def _sentence(reason: str) -> str:
    """Say a reason as a sentence, without what its heading says already."""
    text = reason.removeprefix(f"{OUTSIDE}: ")
    return text[:1].upper() + text[1:]


def _doi(text: str) -> str:
    """Return the address of a DOI, or nothing: no other text becomes a link."""
    return f"https://doi.org/{text}" if re.fullmatch(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]+", text) else ""
