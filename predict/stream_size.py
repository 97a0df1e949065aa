"""How many rows of a table are held at a time: as many as memory bears, however wide the table is."""

#: Cells of the rows that are held: 60 MB as float64, some copies more while they are scored.
_CELLS = 7_500_000
#: Fewer are scored hardly faster by the row; more bring nothing.
_FEWEST, _MOST = 2_000, 50_000


def rows_at_once(columns: int) -> int:
    """Say how many rows of a table are read, scored and kept at a time.

    Parameters
    ----------
    columns : int
        Of the table.

    Returns
    -------
    int
        50,000 of a table of up to 150 columns, fewer of a wider one; 2,000 of one with all genes.

    Examples
    --------
    >>> [rows_at_once(columns) for columns in (10, 500, 20_000)]
    [50000, 15000, 2000]
    """
    return min(_MOST, max(_FEWEST, _CELLS // max(1, columns)))
