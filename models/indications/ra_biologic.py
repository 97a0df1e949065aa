"""Rheumatoid arthritis: which first treatment, from lipid mediators, disease activity, or receptor repertoires."""

from theracast.models.selection_spec import Arm, SelectionSpec

_LIPIDS = ("metabolites",)
_ACTIVITY = ("disease_activity",)
_RECEPTORS = ("repertoire", "polygenic", "disease_activity", "clinical")

RA_BIOLOGIC = SelectionSpec(
    name="ra_biologic",
    title="Choice of a treatment of rheumatoid arthritis",
    endpoint=(
        "response by EULAR after csDMARD or anti-TNF (as the authors of each study labelled it; for the four TNF "
        "inhibitors good or moderate against none); for csDMARD combinations a drop of DAS28-CRP of about 1.2 or more"
    ),
    horizon="6 months on a csDMARD, 12 weeks on a TNF inhibitor; at follow-up on csDMARD combinations",
    population="adults with rheumatoid arthritis before the treatment",
    arms=(
        Arm("csDMARD", "conventional synthetic DMARD", "ra_lipids_discovery", _LIPIDS, "plasma lipid mediators"),
        Arm("anti-TNF", "TNF inhibition", "ra_lipids_antitnf", _LIPIDS, "plasma lipid mediators"),
        Arm("MTX+LEF", "antifolate, pyrimidine synthesis", "ra_proteome", _ACTIVITY, "baseline disease activity"),
        Arm("MTX+HCQ", "antifolate, lysosomal pH", "ra_proteome", _ACTIVITY, "baseline disease activity"),
        Arm("other csDMARDs", "mixed", "ra_proteome", _ACTIVITY, "baseline disease activity"),
        Arm("etanercept", "TNF inhibition", "ra_repertoire", _RECEPTORS, "receptor repertoire and HLA"),
        Arm("adalimumab", "TNF inhibition", "ra_repertoire", _RECEPTORS, "receptor repertoire and HLA"),
        Arm("certolizumab", "TNF inhibition", "ra_repertoire", _RECEPTORS, "receptor repertoire and HLA"),
        Arm("golimumab", "TNF inhibition", "ra_repertoire", _RECEPTORS, "receptor repertoire and HLA"),
    ),
    intended_use=(
        "Research. To see side by side what open data say of each treatment before it is begun, and what they cannot "
        "say: which treatments may be compared, and where there is no signal to choose by."
    ),
    not_for=(
        "Choosing a treatment in practice. Treatments of different studies are never ranked against each other; nobody "
        "drew lots for who got which. Not for patients on treatment, for children, or for other arthritis."
    ),
    # as the public baseline reads them: experiments/ra says what else was tried, and what failed
    settings={"metabolites": {"zero_is_below_detection": True, "ratios": False}},
    references=("10.1038/s41467-020-19176-z", "10.5281/zenodo.10641094"),
)
