"""Genes that a spreadsheet turned into dates: SEPT2 became 2-Sep, or 44806 days since 1900."""

from __future__ import annotations

import re
from datetime import date, timedelta

_MONTHS = {
    **dict.fromkeys(("sep", "sept", "september", "septembre", "set"), 9),
    **dict.fromkeys(("mar", "march", "mrz", "mär", "märz", "maerz", "mars", "marzo"), 3),
    **dict.fromkeys(("dec", "december", "dez", "dezember", "déc", "dic"), 12),
}
#: (month, day) to the genes it may have been. SEPT13 is SEPTIN7P2, SEP15 is SELENOF; MARC1 and MARC2 are MTARC1 and 2.
_GENES: dict[tuple[int, int], tuple[str, ...]] = {
    **{(9, n): (f"SEPTIN{n}",) for n in (*range(1, 13), 14)},
    (9, 13): ("SEPTIN7P2",),
    (9, 15): ("SELENOF",),
    **{(3, n): (f"MARCHF{n}",) for n in range(3, 12)},
    **{(3, n): (f"MARCHF{n}", f"MTARC{n}") for n in (1, 2)},
    (12, 1): ("DELEC1",),
    (12, 2): ("BHLHE41",),
}
_CLOCK = re.compile(r"[ T]00:00(:00(\.0+)?)?$")
_DAY_MONTH = re.compile(r"(\d{1,2})[-./ ]*([a-zäé]{3,9})\.?(?:[-./ ]+\d{2}(?:\d{2})?)?")
_MONTH_DAY = re.compile(r"([a-zäé]{3,9})\.?[-./ ]+(\d{1,2})(?:[-./, ]+\d{2}(?:\d{2})?)?")
_ISO = re.compile(r"\d{4}[-/.](\d{1,2})[-/.](\d{1,2})")
_NUMBERS = re.compile(r"(\d{1,2})[-/.](\d{1,2})(?:[-/.]\d{2}(?:\d{2})?)?")
_SERIAL = re.compile(r"\d{5}(\.0)?")
#: Day 0 of a spreadsheet, and the first and last day taken for one: 1990 to 2050.
_EPOCH, _FIRST, _LAST = date(1899, 12, 30), 32_874, 54_789


def genes_of_date(label: str) -> tuple[str, ...]:
    """Name the genes that a date may have been.

    The families are SEPT, MARCH, MARC and DEC of HGNC (Ziemann 2016, DOI 10.1186/s13059-016-1044-7; renamed by HGNC in
    2019-2020, DOI 10.1038/s41588-020-0669-3). Read are 2-Sep, 02-Sep-2023, Sep-02, 2023-09-02, 9/2/2023 in either
    order, and the days since 1900.

    Parameters
    ----------
    label : str
        As it stands in the table.

    Returns
    -------
    tuple of str
        Approved symbols: none when it is no date of these families, two when both are possible.

    Examples
    --------
    >>> genes_of_date("2-Sep"), genes_of_date("44806"), genes_of_date("1-Mar")
    (('SEPTIN2',), ('SEPTIN2',), ('MARCHF1', 'MTARC1'))
    """
    if not any(c.isdigit() for c in label):
        return ()
    text = _CLOCK.sub("", label.strip().lower())
    if found := _DAY_MONTH.fullmatch(text):
        return _GENES.get((_MONTHS.get(found[2], 0), int(found[1])), ())
    if found := _MONTH_DAY.fullmatch(text):
        return _GENES.get((_MONTHS.get(found[1], 0), int(found[2])), ())
    if found := _ISO.fullmatch(text):
        return _GENES.get((int(found[1]), int(found[2])), ())
    if found := _NUMBERS.fullmatch(text):
        one, two = int(found[1]), int(found[2])
        return tuple(dict.fromkeys((*_GENES.get((one, two), ()), *_GENES.get((two, one), ()))))
    if _SERIAL.fullmatch(text) and _FIRST <= int(text[:5]) <= _LAST:
        day = _EPOCH + timedelta(days=int(text[:5]))
        return _GENES.get((day.month, day.day), ())
    return ()
