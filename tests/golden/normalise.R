# Numbers of edgeR for tests/kernels/test_normalise.py. SIMULATED counts, most of them small: ties everywhere.
# Run from the root of the repository: Rscript tests/golden/normalise.R
suppressMessages(library(edgeR))
set.seed(20240917)
tables <- list(
  plain = matrix(rnbinom(400 * 8, mu = 200, size = 2), 400, 8),
  ties = matrix(rpois(400 * 8, 2), 400, 8),
  sparse = matrix(rpois(400 * 8, 0.2), 400, 8),
  two = matrix(rpois(300 * 2, 3), 300, 2),
  alone = matrix(rpois(50, 5), 50, 1),
  proportional = outer(rpois(200, 20), c(1, 2, 3, 6, 7, 10)),
  same = matrix(rep(rpois(100, 4), 3), 100, 3),
  expected = round(matrix(rgamma(300 * 5, 0.5, 0.05), 300, 5), 2)
)
tables$composed <- tables$ties
tables$composed[1:40, 5:8] <- tables$composed[1:40, 5:8] * 30L
counts <- factors <- logs <- list()
for (name in names(tables)) {
  x <- tables[[name]]
  f <- calcNormFactors(x, method = "TMM")
  d <- DGEList(x)
  d$samples$norm.factors <- f
  counts[[name]] <- data.frame(table = name, sample = rep(seq_len(ncol(x)), each = nrow(x)),
                               gene = rep(seq_len(nrow(x)), ncol(x)), count = as.vector(x))
  factors[[name]] <- data.frame(table = name, sample = seq_len(ncol(x)), tmm = sprintf("%.17g", f))
  l <- cpm(d, log = TRUE)[1:5, , drop = FALSE]
  logs[[name]] <- data.frame(table = name, sample = rep(seq_len(ncol(x)), each = 5), gene = rep(1:5, ncol(x)),
                             logcpm = sprintf("%.17g", as.vector(l)))
}
write <- function(parts, file)
  write.csv(do.call(rbind, parts), file.path("tests/golden", file), row.names = FALSE, quote = FALSE)
write(counts, "normalise_counts.csv")
write(factors, "normalise_tmm.csv")
write(logs, "normalise_logcpm.csv")
cat("edgeR", as.character(packageVersion("edgeR")), R.version.string, "\n")
