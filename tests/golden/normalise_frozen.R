# Numbers of edgeR for tests/features/test_expression.py: the last sample of a table against the reference of the others.
# Run from the root of the repository: Rscript tests/golden/normalise_frozen.R
suppressMessages(library(edgeR))
given <- read.csv("tests/golden/normalise_counts.csv")
out <- list()
for (name in c("composed", "expected", "plain", "ties")) {
  part <- given[given$table == name, ]
  x <- matrix(part$count, ncol = max(part$sample))
  n <- ncol(x)
  train <- x[, -n]
  sizes <- colSums(train)
  quartile <- edgeR:::.calcFactorQuantile(train[rowSums(train) > 0, ], lib.size = sizes, p = 0.75)
  ref <- which.min(abs(quartile - mean(quartile)))
  against <- function(obs) edgeR:::.calcFactorTMM(obs = obs, ref = train[, ref])
  scale <- exp(mean(log(apply(train, 2, against))))
  factor <- against(x[, n]) / scale
  depth <- mean(sizes * apply(train, 2, against) / scale)
  eff <- sum(x[, n]) * factor
  prior <- 2 * eff / depth
  out[[name]] <- data.frame(table = name, factor = sprintf("%.17g", factor),
                            logcpm = sprintf("%.17g", log2((x[1, n] + prior) / (eff + 2 * prior) * 1e6)))
}
write.csv(do.call(rbind, out), "tests/golden/normalise_frozen.csv", row.names = FALSE, quote = FALSE)
cat("edgeR", as.character(packageVersion("edgeR")), R.version.string, "\n")
