# Class counts, burden and pathways of the example MAF, by maftools' own functions.
# Rscript tests/golden/maftools.R DIR_OF_MAFTOOLS   (a checkout: the package itself is not in Debian)
suppressMessages({library(data.table); library(jsonlite); library(methods)})
root <- commandArgs(trailingOnly = TRUE)[1]
files <- list.files(file.path(root, "R"), full.names = TRUE)
for (f in c(file.path(root, "R", "mafObjects.R"), files)) {
  try(source(f), silent = TRUE)
}
maf <- file.path(root, "inst/extdata/tcga_laml.maf.gz")
laml <- read.maf(maf = fread(cmd = paste("zcat", maf), sep = "\t", stringsAsFactors = FALSE), verbose = FALSE)
summary <- as.data.frame(getSampleSummary(laml))
rownames(summary) <- as.character(summary$Tumor_Sample_Barcode)
genes <- as.data.frame(getGeneSummary(laml))
per_mb <- as.data.frame(tmb(maf = laml, captureSize = 50, plotType = NA, verbose = FALSE))
sets <- fread(file.path(root, "inst/extdata/oncogenic_sig_patwhays.tsv"))
mutated <- unique(laml@data[, .(Hugo_Symbol, Tumor_Sample_Barcode)])
hit <- merge(sets, mutated, by.x = "Gene", by.y = "Hugo_Symbol")
pathways <- hit[, .(genes = uniqueN(Gene)), by = .(Pathway, Tumor_Sample_Barcode)]
write_json(list(
  versions = list(R = R.version.string, maftools = "c8ff3283", data.table = as.character(packageVersion("data.table"))),
  classes = summary[, setdiff(names(summary), "Tumor_Sample_Barcode")],
  samples = rownames(summary),
  burden = setNames(as.list(per_mb$total_perMB), as.character(per_mb$Tumor_Sample_Barcode)),
  mutated_samples = setNames(as.list(genes$MutatedSamples), genes$Hugo_Symbol),
  pathways = as.data.frame(pathways)
), "tests/golden/maftools_laml.json", auto_unbox = TRUE, digits = NA)
