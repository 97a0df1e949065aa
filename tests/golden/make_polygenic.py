"""SIMULATED genotypes and weights, scored by plink2: ``tests/golden/polygenic*``. Needs plink2 on the path.

The weights are written twice: as plink2 wants them (the allele as it stands in the VCF), and as a file of the PGS
Catalog whose rows are partly swapped, partly on the other strand, with chr before the chromosome.
"""

import subprocess
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
COMPLEMENT = str.maketrans("ACGT", "TGCA")
rng = np.random.default_rng(20261125)
N, M = 80, 60
PAIRS = ["AG", "GA", "CT", "TC", "AC", "CA", "GT", "TG"]
PALINDROMES = ["AT", "TA", "CG", "GC"]

vcf = [
    "##fileformat=VCFv4.2",
    "##source=SIMULATED by tests/golden/make_polygenic.py",
    *(f"##contig=<ID=chr{c},length={n}>" for c, n in ((1, 248956422), (2, 242193529), (3, 198295559))),
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(f"s{i:02d}" for i in range(N)),
]
catalog = [
    "###PGS CATALOG SCORING FILE - SIMULATED",
    "#format_version=2.0",
    "#pgs_id=PGSSIM",
    "#trait_reported=nothing, SIMULATED",
    "#genome_build=GRCh37",
    "#HmPOS_build=GRCh38",
    "#citation=SIMULATED. doi:10.0000/simulated",
    "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\thm_source\thm_chr\thm_pos",
]
plink = {"all": [], "strict": []}
for j in range(M):
    chrom, position = j // 20 + 1, 10_000 + 731 * j
    palindrome = j % 10 == 7
    ref, alt = rng.choice(PALINDROMES if palindrome else PAIRS)
    alts = [alt, next(b for b in "ACGT" if b not in (ref, alt))] if j % 20 == 3 else [alt]
    shares = rng.dirichlet([6, 3, 1])[: len(alts) + 1]
    calls = rng.choice(len(alts) + 1, size=(N, 2), p=shares / shares.sum())
    missing = rng.random(N) < 0.05
    cells = ["./." if lost else f"{a}/{b}" for (a, b), lost in zip(calls, missing, strict=True)]
    vcf.append("\t".join([f"chr{chrom}", str(position), ".", ref, ",".join(alts), ".", ".", ".", "GT", *cells]))
    if j % 7 == 6:
        continue  # genotyped, but not in the score
    swapped, flipped = j % 4 == 1, j % 3 == 2 and not palindrome
    effect, other = (ref, alt) if swapped else (alt, ref)
    weight = f"{rng.normal(0, 0.2):.5f}"
    for kind in ("all",) if palindrome else ("all", "strict"):
        plink[kind].append(f"chr{chrom}:{position}\t{effect}\t{weight}")
    if flipped:
        effect, other = effect.translate(COMPLEMENT), other.translate(COMPLEMENT)
    catalog.append(f"rs{j}\t{chrom}\t{position - 500}\t{effect}\t{other}\t{weight}\tENSEMBL\t{chrom}\t{position}")
catalog.append("rs999\t1\t5\tA\tG\t0.00000\tliftover\t1\t999")  # in the score, in no genotype

(HERE / "polygenic.vcf").write_text("\n".join(vcf) + "\n")
(HERE / "polygenic_catalog.txt").write_text("\n".join(catalog) + "\n")
base = ["plink2", "--threads", "1", "--vcf", "polygenic.vcf", "--set-all-var-ids", "@:#", "--output-chr", "chrM"]


def run(*arguments):
    subprocess.run([*base, *arguments], cwd=HERE, check=True, stdout=subprocess.DEVNULL)


for kind, rows in plink.items():
    (HERE / f"polygenic_{kind}.score").write_text("\n".join(rows) + "\n")
    run("--score", f"polygenic_{kind}.score", "1", "2", "3", "cols=+scoresums", "--out", f"polygenic_{kind}")
run("--make-pgen", "--out", "polygenic")
run("--max-alleles", "2", "--export", "bgen-1.3", "ref-first", "--out", "polygenic")
for kind in ("all", "strict", ""):
    (HERE / f"polygenic{'_' if kind else ''}{kind}.log").unlink()
(HERE / "polygenic.sample").unlink()
