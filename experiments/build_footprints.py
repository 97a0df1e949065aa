"""Build features/tables/pathway_footprints.csv: the genes that answer to 14 pathways, with their weights.

The source is the model of PROGENy (Schubert et al. 2018, 10.1038/s41467-017-02391-6) in the Bioconductor package
progeny, Apache-2.0, as Debian carries it: apt-get download r-bioc-progeny && dpkg -x r-bioc-progeny_*.deb FOLDER.
Kept are the 100 genes of the smallest p-value per pathway, as the package does by default.
"""

from __future__ import annotations

import argparse
import io
import subprocess
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python experiments/build_footprints.py --package FOLDER/usr/lib/R/site-library/progeny"
TOP = 100


def read_model(package: Path) -> pd.DataFrame:
    """Read gene, pathway, weight and p-value of every pair, by R."""
    code = (
        f'e <- new.env(); invisible(lazyLoad("{package / "data" / "Rdata"}", e));'
        "write.csv(as.data.frame(e$model_human_full), stdout(), row.names = FALSE)"
    )
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=True)
    return pd.read_csv(io.StringIO(done.stdout))


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=f"Default: {COMMAND}")
    parser.add_argument("--package", type=Path, required=True, help="the installed or unpacked R package")
    parser.add_argument("--out", type=Path, default=ROOT / "features" / "tables", help="where to write")
    arguments = parser.parse_args()
    said = (arguments.package / "DESCRIPTION").read_text(encoding="utf-8")
    version = next(line.split(": ")[1] for line in said.splitlines() if line.startswith("Version: "))
    model = read_model(arguments.package)
    model = model.sort_values(["pathway", "p.value", "gene"], kind="stable").groupby("pathway").head(TOP)
    table = model[["pathway", "gene", "weight"]].round({"weight": 4})
    header = (
        f"Pathway footprints: the {TOP} genes of least p-value of each of {table.pathway.nunique()} pathways, human.",
        f"Source: model_human_full of the Bioconductor package progeny {version} (Debian r-bioc-progeny); Schubert "
        "et al. 2018, 10.1038/s41467-017-02391-6; Holland et al. 2020, 10.1016/j.bbagrm.2019.194431.",
        "Licence: Apache-2.0, Copyright 2017-2021 Michael Schubert, Alberto Valdeolivas, Christian H. Holland, Igor "
        "Bulanov, Aurelien Dugourd. Changes: genes selected, weights rounded to four decimals.",
        "weight: expression change per unit of pathway activity; below 0 the pathway lowers the gene.",
        f"Command: {COMMAND}",
    )
    text = "".join(f"# {line}\n" for line in header) + table.to_csv(index=False, lineterminator="\n")
    (arguments.out / "pathway_footprints.csv").write_text(text, encoding="utf-8")
    print(table.groupby("pathway").size().to_dict())


if __name__ == "__main__":
    main()
