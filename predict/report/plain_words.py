"""Words of the patient view: what blocks, outcomes and questions are called outside a clinic."""

from __future__ import annotations

from theracast.models.base import OUTSIDE
from theracast.models.spec import ResponseSpec

#: Blocks, as one would name them to a patient.
BLOCKS_IN_WORDS = {
    "alterations": "changes in the genes of your cancer",
    "cgm": "your blood sugar over the day and night, from a sensor on the skin",
    "clinical": "facts from your medical file",
    "ctdna": "traces of the cancer in your blood",
    "deconvolution": "which kinds of cells are in the sample of your cancer",
    "disease_activity": "scores of how active your illness is",
    "expression": "which genes are switched on in your cancer",
    "gene_sets": "groups of genes that are switched on in your cancer",
    "metabolites": "fats and other small substances in your blood",
    "microbiome": "the germs that live in your gut",
    "mirna": "small pieces of genetic code in your sample",
    "mutations": "how many changes there are in the genes of your cancer",
    "pathology": "immune cells in the sample of your cancer, or a protein that can hide cancer from them (PD-L1)",
    "pharmacogenes": "genes that change how your body breaks down drugs",
    "polygenic": "risk that you were born with, as read from your genes",
    "proteins": "proteins in your blood",
    "repertoire": "the mix of immune cells in your sample",
    "signatures": "groups of genes that show how active your immune cells are",
    "spatial": "where immune cells lie among the cancer cells",
    "wearables": "what a device that you wear has measured",
}
_OTHER_BLOCK = "other test results"

#: Titles by the name of the indication.
_TITLES = {
    "melanoma_ici": "Skin cancer (melanoma) and drugs that help the immune system fight cancer",
    "pan_ici": "Cancer and drugs that help the immune system fight it",
}
_OTHER_TITLE = "How well a treatment may work"

#: Questions for every state, and those of each state before them.
QUESTIONS = {
    "answered": (
        "What does this result mean for me, next to my other tests?",
        "What else could change how well this treatment works for me?",
        "How good was the computer with people like me?",
    ),
    "unclear": (
        "What do my other tests say about this treatment?",
        "Is there a test that could make things clearer?",
    ),
    "missing": (
        "Which tests are not there, and why?",
        "Would it help me to have them done?",
        "What can we go by for now?",
    ),
    "outside": (
        "Is the type of my cancer written down the right way?",
        "Is there a tool that was made for people like me?",
        "What can we go by for now?",
    ),
    "refused": (
        "Which of my values looks wrong?",
        "Can it be checked and sent again?",
    ),
    "always": (
        "What are the good and the bad sides of this treatment for me?",
        "Which other treatments are there?",
        "What happens if we wait?",
        "When will we know if it works?",
    ),
}


def block_in_words(block: str) -> str:
    """Name a block to a patient.

    Parameters
    ----------
    block : str
        Name of a block.

    Returns
    -------
    str
        A few plain words; the same ones for every block that is not known here.

    Examples
    --------
    >>> block_in_words("ctdna")
    'traces of the cancer in your blood'
    """
    return BLOCKS_IN_WORDS.get(block, _OTHER_BLOCK)


def title_in_words(spec: ResponseSpec) -> str:
    """Say what a model is about.

    Parameters
    ----------
    spec : ResponseSpec
        What it predicts, for whom.

    Returns
    -------
    str
        A title.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> title_in_words(INDICATIONS["pan_ici"])
    'Cancer and drugs that help the immune system fight it'
    """
    return _TITLES.get(spec.name, _OTHER_TITLE)


def response_in_words(spec: ResponseSpec) -> str:
    """Say what it is to respond.

    Parameters
    ----------
    spec : ResponseSpec
        Its endpoint decides.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> response_in_words(INDICATIONS["melanoma_ici"])
    'To respond means that the cancer shrank by about a third or more on scans, or could no longer be seen.'
    """
    if "RECIST" in spec.endpoint:
        return "To respond means that the cancer shrank by about a third or more on scans, or could no longer be seen."
    return "To respond means that the treatment worked, in the way that the study doctors had laid down."


def state_of(decision: str, reason: str) -> str:
    """Say which kind of page a patient gets.

    Parameters
    ----------
    decision, reason : str
        As in a prediction.

    Returns
    -------
    str
        ``answered``, ``unclear`` (the answer could be either), ``missing`` (too little is known), ``outside``.

    Examples
    --------
    >>> state_of("abstain", "none of pathology is known")
    'missing'
    """
    if reason.startswith(OUTSIDE):
        return "outside"
    if decision in ("response", "no_response"):
        return "answered"
    return "unclear" if reason.startswith("the evidence does not separate") else "missing"
