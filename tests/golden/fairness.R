# SIMULATED tables of two groups in three cohorts: the exact test of R's mantelhaen.test, and Holm's adjustment.
# Run: Rscript tests/golden/fairness.R
library(jsonlite)
set.seed(20261126)
tables <- lapply(1:8, function(k) array(rpois(12, 6) + 1, c(2, 2, 3)))
p <- sapply(tables, function(t) mantelhaen.test(t, exact = TRUE)$p.value)
# as array(): outcome, group, cohort, the first changing fastest
found <- list(
  R = paste(R.version$major, R.version$minor, sep = "."),
  tables = lapply(tables, as.vector),
  p = p,
  holm = p.adjust(p, "holm")
)
write(toJSON(found, digits = 16, auto_unbox = TRUE), "tests/golden/fairness_r.json")
