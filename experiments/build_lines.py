"""Write experiments/drugs/cell_lines.csv: the tissue of each GDSC2 cell line, from the source of gdsctools 1.0.1.

Its table holds GDSC's own descriptors of tissue. The response tables spell names without punctuation, so two pairs of
lines (TT and T-T, KM-H2 and KMH-2) cannot be told apart: they get no tissue.
Run: pip download gdsctools==1.0.1 --no-deps --no-binary :all: -d FOLDER && python experiments/build_lines.py FOLDER
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import tarfile
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
DATA = Path(os.environ.get("THERACAST_DATA", HERE.parents[1] / "shared" / "data"))
RELEASE = "gdsctools-1.0.1"
HEADER = (
    "# Tissue of the GDSC2 cell lines: tissue and finer descriptor of GDSC; empty where two lines share a name.",
    f"# Source: {RELEASE} (PyPI), gdsctools/data/cosmic_info.csv.gz. Licence: BSD-3-Clause; descriptors by GDSC.",
    "# Command: python experiments/build_lines.py FOLDER",
)


def main() -> None:
    """Match names and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the source release lies")
    with tarfile.open(parser.parse_args().folder / f"{RELEASE}.tar.gz") as release:
        member = release.extractfile(f"{RELEASE}/gdsctools/data/cosmic_info.csv.gz")
        if member is None:
            raise SystemExit("the release holds no cosmic_info.csv.gz")
        listed = pd.read_csv(io.BytesIO(gzip.decompress(member.read())), dtype=str)
    # the header is one name short: tissue and finer descriptor stand below the names of two screens
    listed = listed.rename(columns={"GDSC1": "tissue", "GDSC2": "descriptor"})
    listed["cell_line"] = [re.sub("[^A-Z0-9]", "", name.upper()) for name in listed["SAMPLE_NAME"]]
    listed = listed[~listed["cell_line"].duplicated(keep=False)].set_index("cell_line")[["tissue", "descriptor"]]
    response = pd.read_parquet(DATA / "multiomics" / "gdsc2_cell_lines" / "response_auc.parquet", columns=["cell_line"])
    table = listed.reindex(pd.Index(response["cell_line"], name="cell_line"))
    table["descriptor"] = table["descriptor"].str.strip()
    out = HERE / "drugs" / "cell_lines.csv"
    out.parent.mkdir(exist_ok=True)
    out.write_text("\n".join(HEADER) + "\n" + table.to_csv(lineterminator="\n"), encoding="utf-8")
    print(f"{len(table)} lines, {table['tissue'].notna().sum()} with a tissue, {table['tissue'].nunique()} tissues")


if __name__ == "__main__":
    main()
