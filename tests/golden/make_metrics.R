# Golden numbers for tests/models/test_metrics.py. Run from the repository root: Rscript tests/golden/make_metrics.R
# Debian: apt-get install --no-install-recommends r-base-core r-cran-proc r-cran-metafor r-cran-jsonlite
suppressPackageStartupMessages({
  library(pROC)
  library(metafor)
  library(jsonlite)
})
here <- "tests/golden"
read <- function(name) read.csv(file.path(here, name), comment.char = "#")
z <- qnorm(0.975)

area <- function(y, score) {
  r <- roc(y, score, levels = c(0, 1), direction = "<", quiet = TRUE)
  a <- as.numeric(auc(r))
  se <- sqrt(pROC::var(r, method = "delong"))
  # pROC's own interval is Wald's; ours is on the logit scale, spelled out here from pROC's variance
  ci <- plogis(qlogis(a) + c(-1, 1) * z * se / (a * (1 - a)))
  list(value = a, se = se, lower = ci[1], upper = ci[2], wald = as.numeric(ci.auc(r, method = "delong"))[c(1, 3)])
}

difference <- function(y, a, b) {
  r <- lapply(list(a, b), function(s) roc(y, s, levels = c(0, 1), direction = "<", quiet = TRUE))
  test <- roc.test(r[[1]], r[[2]], method = "delong", paired = TRUE)
  value <- as.numeric(auc(r[[1]])) - as.numeric(auc(r[[2]]))
  se <- sqrt(pROC::var(r[[1]]) + pROC::var(r[[2]]) - 2 * pROC::cov(r[[1]], r[[2]]))
  list(value = value, se = se, lower = value - z * se, upper = value + z * se,
       z = as.numeric(test$statistic), p_value = test$p.value)
}

recalibration <- function(y, p) {
  x <- qlogis(p)
  tight <- glm.control(epsilon = 1e-15, maxit = 100)
  row <- function(fit, term) {
    s <- summary(fit)$coefficients[term, ]
    list(value = s[[1]], se = s[[2]], lower = s[[1]] - z * s[[2]], upper = s[[1]] + z * s[[2]])
  }
  list(slope = row(glm(y ~ x, family = binomial, control = tight), "x"),
       intercept = row(glm(y ~ 1, offset = x, family = binomial, control = tight), "(Intercept)"))
}

pooled <- function(yi, vi, test) {
  m <- rma(yi, vi, method = "DL", test = test)
  f <- predict(m)
  list(value = as.numeric(m$beta), se = m$se, lower = m$ci.lb, upper = m$ci.ub, tau2 = m$tau2, i2 = m$I2 / 100,
       q = m$QE, k = m$k, prediction_lower = f$pi.lb, prediction_upper = f$pi.ub)
}
both <- function(yi, vi) list(hksj = pooled(yi, vi, "knha"), modified = pooled(yi, vi, "adhoc"))

sim <- read("metrics_input.csv")
breast <- read("metrics_breast.csv")
bcg <- read("metrics_bcg.csv")
# the committed table is the published one: every count agrees with metafor's copy
stopifnot(all(as.matrix(bcg[, -1]) == as.matrix(dat.bcg[, c("tpos", "tneg", "cpos", "cneg")])))
rr <- escalc(measure = "RR", ai = t_pos, bi = t_neg, ci = c_pos, di = c_neg, data = bcg)

cohorts <- lapply(split(sim, sim$cohort), function(d) area(d$y, d$score_a))
a <- sapply(cohorts, `[[`, "value")
se <- sapply(cohorts, `[[`, "se")
agree <- list(yi = c(0.20, 0.25), vi = c(0.04, 0.09)) # two cohorts closer than chance: plain HKSJ is too narrow

golden <- list(
  made_by = "Rscript tests/golden/make_metrics.R",
  versions = c(list(R = paste(R.version$major, R.version$minor, sep = ".")),
               sapply(c("pROC", "metafor", "metadat", "jsonlite"), function(p) as.character(packageVersion(p)),
                      simplify = FALSE)),
  simulated = list(auc_a = area(sim$y, sim$score_a), auc_b = area(sim$y, sim$score_b),
                   difference = difference(sim$y, sim$score_a, sim$score_b),
                   calibration = recalibration(sim$y, sim$p)),
  breast = list(auc_a = area(breast$y, breast$a), auc_b = area(breast$y, breast$b),
                difference = difference(breast$y, breast$a, breast$b)),
  bcg = c(list(yi = as.numeric(rr$yi), vi = as.numeric(rr$vi)), both(rr$yi, rr$vi)),
  agree = c(agree, both(agree$yi, agree$vi)),
  cohorts = c(list(auc = cohorts), list(logit = both(qlogis(a), (se / (a * (1 - a)))^2)))
)
write_json(golden, file.path(here, "metrics_r.json"), auto_unbox = TRUE, digits = NA, pretty = TRUE)
