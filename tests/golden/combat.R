# ComBat of the sva package on the SIMULATED input of make_combat_input.py. Run from the root: Rscript tests/golden/combat.R
suppressPackageStartupMessages({library(sva); library(jsonlite)})
read <- function(name) read.csv(file.path("tests/golden", name), stringsAsFactors = FALSE)
run <- function(x, ...) {
  quiet <- capture.output(out <- suppressMessages(ComBat(t(as.matrix(x[, -(1:3)])), batch = x$site, ...)))
  unname(t(out))
}
x <- read("combat_input.csv")
mod <- model.matrix(~ stage + factor(grade), data = x)
gaps <- read("combat_gaps.csv")
gaps$g07 <- NULL # constant in one site: with a gap in it, sva does not see that and divides by nearly zero
result <- list(
  versions = list(R = as.character(getRversion()), sva = as.character(packageVersion("sva"))),
  plain = run(x), reference = run(x, ref.batch = "a"), covariates = run(x, mod = mod),
  reference_covariates = run(x, mod = mod, ref.batch = "b"),
  empirical = run(x, par.prior = FALSE), empirical_reference = run(x, par.prior = FALSE, ref.batch = "c"),
  gaps = run(gaps), gaps_reference = run(gaps, ref.batch = "a")
)
write(toJSON(result, digits = 12, na = "null", auto_unbox = TRUE), "tests/golden/combat_r.json")
