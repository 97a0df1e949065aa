# Posterior modes of intercept and slope under normal priors (arm), and without priors (stats): recalibration_r.json
suppressMessages({library(arm); library(jsonlite)})
d <- read.csv("tests/golden/conformal_input.csv")
assumed <- 0.3
centre <- qlogis(assumed)
mode <- function(n, sds) {
  s <- d[seq_len(n), ]
  s$x <- s$margin - centre
  # offset: intercept 0 and slope 1 are the centres of the priors
  fit <- bayesglm(y ~ x, family = binomial, data = s, offset = centre + s$x, prior.mean = 0, prior.scale = sds[2],
                  prior.df = Inf, prior.mean.for.intercept = 0, prior.scale.for.intercept = sds[1],
                  prior.df.for.intercept = Inf, scaled = FALSE, control = glm.control(epsilon = 1e-14, maxit = 500))
  b <- unname(coef(fit))
  list(n = n, spread = sds, intercept = b[1] - b[2] * centre, slope = 1 + b[2])
}
plain <- unname(coef(glm(y ~ margin, family = binomial, data = d, control = glm.control(epsilon = 1e-14))))
out <- list(R = R.version.string, arm = as.character(packageVersion("arm")), assumed = assumed,
            modes = list(mode(5, c(.5, .5)), mode(20, c(.5, .5)), mode(90, c(.4, .2)), mode(90, c(2, 2))),
            plain = plain)
write(toJSON(out, auto_unbox = TRUE, digits = 12, pretty = TRUE), "tests/golden/recalibration_r.json")
