"""The published scores, one file each. A new one is a file and a line here."""

from theracast.models.published.cd8a import CD8A
from theracast.models.published.cytolytic import CYTOLYTIC
from theracast.models.published.expanded_immune import EXPANDED_IMMUNE
from theracast.models.published.gep import GEP
from theracast.models.published.impres import IMPRES
from theracast.models.published.loris import LORIS_NSCLC, LORIS_PAN
from theracast.models.published.pdl1_expression import PDL1_EXPRESSION
from theracast.models.published.spec import PublishedScore
from theracast.models.published.tmb import TMB
from theracast.registry import Registry

PUBLISHED: Registry[PublishedScore] = Registry(
    "published score",
    {
        "cytolytic": CYTOLYTIC,
        "gep": GEP,
        "expanded_immune": EXPANDED_IMMUNE,
        "impres": IMPRES,
        "cd8a": CD8A,
        "pdl1_expression": PDL1_EXPRESSION,
        "tmb": TMB,
        "loris_pan": LORIS_PAN,
        "loris_nsclc": LORIS_NSCLC,
    },
)
