"""Texts and remarks that are kept once for many patients say what a loop over the patients would say."""

import numpy as np
import pandas as pd
import pytest

from theracast.features.cohort import Cohort
from theracast.features.columns import aligned, texts_of
from theracast.features.remarks import Remarks, together
from theracast.provenance import digest_json, digest_rows
from theracast.texts import Texts

CELLS = {
    "text": ["a ", None, "B", "a ", "", np.nan],
    "mixed": [1, "1", 1.0, True, None, "x"],
    "numbers": [1.0, np.nan, 2.5, 1.0, -0.0, 7.0],
    "whole": [1, 2, 3, 1, 0, 2],
    "nothing": [None] * 6,
}


@pytest.mark.parametrize("kind", [None, "category"])
@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS)
def test_texts_are_those_of_a_loop(cells, kind):
    column = pd.Series(cells, dtype=object if kind is None and "x" in cells else kind)
    told = ["" if pd.isna(c) else str(c) for c in column.tolist()]
    found = Texts.of(column)
    assert found.tolist() == told
    assert found.map(str.strip).isin({"a"}).tolist() == [c.strip() == "a" for c in told]
    assert found.take(np.array([2, 0])).tolist() == [told[2], told[0]]
    assert found.series(column.index).tolist() == told


def test_a_part_of_a_cohort_knows_what_was_read_of_the_whole():
    clinical = pd.DataFrame({"sex": ["F ", "M", None]}, index=["a", "b", "c"])
    cohort = Cohort.from_tables({"clinical": clinical, "mutations": pd.DataFrame({"tmb": [1.0]}, index=["b"])})
    assert aligned(cohort, "clinical")
    assert not aligned(cohort, "mutations")
    assert texts_of(cohort, "sex", ["clinical"]).tolist() == ["F ", "M", ""]
    part = cohort.subset(["c", "a"])
    assert texts_of(part, "sex", ["clinical"]).tolist() == ["", "F "]
    assert part.column("sex", ["clinical"])[1].iloc[1] == "F "
    assert cohort.column("tmb", ["mutations"])[1].isna().tolist() == [True, False, True]


@pytest.mark.parametrize("layers", [1, 7, 60])
def test_remarks_are_those_of_a_dictionary(layers):
    r = np.random.default_rng(layers)
    ids = pd.Index([f"p{i}" for i in range(40)])
    notes, told = Remarks(ids), {}
    for k in range(layers):
        rows = r.random(len(ids)) < 0.2
        if k % 3 == 2:
            part = {i: [f"{k} of {i}", "more"] for i in ids[rows]}
            notes.extend(part)
        elif k % 3:
            part = {i: [f"{k}: {n % 4}"] for n, i in zip(np.flatnonzero(rows), ids[rows], strict=True)}
            notes.add_each(np.flatnonzero(rows), [line for lines in part.values() for line in lines])
        else:
            part = {i: [str(k)] for i in ids[rows]}
            notes.add(rows, str(k))
        for i, lines in part.items():
            told.setdefault(i, []).extend(lines)
    assert notes == told
    assert told == notes
    assert len(notes) == len(told) == notes.concerned.sum()
    codes, kinds = notes.grouped()
    assert [list(kinds[k]) for k in codes] == [told.get(i, []) for i in ids]
    assert len(set(kinds)) == len(kinds)
    assert dict(notes.take(np.array([3, 1]))) == {i: told[i] for i in ("p3", "p1") if i in told}
    assert together(ids, [notes, {"p0": ["last"]}])["p0"] == [*told.get("p0", []), "last"]


def test_nobody_and_nothing():
    assert Remarks(pd.Index([], dtype=object)).grouped()[1] == []
    assert Remarks(pd.Index(["a"])) == {}
    with pytest.raises(KeyError):
        Remarks(pd.Index(["a"]))["a"]


@pytest.mark.parametrize("width", [1, 30, 64, 65, 300])
def test_digests_of_rows_do_not_depend_on_the_others(width):
    r = np.random.default_rng(width)
    table = pd.DataFrame(r.normal(size=(50, width)), columns=[f"f{k}" for k in range(width)])
    table = table.mask(r.random(table.shape) < 0.3)
    table["word"] = np.where(np.arange(50) % 3 == 0, None, "x")
    together_, alone = digest_rows(table), [digest_rows(table.iloc[[k]]).iloc[0] for k in range(50)]
    assert together_.tolist() == alone
    assert len(set(alone)) > 1
    assert digest_json(alone) == digest_json(digest_rows(table[table.columns[::-1]]).tolist())
