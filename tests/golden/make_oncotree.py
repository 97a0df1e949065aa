"""Name and main type of each OncoTree code in ``features/tables/tumour_types.csv``, from the tree itself.

git clone https://github.com/cBioPortal/oncotree && git -C oncotree checkout b362db70f647
.venv/bin/python tests/golden/make_oncotree.py oncotree/trees/oncotree_2025_10_03.json
"""

import json
import sys
from pathlib import Path

import pandas as pd

from theracast.features.tables import load_table


def nodes(node):
    yield node
    for child in node["children"].values():
        yield from nodes(child)


tree = {n["code"]: n for n in nodes(json.loads(Path(sys.argv[1]).read_text())["TISSUE"])}
codes = sorted({c for cell in load_table("tumour_types")["oncotree"].dropna() for c in cell.split("|")})
table = pd.DataFrame([(c, tree[c]["name"], tree[c]["mainType"]) for c in codes], columns=["code", "name", "main_type"])
table.to_csv(Path(__file__).with_name("oncotree_codes.csv"), index=False)
