"""Crohn's disease after TNF inhibitors failed: ustekinumab or placebo, judged on a randomised trial."""

from theracast.models.selection_spec import Arm, SelectionSpec

_BLOCKS = ("clinical", "disease_activity")
_READS = "age, sex, build, CDAI, CRP and calprotectin"

CROHNS_USTEKINUMAB = SelectionSpec(
    name="crohns_ustekinumab",
    title="Ustekinumab in Crohn's disease",
    endpoint="clinical response: CDAI down by 100 or more, or below 150; no CDAI that week is no response",
    horizon="week 6 of induction, the trial's primary endpoint",
    population="adults with active Crohn's disease (CDAI 220-450) in whom a TNF inhibitor failed or was not tolerated",
    arms=(
        Arm("ustekinumab", "inhibition of IL-12 and IL-23", "certifi", _BLOCKS, _READS),
        Arm("placebo", "none", "certifi", _BLOCKS, _READS),
    ),
    intended_use=(
        "Research. To see on randomised patients whether anything known before treatment tells who gains from "
        "ustekinumab, and what a policy that chooses by it is worth."
    ),
    not_for=(
        "Choosing a treatment or withholding one in practice. Not for maintenance, ulcerative colitis or children. The "
        "public file holds 424 of the trial's 526 patients, and who is missing is not a matter of chance."
    ),
    standard="placebo",
    references=("10.1056/NEJMoa1203572", "10.1128/mBio.02120-17"),
)
