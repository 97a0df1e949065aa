"""A packet as a document: DOCX for the payer's form, or one self-contained HTML file."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from theracast.errors import SetupError
from theracast.predict.packet.parts import Packet, Part

if TYPE_CHECKING:
    from docx.document import Document

LANGUAGE = "en-GB"
#: A file says when it was made; ours says nothing, so that the same packet has the same bytes.
_WHEN = datetime(2000, 1, 1, tzinfo=UTC)
#: Widths of the columns of a table, in centimetres, by their number.
_WIDTHS = {2: (5.5, 11.5), 3: (3.8, 7.2, 6.0), 4: (4.5, 4.5, 4.0, 4.0), 5: (2.6, 4.8, 2.3, 1.8, 5.5)}


def to_html(packet: Packet) -> str:
    """Write a packet as HTML that loads nothing.

    Parameters
    ----------
    packet : Packet
        Filled in.

    Returns
    -------
    str
        HTML; every text is escaped.

    Examples
    --------
    >>> "Request" in to_html(Packet("t", (("Request", (Part("text", (("a",),)),)),), (), (), False))
    True
    """
    return _environment().get_template("packet.html.jinja").render(packet=packet)


def to_docx(packet: Packet) -> bytes:
    """Write a packet as a Word document, with headings, tables and a language; its properties name no patient.

    Parameters
    ----------
    packet : Packet
        Filled in.

    Returns
    -------
    bytes
        The same packet gives the same bytes.

    Raises
    ------
    SetupError
        When python-docx is not installed.

    Examples
    --------
    >>> to_docx(Packet("t", (("Request", (Part("text", (("a",),)),)),), (), (), False))[:2]
    b'PK'
    """
    try:
        import docx
    except ImportError:
        fix = "pip install 'theracast[packet]', or write a file that ends in .html."
        raise SetupError("a packet as DOCX needs the package python-docx", fix=fix) from None
    document = docx.Document()
    _prepare(document, packet.title)
    document.add_heading(packet.title, level=0)
    for heading, parts in packet.sections:
        document.add_heading(heading, level=1)
        for part in parts:
            _add(document, part)
    held = io.BytesIO()
    document.save(held)
    return _timeless(held.getvalue())


def _prepare(document: Document, title: str) -> None:
    """Set language, page and properties."""
    from docx.oxml.ns import qn
    from docx.shared import Cm, Pt

    core = document.core_properties
    core.title, core.author, core.last_modified_by, core.language = title, "theracast", "theracast", LANGUAGE
    core.subject = core.comments = core.keywords = core.category = ""
    core.created = core.modified = _WHEN.replace(tzinfo=None)
    core.revision = 1
    for language in document.styles.element.iter(qn("w:lang")):
        language.set(qn("w:val"), LANGUAGE)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "Calibri", Pt(10.5)
    for section in document.sections:
        section.page_width, section.page_height = Cm(21.0), Cm(29.7)
        section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Cm(2.0)


def _add(document: Document, part: Part) -> None:
    if part.kind == "table":
        _add_table(document, part.lines)
        return
    style = {"items": "List Bullet", "notice": "Intense Quote"}.get(part.kind, "Normal")
    for line in part.lines:
        document.add_paragraph(line[0], style=style)


def _add_table(document: Document, lines: tuple[tuple[str, ...], ...]) -> None:
    """Add a table; its head is marked as such and stands again on every page."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Cm

    table = document.add_table(rows=len(lines), cols=len(lines[0]), style="Table Grid")
    table.autofit = False
    widths = _WIDTHS[len(lines[0])]
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Cm(width)  # LibreOffice reads the columns', Word the cells'
    for at, (row, line) in enumerate(zip(table.rows, lines, strict=True)):
        for cell, text, width in zip(row.cells, line, widths, strict=True):
            cell.width = Cm(width)
            run = cell.paragraphs[0].add_run(text)
            run.bold = at == 0 or None
        properties = row._tr.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if at == 0:
            head = OxmlElement("w:tblHeader")
            head.set(qn("w:val"), "true")
            properties.append(head)
    document.add_paragraph()


def _timeless(written: bytes) -> bytes:
    """Pack an archive again without the time at which it was packed."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(written)) as old, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            new.writestr(zipfile.ZipInfo(name, _WHEN.timetuple()[:6]), old.read(name), zipfile.ZIP_DEFLATED)
    return held.getvalue()


@cache
def _environment() -> Environment:
    def read(name: str) -> str:
        return files("theracast.predict.packet").joinpath(name).read_text("utf-8")

    env = Environment(
        loader=FunctionLoader(read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.globals.update(language=LANGUAGE)
    env.filters.update(is_address=_is_address)
    return env


def _is_address(text: Any) -> bool:
    """Say whether a text is the address of a DOI as we wrote it; no other text becomes a link."""
    return str(text).startswith("https://doi.org/10.") and not set(str(text)) & set(" \"'<>")
