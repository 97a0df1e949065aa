"""Write `laml.maf.gz`: the columns of maftools' example MAF that the tests read.

python tests/golden/make_laml.py DIR_OF_MAFTOOLS
"""

import gzip
import sys
from pathlib import Path

import pandas as pd

KEPT = [
    "Hugo_Symbol", "NCBI_Build", "Chromosome", "Start_Position", "Variant_Classification", "Reference_Allele",
    "Tumor_Seq_Allele2", "Tumor_Sample_Barcode", "Protein_Change",
]  # fmt: skip

source = Path(sys.argv[1]) / "inst" / "extdata" / "tcga_laml.maf.gz"
table = pd.read_csv(source, sep="\t", dtype=str, keep_default_na=False)[KEPT]
text = "#TCGA LAML (10.1056/NEJMoa1301689), open access; as in PoisonAlien/maftools c8ff3283 (MIT)\n"
text += table.to_csv(sep="\t", index=False, lineterminator="\n")
target = Path(__file__).with_name("laml.maf.gz")
target.write_bytes(gzip.compress(text.encode(), mtime=0))
print(len(table), "rows,", target.stat().st_size, "bytes")
