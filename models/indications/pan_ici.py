"""Solid tumours, immune-checkpoint inhibitor: objective response from blood values, TMB, PD-L1 and signatures."""

from theracast.models.spec import ResponseSpec

PAN_ICI = ResponseSpec(
    name="pan_ici",
    title="Response of a solid tumour to an immune-checkpoint inhibitor",
    endpoint="objective response by RECIST: CR or PR against SD or PD",
    horizon="best response on treatment",
    population="adults with an advanced solid tumour before an anti-PD-1, anti-PD-L1 or anti-CTLA-4 antibody",
    blocks=("pathology", "mutations", "signatures", "clinical"),
    core=("pathology", "mutations", "signatures"),
    min_coverage={"signatures": 0.8},
    cohorts=("imvigor210_uc", "liu2019_mel", "hugo2016_mel", "riaz2017_mel", "vanallen2015_mel"),
    holdout=("mgh2022_mel",),
    intended_use=(
        "Research. A second opinion beside TMB and PD-L1 when an immune-checkpoint inhibitor is considered for an "
        "advanced solid tumour of a type that the model was trained on; to be read with its interval and its evidence."
    ),
    not_for=(
        "Withholding treatment. Tumour types that the model was not trained on, adjuvant or neoadjuvant treatment, "
        "biopsies taken on treatment, children, or any decision without a physician."
    ),
    references=("10.1038/s43018-024-00772-7", "10.1038/s41587-021-01070-8", "10.1172/JCI91190"),
)
