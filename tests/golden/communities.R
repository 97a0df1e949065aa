# Expected number of kinds at a common depth, of vegan, for the SIMULATED counts of communities_skbio.json.
# Run: Rscript tests/golden/communities.R
suppressMessages({
  library(vegan)
  library(jsonlite)
})
x <- fromJSON("tests/golden/communities_skbio.json")$counts
out <- list(tool = paste("vegan", packageVersion("vegan"), R.version.string))
for (depth in c(10, 100)) {
  enough <- rowSums(x) >= depth
  values <- rep(NA_real_, nrow(x))
  values[enough] <- rarefy(x[enough, , drop = FALSE], depth)
  out[[as.character(depth)]] <- values
}
writeLines(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null"), "tests/golden/communities_vegan.json")
