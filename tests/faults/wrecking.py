"""One good cohort, and the means to wreck it.

The patients are made up (simulated); expression is of twelve real ones. Ids begin with a canary that may be printed
nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from theracast.features.datasets import load_cohort

#: Stands in every patient's id.
CANARY = "ZZPHI"
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Wreck:
    """One fault: how to make it, and what must be said of it.

    `tables` changes the tables before they are written, `files` the folder afterwards; `words` must stand in the
    findings, `needs` names a block without which the fault cannot be seen.
    """

    name: str
    code: str
    words: tuple[str, ...]
    tables: Callable[[Tables], object] | None = None
    files: Callable[[Path], object] | None = None
    needs: str = ""


def good_tables() -> Tables:
    """Twelve patients of whom nothing is wrong."""
    n = 12
    ids = [f"{CANARY}{i:02d}" for i in range(1, n + 1)]
    step = np.arange(n)
    clinical = pd.DataFrame(
        {
            "patient_id": ids,
            "age": 41 + 3 * step,
            "sex": np.where(step % 2, "M", "F"),
            "stage": np.array(["III", "M1a", "M1b", "M1c"])[step % 4],
            "ecog": step % 3,
            "ldh": 180.0 + 15 * step,
            "ldh_unit": "U/L",
            "albumin": 33.0 + step,
            "albumin_unit": "g/L",
            "creatinine": 61.0 + 4 * step,
            "creatinine_unit": "umol/L",
            "glucose": 4.5 + 0.2 * step,
            "glucose_unit": "mmol/L",
            "neutrophils": 3.0 + 0.3 * step,
            "neutrophils_unit": "10^9/L",
            "lymphocytes": 1.0 + 0.1 * step,
            "prior_ici": np.where(step % 3, "none", "CTLA4"),
            "ici_target": "PD1",
            "smoking_status": "never",
            "tmb": 2.0 + step,
            "tmb_unit": "mut/Mb",
            "sample_date": "2020-01-15",
            "treatment_start": "2020-02-01",
            "response": np.where(step % 2, "R", "NR"),
        }
    )
    pathology = pd.DataFrame(
        {"patient_id": ids, "pdl1": 5.0 * step, "pdl1_unit": "22C3 TPS %", "til": step % 3, "til_unit": "CD8 phenotype"}
    )
    tender, swollen, crp, pain = step % 8, step % 5, 3.0 + 2 * step, 20.0 + 5 * step
    activity = pd.DataFrame(
        {
            "patient_id": ids,
            "tender28": tender,
            "swollen28": swollen,
            "crp": crp,
            "crp_unit": "mg/L",
            "patient_global": pain,
            "patient_global_unit": "mm",
            "das28_crp": 0.56 * np.sqrt(tender) + 0.28 * np.sqrt(swollen) + 0.36 * np.log1p(crp) + 0.014 * pain + 0.96,
            "hba1c": 5.1 + 0.2 * step,
            "hba1c_unit": "%",
        }
    )
    real = load_cohort("riaz2017_mel").tables["expression"].iloc[:n].astype(np.float64)
    expression = real.set_axis(ids, axis=0).T.rename_axis("gene").reset_index()
    place = np.arange(16)
    cells = pd.DataFrame(
        {
            "patient_id": np.repeat(ids, 16),
            "x": np.tile(20.0 * (place % 4), n),
            "y": np.tile(20.0 * (place // 4), n),
            "cell_type": np.tile(np.where(place % 3, "tumour", "CD8 T cell"), n),
        }
    )
    return {
        "clinical": clinical,
        "pathology": pathology,
        "disease_activity": activity,
        "expression": expression,
        "cells": cells,
    }


def write_cohort(tables: Tables, folder: Path) -> Path:
    """Write the tables as a hospital would; expression as Parquet, genes in rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if name == "expression":
            table.to_parquet(folder / "expression.parquet", index=False)
        else:
            table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def wrecked(wreck: Wreck, folder: Path) -> Path:
    """Write the cohort with this one fault."""
    tables = good_tables()
    if wreck.tables:
        wreck.tables(tables)
    write_cohort(tables, folder)
    if wreck.files:
        wreck.files(folder)
    return folder


def put(table: str, column: str, value: object, rows: slice | list[int] | None = None) -> Callable[[Tables], object]:
    """Write a value (or make one from the old ones) into some rows of a column."""

    def change(tables: Tables) -> None:
        frame = tables[table]
        cells = frame[column].astype(object) if column in frame else pd.Series(None, frame.index, object)
        where = frame.index[rows if rows is not None else slice(None)]
        cells.loc[where] = value(cells.loc[where]) if callable(value) else value
        tables[table] = frame.assign(**{column: cells})

    return change


def times(table: str, column: str, factor: float) -> Callable[[Tables], object]:
    return put(table, column, lambda cells: cells.astype(float) * factor)


def genes(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Tables], object]:
    """Change the numbers of the expression table, genes in rows."""

    def wreck(tables: Tables) -> None:
        numbers = tables["expression"].set_index("gene")
        tables["expression"] = change(numbers).rename_axis("gene").reset_index()

    return wreck


def twice(tables: Tables) -> None:
    again = tables["clinical"].iloc[[2]].assign(age=99)
    tables["clinical"] = pd.concat([tables["clinical"], again])


def changed(table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Tables], object]:
    def wreck(tables: Tables) -> None:
        tables[table] = change(tables[table])

    return wreck


def lost_zeros(tables: Tables) -> None:
    for table in tables.values():
        if "patient_id" in table:
            table["patient_id"] = table["patient_id"].str.replace(CANARY, "0", regex=False)
    tables["expression"].columns = [c.replace(CANARY, "0") for c in tables["expression"].columns]
    short = tables["pathology"]["patient_id"].str.lstrip("0")
    tables["pathology"]["patient_id"] = short.where(
        tables["pathology"].index % 2 == 0, tables["pathology"]["patient_id"]
    )


def other_ids(tables: Tables) -> None:
    tables["pathology"]["patient_id"] = [f"biopsy {CANARY} {k}" for k in range(12)]


def text(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def units(said: dict[str, str]) -> Callable[[Path], object]:
    return lambda folder: (folder / "units.yaml").write_text(yaml.safe_dump(said))


def glucose(tables: Tables) -> None:
    minutes = pd.date_range("2021-05-01", periods=288, freq="5min")
    rows = {"patient_id": f"{CANARY}01", "time": minutes.astype(str), "glucose": 5.0 + np.sin(np.arange(288) / 40.0)}
    tables["glucose"] = pd.DataFrame(rows)


def counts(x: pd.DataFrame) -> pd.DataFrame:
    return np.floor((np.exp2(x) - 1.0) * 20.0)


def scaled(x: pd.DataFrame) -> pd.DataFrame:
    return x.sub(x.mean(axis=1), axis=0).div(x.std(axis=1) + 1e-9, axis=0)
