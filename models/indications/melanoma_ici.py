"""Melanoma, immune-checkpoint inhibitor: objective response from PD-L1, TIL, TMB, signatures and clinical values."""

from theracast.models.spec import ResponseSpec

MELANOMA_ICI = ResponseSpec(
    name="melanoma_ici",
    title="Response of melanoma to an immune-checkpoint inhibitor",
    endpoint="objective response by RECIST: CR or PR against SD or PD",
    horizon="best response on treatment",
    population="adults with advanced melanoma before an anti-PD-1, anti-PD-L1 or anti-CTLA-4 antibody",
    blocks=("pathology", "mutations", "signatures", "clinical"),
    core=("pathology", "signatures"),
    tumours=("melanoma",),
    min_coverage={"signatures": 0.8},
    # IMvigor210 is bladder cancer: the one cohort with PD-L1 and CD8 by stain and TMB together
    cohorts=("liu2019_mel", "hugo2016_mel", "riaz2017_mel", "vanallen2015_mel", "imvigor210_uc"),
    holdout=("mgh2022_mel",),
    intended_use=(
        "Research. A second opinion beside PD-L1, TIL and TMB when an immune-checkpoint inhibitor is considered for "
        "advanced melanoma; to be read with its interval and its evidence."
    ),
    not_for=(
        "Withholding treatment. Other tumours, adjuvant or neoadjuvant treatment, biopsies taken on treatment, "
        "children, or any decision without a physician."
    ),
    references=("10.1016/j.cell.2016.02.065", "10.1038/s41591-019-0654-5", "10.1016/j.cell.2017.09.028"),
)
