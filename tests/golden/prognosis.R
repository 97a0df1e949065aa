# Cox and logistic regression of the same patients in R: Rscript tests/golden/prognosis.R [folder of public cohorts]
suppressPackageStartupMessages({library(survival); library(jsonlite)})
folder <- "tests/golden"
fit <- function(model, names) {
  table <- summary(model)$coefficients
  columns <- if (inherits(model, "coxph")) c("coef", "se(coef)") else c("Estimate", "Std. Error")
  list(log_ratio = as.list(table[names, columns[1]]), se = as.list(table[names, columns[2]]))
}
tight <- coxph.control(eps = 1e-11, toler.chol = 1e-14, iter.max = 60)
both <- function(d, names, alive = "Surv(months, died)") {
  # one model with every feature by group, each group its own baseline: the interactions and their p-values
  d$group <- d$treated
  terms <- paste0(names, collapse = " + ")
  formula <- as.formula(sprintf("%s ~ (%s) + (%s):group + strata(tumour, group)", alive, terms, terms))
  model <- coxph(formula, d, ties = "efron", control = tight)
  of <- summary(model)$coefficients[paste0(names, ":group"), ]
  p <- setNames(of[, "Pr(>|z|)"], names)
  one <- function(g) coxph(as.formula(sprintf("%s ~ %s + strata(tumour)", alive, terms)), d[d$treated == g, ],
                           ties = "efron", control = tight)
  got <- d[d$treated == 1 & !is.na(d$response), ]
  mixed <- tapply(got$response, got$tumour, function(r) mean(r) > 0 & mean(r) < 1)
  got <- got[got$tumour %in% names(mixed)[mixed], ]
  odds <- glm(as.formula(paste("response ~ factor(tumour) +", terms)), binomial, got,
              control = glm.control(epsilon = 1e-13, maxit = 60))
  list(treated = fit(one(1), names), untreated = fit(one(0), names), response = fit(odds, names),
       interaction = list(log_ratio = as.list(setNames(of[, "coef"], names)),
                          se = as.list(setNames(of[, "se(coef)"], names))),
       p = as.list(p), p_holm = as.list(p.adjust(p, "holm")))
}
input <- read.csv(file.path(folder, "prognosis_input.csv"))
out <- list(tool = paste0("R ", getRversion(), ", survival ", packageVersion("survival")))
out$simulated <- both(input, c("marker", "albumin", "earlier"))
c_of <- concordance(Surv(months, died) ~ albumin + strata(tumour), input[input$treated == 0, ], reverse = TRUE)
out$concordance <- unname(c_of$concordance)
shared <- commandArgs(TRUE)
if (length(shared)) {
  read <- function(name, treated) {
    d <- read.csv(file.path(shared, "ici", name, "clinical.csv"))
    data.frame(treated = treated, tumour = d$cancer_type, months = d$os_months, died = d$os_event,
               age = pmin(d$age, 85), earlier = as.numeric(d$prior_treatment == "yes"), albumin = d$albumin,
               nlr = log2(1 + pmin(d$nlr, 25)), tmb = log2(1 + pmin(d$tmb, 50)),
               response = if (treated) as.numeric(d$response == "R") else NA)
  }
  d <- rbind(read("loris_chowell_train_pan", 1), read("loris_chowell_test_pan", 1), read("loris_msk_nonici_control", 0))
  d <- d[d$tumour %in% intersect(d$tumour[d$treated == 1], d$tumour[d$treated == 0]), ]
  out$real <- both(d, c("age", "earlier", "albumin", "nlr", "tmb"))
  out$n <- as.list(table(factor(d$treated, labels = c("untreated", "treated"))))
}
write(toJSON(out, auto_unbox = TRUE, digits = 15, pretty = TRUE), file.path(folder, "prognosis_r.json"))
