# Scores of published sets in real patients by R's GSVA: set_blocks_r.json.
suppressPackageStartupMessages({library(GSVA); library(jsonlite)})
here <- "tests/golden"
x <- t(as.matrix(read.csv(file.path(here, "set_blocks.csv"), row.names = 1, check.names = FALSE)))
lines <- strsplit(readLines(file.path(here, "set_blocks.gmt")), "\t")
sets <- setNames(lapply(lines, function(l) l[-(1:2)]), sapply(lines, `[`, 1))
score <- function(...) t(gsva(x, sets, min.sz = 1, verbose = FALSE, ...))
out <- list(
  tool = paste("R", getRversion(), "GSVA", packageVersion("GSVA")),
  sets = names(sets),
  patients = colnames(x),
  ssgsea = score(method = "ssgsea", ssgsea.norm = FALSE),
  zscore = score(method = "zscore"),
  plage = score(method = "plage"),
  gsva = score(method = "gsva", kcdf = "Gaussian", mx.diff = TRUE)
)
stopifnot(identical(colnames(out$gsva), out$sets), identical(rownames(out$gsva), out$patients))
write(toJSON(out, digits = 17, auto_unbox = TRUE, matrix = "rowmajor"), file.path(here, "set_blocks_r.json"))
