"""Write the gene symbols: ``features/tables/hgnc.parquet``.

Run from the repository root::

    .venv/bin/python experiments/build_symbols.py --source ../shared/data/genes

One row per gene: approved symbol, previous symbols, aliases, Ensembl and NCBI (Entrez) numbers. The source does not say
which spellings are previous symbols; the few below are needed where a spelling leads to several genes, one of which
had it as its approved symbol.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
DATE = "April 2022"
META = {
    "date": DATE,
    "source": "HGNC approved, alias and previous symbols as packaged by waldronlab/HGNChelper, commit e485738d1b97; "
    "Ensembl and NCBI numbers of Bioconductor org.Hs.eg.db 3.16.0",
    "licence": "HGNC: free of restrictions (CC0); org.Hs.eg.db: Artistic-2.0 (see NOTICE)",
    "command": "python experiments/build_symbols.py --source ../shared/data/genes",
}
#: Approved symbols of before 2021 that are an alias of another gene too (HGNC, DOI 10.1093/nar/gkac888).
PREVIOUS = {
    "AGPAT9": "GPAT3", "CSRP2BP": "KAT14", "DEC1": "DELEC1", "DUSP27": "STYXL2", "GIF": "CBLIF", "LOR": "LORICRIN",
    "MPP6": "PALS2", "MUM1": "PWWP3A", "NOV": "CCN3", "QARS": "QARS1", "SARS": "SARS1", "SEPT2": "SEPTIN2",
    "STRA13": "CENPX",
}  # fmt: skip
#: Spellings that a spreadsheet made of a symbol: they follow from a rule (`theracast.features.excel_dates`).
DATES = r"(?i)^(?:\d{1,2}-(?:sep|mar|dec|oct)|\d{2}[-/]\d{1,2}|\d{1,2}/\d{1,2}|(?:10|12)-\d)$"


def build(source: Path) -> pd.DataFrame:
    """Put the two tables together."""
    pairs = pd.read_parquet(source / "symbols.parquet")
    pairs = pairs[~pairs["symbol"].str.match(DATES)]
    approved = sorted(set(pairs["approved_symbol"]))
    known = set(approved)
    others = pairs[~pairs["symbol"].isin(known)]
    was = others["symbol"].map(PREVIOUS) == others["approved_symbol"]
    leads = others.groupby("symbol")["approved_symbol"].agg(lambda s: s.iloc[0] if len(s) == 1 else "").to_dict()

    ids = pd.read_parquet(source / "ensembl.parquet")
    ids["symbol"] = [s if s in known else leads.get(s, "") for s in ids["symbol"]]
    ids = ids[ids["symbol"] != ""]
    ids["ensembl"] = ids["ensembl_gene"].str.removeprefix("ENSG").astype(int).astype(str)

    def joined(table: pd.DataFrame, by: str, column: str) -> pd.Series:
        return table.groupby(by)[column].agg(lambda s: "|".join(sorted(set(s)))).reindex(approved).fillna("")

    return pd.DataFrame(
        {
            "symbol": approved,
            "previous": joined(others[was], "approved_symbol", "symbol").to_numpy(),
            "alias": joined(others[~was], "approved_symbol", "symbol").to_numpy(),
            "ensembl": joined(ids, "symbol", "ensembl").to_numpy(),
            "entrez": joined(ids, "symbol", "entrez").to_numpy(),
        }
    )


def main() -> None:
    """Read, write, say how large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data/genes"))
    table = build(parser.parse_args().source)
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(META)
    path = ROOT / "features" / "tables" / "hgnc.parquet"
    pq.write_table(arrow, path, compression="zstd", compression_level=19, use_dictionary=False, write_statistics=False)
    print(f"{path}: {len(table)} genes, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
