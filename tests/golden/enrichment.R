# Golden numbers for tests/features/test_enrichment.py. Run from the repository root: Rscript tests/golden/enrichment.R
# Debian: apt-get install --no-install-recommends r-bioc-gsva r-cran-jsonlite
suppressPackageStartupMessages({
  library(GSVA)
  library(jsonlite)
})
here <- "tests/golden"
sets <- fromJSON(file.path(here, "enrichment_sets.json"))

scores <- function(name) {
  table <- read.csv(file.path(here, paste0("enrichment_", name, ".csv")), comment.char = "#", row.names = 1)
  x <- t(as.matrix(table))
  run <- function(...) t(suppressWarnings(gsva(x, sets, verbose = FALSE, ...)))
  capture.output(found <- list(ssgsea = run(method = "ssgsea", ssgsea.norm = FALSE),
                               ssgsea_normalised = run(method = "ssgsea", ssgsea.norm = TRUE),
                               zscore = run(method = "zscore"),
                               plage = run(method = "plage")))
  found
}

golden <- list(
  made_by = "Rscript tests/golden/enrichment.R",
  versions = c(list(R = paste(R.version$major, R.version$minor, sep = ".")),
               sapply(c("GSVA", "jsonlite"), function(p) as.character(packageVersion(p)), simplify = FALSE)),
  sets = names(sets),
  ties = scores("ties"),
  plain = scores("plain")
)
write_json(golden, file.path(here, "enrichment_r.json"), auto_unbox = TRUE, digits = NA, pretty = FALSE)
