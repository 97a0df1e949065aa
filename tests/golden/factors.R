# Multi-block PLS of classes by ade4::mbpls: super scores and the share of each block in each factor.
# Rscript tests/golden/factors.R INPUT.csv OUTPUT.json
suppressMessages({library(ade4); library(jsonlite)})
args <- commandArgs(TRUE)
table <- read.csv(args[1], row.names = 1, check.names = FALSE)
features <- setdiff(names(table), "kind")
owner <- sub("__.*", "", features)
blocks <- lapply(split(features, factor(owner, unique(owner))), function(f) table[, f, drop = FALSE])
kinds <- sort(unique(table$kind))
dummies <- as.data.frame(sapply(kinds, function(k) as.numeric(table$kind == k)), row.names = rownames(table))
y <- dudi.pca(dummies, center = TRUE, scale = TRUE, scannf = FALSE, nf = 2)
found <- mbpls(y, ktab.list.df(blocks), scale = TRUE, option = "uniform", scannf = FALSE, nf = 3)
scores <- found$lX[, 1:3]
write(toJSON(list(
  tool = paste("R", getRversion(), "ade4", packageVersion("ade4")), patients = rownames(scores),
  scores = unname(as.matrix(scores)), blocks = rownames(found$bip), importance = unname(as.matrix(found$bip[, 1:3]))
), digits = 12, auto_unbox = TRUE), args[2])
