"""The indications, one file each. A new one is a file and a line here."""

from theracast.models.indications.crohns_ustekinumab import CROHNS_USTEKINUMAB
from theracast.models.indications.melanoma_ici import MELANOMA_ICI
from theracast.models.indications.pan_ici import PAN_ICI
from theracast.models.indications.ra_biologic import RA_BIOLOGIC
from theracast.models.selection_spec import SelectionSpec
from theracast.models.spec import ResponseSpec
from theracast.registry import Registry

INDICATIONS: Registry[ResponseSpec] = Registry(
    "indication",
    {
        "melanoma_ici": MELANOMA_ICI,
        "pan_ici": PAN_ICI,
    },
)

SELECTIONS: Registry[SelectionSpec] = Registry(
    "selection",
    {
        "ra_biologic": RA_BIOLOGIC,
        "crohns_ustekinumab": CROHNS_USTEKINUMAB,
    },
)
