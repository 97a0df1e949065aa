"""What every fault must show: a code, an account of every row, and no patient's value in any message."""

import pytest

from theracast.errors import DataError
from theracast.features.cohort import Cohort

#: Stands in cells of patients; may stand in no message, reason or note.
CANARY = "ZZPHI"


def cohort_of(expression, unit=None, clinical=None):
    tables = {"expression": expression} if clinical is None else {"clinical": clinical, "expression": expression}
    return Cohort.from_tables(tables, units={"expression": unit} if unit else None)


def refused(make, code):
    """The call is refused with this code; the message says what to do and repeats no value."""
    with pytest.raises(DataError) as caught:
        make()
    message = str(caught.value)
    assert caught.value.code == code, message
    assert caught.value.exit_code == 3
    assert CANARY not in message
    assert caught.value.__cause__ is None, "a chained error would be printed, and pandas repeats values"
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return message


def scored(predictor, data):
    """Score and hold the account: every row read has one fate, and no value stands in a reason."""
    scores = predictor.score(data)
    account = scores.account()
    assert account["scored"] + account["abstained"] + account["rejected"] == account["rows_in"]
    assert len(scores.aligned()) == account["rows_in"]
    table = scores.table
    for words in (table.reason, table.notes, scores.rejects.code, scores.rejects.reason):
        assert not words.astype(str).str.contains(CANARY).any()
    known = table.probability.dropna()
    assert known.between(0, 1).all()
    return scores


def fates(predictor, table, column, code="THX-D15"):
    """Score one row per cell; say which were rejected, all with one code."""
    scores = scored(predictor, table)
    assert set(scores.rejects.code) <= {code}, scores.rejects
    assert scores.rejects.reason.str.contains(column, regex=False).all()
    return (scores.rejects.row.astype(int) - 1).tolist()
