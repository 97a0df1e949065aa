"""Write the tables of the tumour genome: hotspots, pathways, panels and landmarks of the two genome builds.

Run from the repository root, with `rdata` installed and the three repositories checked out::

    python experiments/build_genome.py --shared ../shared/data --maftools DIR --gnomer DIR --pancancertools DIR

Facts only are taken: which genes, residues and positions. Symbols become the approved ones of the shared HGNC table
where a spelling leads to one gene.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
TABLES = ROOT / "features" / "tables"
COMMAND = "python experiments/build_genome.py --shared ../shared/data --maftools DIR --gnomer DIR --pancancertools DIR"

#: Megabases of coding sequence by which each panel's burden is counted, and the paper that says so.
SIZES = {
    "MSK-IMPACT341": (0.98, "IMPACT341", "10.1200/JCO.2017.75.3384"),
    "MSK-IMPACT410": (1.06, "IMPACT410", "10.1200/JCO.2017.75.3384"),
    "MSK-IMPACT468": (1.22, "MSK-IMPACT468", "10.1200/JCO.2017.75.3384"),
}
F1CDX = (0.8, "10.1186/s40425-019-0647-4")

#: Two more groups than the ten of Sanchez-Vega 2018.
ADDED = {
    "antigen_presentation": (
        "B2M HLA-A HLA-B HLA-C TAP1 TAP2 TAPBP CALR CANX PDIA3 ERAP1 ERAP2 NLRC5 JAK1 JAK2 IFNGR1 IFNGR2 STAT1 IRF1",
        "10.1038/s41467-017-01062-w",
    ),
    "DNA_repair": (
        "MLH1 MSH2 MSH3 MSH6 PMS2 POLE POLD1 BRCA1 BRCA2 PALB2 RAD51C RAD51D ATM ATR CHEK1 CHEK2 FANCA FANCC FANCD2 "
        "ERCC2 ERCC4 XRCC1 MUTYH NBN RAD50 MRE11",
        "10.1016/j.celrep.2018.03.076",
    ),
}
NAMES = {"RTK-RAS": "RTK_RAS", "TGF-Beta": "TGF_beta", "Cell_Cycle": "cell_cycle", "NOTCH": "Notch", "WNT": "Wnt"}

#: Changes that nearly every laboratory meets: their place tells which build a file is in.
LANDMARKS = (
    "BRAF V600E", "BRAF V600K", "NRAS Q61R", "NRAS Q61K", "NRAS Q61L", "KRAS G12C", "KRAS G12D", "KRAS G12V",
    "KRAS G13D", "EGFR L858R", "EGFR T790M", "PIK3CA H1047R", "PIK3CA E545K", "PIK3CA E542K", "IDH1 R132H",
    "IDH1 R132C", "IDH2 R140Q", "TP53 R175H", "TP53 R248Q", "TP53 R248W", "TP53 R273H", "TP53 R273C", "TP53 R282W",
    "TP53 Y220C", "CTNNB1 S45F", "CTNNB1 T41A", "GNAQ Q209L", "GNA11 Q209L", "KIT D816V", "ERBB2 S310F",
    "FBXW7 R465H", "FGFR3 S249C", "HRAS Q61R", "AKT1 E17K", "POLE P286R", "DNMT3A R882H", "FLT3 D835Y", "JAK2 V617F",
    "SF3B1 K700E", "PTEN R130Q", "APC R1450*", "RAC1 P29S", "MAP2K1 P124S", "NFE2L2 E79Q", "STK11 Q37*",
    "SMAD4 R361H",
)  # fmt: skip


def approved(shared: Path) -> Callable[[str], str]:
    """Return a function from a spelling to the approved symbol; spellings of several genes stay as they are."""
    table = pd.read_parquet(shared / "genes" / "symbols.parquet")
    table = table[~table.ambiguous].drop_duplicates("symbol").set_index("symbol").approved_symbol
    known = set(table)
    return lambda symbol: symbol if symbol in known else str(table.get(symbol, symbol))


def write(name: str, table: pd.DataFrame, header: list[str]) -> None:
    """Write a table with its `#` lines."""
    lines = "".join(f"# {line}\n" for line in [*header, f"Command: {COMMAND}"])
    (TABLES / f"{name}.csv").write_text(lines + table.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
    print(name, len(table))


def hotspots(shared: Path, symbol: Callable[[str], str]) -> pd.DataFrame:
    """Read gene and residue of each hotspot."""
    table = pd.read_csv(shared / "evidence" / "hotspots_chang2016.csv")
    genes = table.hugo_symbol.map(symbol)
    found = pd.DataFrame({"gene": genes, "residue": table.codon.str.strip()})
    return found.drop_duplicates().sort_values(["gene", "residue"])


def pathways(maftools: Path, symbol: Callable[[str], str]) -> pd.DataFrame:
    """Read the members of the ten pathways and add the two groups."""
    table = pd.read_csv(maftools / "inst/extdata/oncogenic_sig_patwhays.tsv", sep="\t")
    table["Gene"] = table.Gene.map(symbol)
    rows = [
        (NAMES.get(name, name), ":".join(sorted(set(part.Gene))), "10.1016/j.cell.2018.03.035")
        for name, part in table.groupby("Pathway")
    ]
    rows += [(name, ":".join(sorted(set(genes.split()))), doi) for name, (genes, doi) in ADDED.items()]
    return pd.DataFrame(rows, columns=["pathway", "genes", "reference"])


def panels(gnomer: Path, pancan: Path, symbol: Callable[[str], str]) -> pd.DataFrame:
    """Read the genes of the panels."""
    import rdata

    table = rdata.read_rda(gnomer / "data" / "gene_panels.rda")["gene_panels"].set_index("gene_panel")
    rows = []
    for name, (size, key, doi) in SIZES.items():
        genes = {symbol(str(g)) for g in table.loc[key, "genes_in_panel"]}
        rows.append((name, size, ":".join(sorted(genes)), doi))
    text = (pancan / "data" / "FoundationOneCDx.txt").read_text(encoding="utf-8")
    text = re.sub(r"\(.*?\)", " ", text).replace("*", " ")
    coding = [*text.split("ZNF703")[0].split(), "ZNF703"]  # the genes after it are read for rearrangements only
    rows.append(("FoundationOneCDx", F1CDX[0], ":".join(sorted({symbol(g) for g in coding})), F1CDX[1]))
    return pd.DataFrame(rows, columns=["panel", "mb", "genes", "reference"])


def landmarks(maftools: Path) -> pd.DataFrame:
    """Read the position of each landmark in both builds; single-base changes only."""
    both = []
    for build in ("GRCh37", "GRCh38"):
        names = ["chrom", "pos", "ref", "alt", "gene", "class", "protein", "sift"]
        file = maftools / f"inst/extdata/cancerhotspots_v2_{build}.tsv"
        table = pd.read_csv(file, sep="\t", header=None, names=names, dtype=str)
        table = table[(table.ref.str.len() == 1) & (table.alt.str.len() == 1) & (table.ref != "-") & (table.alt != "-")]
        table = table[(table.gene + " " + table.protein).isin(LANDMARKS)].drop_duplicates()
        both.append(table.set_index(["gene", "protein", "chrom", "ref", "alt"]).pos.rename(build.lower()).astype(int))
    found = pd.concat(both, axis=1, join="inner").reset_index()
    found = found[found.grch37 != found.grch38]  # the same place in both builds tells nothing
    return found[["gene", "protein", "chrom", "grch37", "grch38"]].sort_values(["gene", "protein", "grch37"])


def lengths(maftools: Path) -> pd.DataFrame:
    """Read the length of each chromosome in both builds."""
    columns = {}
    for build, name in (("hg19", "grch37"), ("hg38", "grch38")):
        bands = pd.read_csv(maftools / f"inst/extdata/{build}_cytobands.tsv.gz", sep="\t")
        bands.columns = [c.lstrip("#") for c in bands.columns]
        ends = bands.groupby("chrom")["chromEnd"].max()
        columns[name] = ends.rename(index=lambda c: c.removeprefix("chr"))
    table = pd.DataFrame(columns).astype(int).rename_axis("chrom").reset_index()
    return table.sort_values("chrom", key=lambda c: pd.to_numeric(c, errors="coerce").fillna(99))


def main() -> None:
    """Write the five tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("shared", "maftools", "gnomer", "pancancertools"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    a = parser.parse_args()
    symbol = approved(a.shared)
    write(
        "hotspots",
        hotspots(a.shared, symbol),
        [
            "Residues mutated more often than chance.",
            "Source: Chang et al. 2016, Nat Biotechnol, 10.1038/nbt.3391, table S2.",
            "Licence: facts (gene and residue); Apache-2.0; symbols of 2022. A splice hotspot is X<codon>_splice.",
        ],
    )
    write(
        "pathways",
        pathways(a.maftools, symbol),
        [
            "Ten oncogenic pathways. Source: Sanchez-Vega et al. 2018, Cell, 10.1016/j.cell.2018.03.035; members as in",
            "maftools (PoisonAlien/maftools c8ff3283, MIT). antigen_presentation and DNA_repair are put together here,",
            "from the papers in column reference. Licence: facts; Apache-2.0; symbols of 2022.",
        ],
    )
    write(
        "gene_panels",
        panels(a.gnomer, a.pancancertools, symbol),
        [
            "Genes whose coding sequence a panel reads, and the megabases by which its burden is counted (reference).",
            "Source: MSK-IMPACT by cBioPortal's panels as packaged by MSKCC-Epi-Bio/gnomeR cca101fd (MIT).",
            "FoundationOne CDx:",
            "the genes of its label, as in laurentijntilleman/PanCancerTools 597d135f; the vendor's own burden also",
            "counts synonymous variants. Licence: facts; Apache-2.0; symbols of 2022.",
        ],
    )
    write(
        "landmarks",
        landmarks(a.maftools),
        [
            "Frequent changes and where they stand in GRCh37 and GRCh38, to see a file in the wrong build.",
            "Source: positions of cancerhotspots.org v2 (10.1158/2159-8290.CD-17-0321) as in maftools c8ff3283.",
            "Licence: facts; Apache-2.0.",
        ],
    )
    write(
        "chromosomes",
        lengths(a.maftools),
        [
            "Length of the chromosomes, GRCh37 (hg19) and GRCh38 (hg38), bases.",
            "Source: UCSC cytobands. Licence: facts; Apache-2.0.",
        ],
    )


if __name__ == "__main__":
    main()
