"""The omics layers, one file each and one line here. A block is known by the name in its spec, which is its file's.

A block is imported when it is first asked for: one patient of a model of two blocks does not wait for all of them.
"""

from theracast.features.base import OmicsBlock
from theracast.registry import Later, Registry

_NAMES = (
    "alterations",
    "cgm",
    "clinical",
    "ctdna",
    "deconvolution",
    "disease_activity",
    "expression",
    "gene_sets",
    "metabolites",
    "microbiome",
    "mirna",
    "mutations",
    "pathology",
    "pharmacogenes",
    "polygenic",
    "proteins",
    "repertoire",
    "signatures",
    "spatial",
    "wearables",
)

BLOCKS: Registry[type[OmicsBlock]] = Registry(
    "block", {name: Later(f"{__name__}.{name}", f"{name.title().replace('_', '')}Block") for name in _NAMES}
)
