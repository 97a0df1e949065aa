# GSVA 1.46 scores of the simulated cohorts in gsva_*.csv. Run from the root of the repository: Rscript tests/golden/gsva.R
suppressPackageStartupMessages({
  library(GSVA)
  library(jsonlite)
})
here <- "tests/golden"
sets <- lapply(split(read.csv(file.path(here, "gsva_sets.csv"))$gene, read.csv(file.path(here, "gsva_sets.csv"))$set), as.character)
out <- list(versions = list(R = as.character(getRversion()), GSVA = as.character(packageVersion("GSVA"))))
for (cohort in c("plain", "ties", "sparse", "two")) {
  x <- read.csv(file.path(here, paste0("gsva_", cohort, ".csv")), row.names = 1, check.names = FALSE, comment.char = "#")
  expression <- t(as.matrix(x)) # genes x samples
  run <- function(diff) {
    scores <- suppressWarnings(gsva(expression, sets, method = "gsva", kcdf = "Gaussian", mx.diff = diff,
                                    abs.ranking = FALSE, verbose = FALSE))
    list(sets = rownames(scores), samples = colnames(scores), scores = unname(t(scores)))
  }
  varying <- suppressWarnings(GSVA:::.filterFeatures(expression, "gsva"))
  density <- GSVA:::compute.gene.density(varying, seq_len(ncol(expression)))
  out[[cohort]] <- list(max_diff = run(TRUE), farthest = run(FALSE), first_levels = t(density)[, 1:8])
}
# widths of 17 digits: a double read back is the double that was written
out$table <- list(at = c(0, 31, 674, 675, 1787, 5657, 10000), cdf = pnorm(10 * c(0, 31, 674, 675, 1787, 5657, 10000) / 10000))
write_json(out, file.path(here, "gsva_r.json"), digits = NA, auto_unbox = TRUE, na = "string")
