# CYT, T-cell-inflamed GEP and IMPRES of published_tpm.csv by olapuentesantana/easier (MIT), its functions as they stand.
# Run: Rscript tests/golden/published.R DIR_OF_EASIER; weights and pairs are given to them as the package would.
suppressMessages(library(jsonlite))
folder <- commandArgs(trailingOnly = TRUE)[1]
for (f in c("compute_CYT", "compute_Tcell_inflamed", "compute_IMPRES_MSI")) source(file.path(folder, "R", paste0(f, ".R")))
tpm <- t(as.matrix(read.csv("tests/golden/published_tpm.csv", row.names = 1, check.names = FALSE)))
tpm <- as.data.frame(tpm, check.names = FALSE)
at <- function(genes) match(genes, rownames(tpm))
weights <- c(
  CCL5 = 0.008346, CD27 = 0.072293, CD274 = 0.042853, CD276 = -0.0239, CD8A = 0.031021, CMKLR1 = 0.151253,
  CXCL9 = 0.074135, CXCR6 = 0.004313, `HLA-DQA1` = 0.020091, `HLA-DRB1` = 0.058806, `HLA-E` = 0.07175, IDO1 = 0.060679,
  LAG3 = 0.123895, NKG7 = 0.075524, PDCD1LG2 = 0.003734, PSMB10 = 0.032999, STAT1 = 0.250229, TIGIT = 0.084767
)
housekeeping <- c(
  "STK11IP", "ZBTB34", "TBC1D10B", "OAZ1", "POLR2A", "G6PD", "ABCF1", "NRDE2", "UBB", "TBP", "SDHA"
)
pairs <- read.csv("tests/golden/published_impres_pairs.csv")
without <- tpm[rownames(tpm) != "VSIR", ]
part <- function(genes) match(genes, rownames(without))
out <- list(
  versions = list(R = R.version.string, easier = "1.7.1, commit fd5a45d114ab"),
  patients = colnames(tpm),
  cytolytic = compute_CYT(at(c("GZMA", "PRF1")), tpm)$CYT,
  gep = compute_Tcell_inflamed(at(housekeeping), at(names(weights)), weights, tpm)$Tcell_inflamed,
  impres = compute_IMPRES_MSI("IMPRES", 15, at(pairs$above), at(pairs$below), tpm)$IMPRES,
  impres_without_VSIR = compute_IMPRES_MSI("IMPRES", 15, part(pairs$above), part(pairs$below), without)$IMPRES
)
write_json(out, "tests/golden/published_easier.json", digits = 12, auto_unbox = TRUE, pretty = TRUE)
