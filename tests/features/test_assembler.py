"""One assembler for all: the patient of whom one table is known, the one of whom everything is, and a new block."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from house.test_house import as_installed
from matrices import bits

from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.intake import EVENTS

ROOT = Path(__file__).parents[2]


def keyed(table):
    """Patients in rows, ids in the index."""
    table = table.set_index("patient_id") if "patient_id" in table.columns else table
    return table.T if table.index.name == "gene" else table


def everything():
    """The examples of all blocks put together: the first patient of each is the same one, and so on."""
    tables, events = {}, {}
    for block in BLOCKS.values():
        example = {name: keyed(t) for name, t in block.example().items()}
        known = dict.fromkeys(i for t in example.values() for i in t.index)
        names = {i: f"p{place + 1}" for place, i in enumerate(known)}
        for name, table in example.items():
            table = table.rename(index=names).rename_axis("patient_id")
            if name in EVENTS:
                events[name] = pd.concat([events[name], table]) if name in events else table
            else:
                table = table.astype(object)
                tables[name] = tables[name].combine_first(table) if name in tables else table
    tables = {k: t.infer_objects() for k, t in tables.items()}
    return Cohort.from_tables({"clinical": tables.pop("clinical"), **tables, **events})


@pytest.fixture(scope="module")
def full():
    return everything()


@pytest.fixture(scope="module")
def assembler(full):
    return FeatureAssembler(list(BLOCKS)).fit(full)


def test_a_patient_of_whom_everything_is_known(assembler, full):
    present = assembler.matrix(full).present()
    assert present.columns.tolist() == list(BLOCKS)
    assert present.any(axis=0).all()
    assert present.all(axis=1).any(), present


def test_a_patient_with_only_the_clinical_table(assembler, full):
    poor = Cohort.from_tables({"clinical": full.table("clinical").iloc[[0]].set_axis(["poor"], axis=0)})
    rich = full.subset(full.ids[:1])
    bare, known = assembler.matrix(poor), assembler.matrix(rich)
    assert bare.values.columns.equals(known.values.columns)
    assert bare.present().loc["poor", "clinical"]
    assert bare.present().iloc[0].sum() < known.present().iloc[0].sum()
    assert bits(bare.block("clinical")) == bits(known.block("clinical"))
    both = assembler.matrix(Cohort.concat([rich, poor]))
    assert bits(both.values) == bits(pd.concat([known.values, bare.values]))
    nobody = assembler.matrix(Cohort.from_tables({"other": pd.DataFrame({"x": [1.0]}, index=["p"])}))
    assert not nobody.present().any(axis=None)
    assert (nobody.coverage == 0.0).all(axis=None)


def test_lineage_of_all_blocks(assembler, full):
    matrix = assembler.matrix(full)
    assert list(matrix.lineage) == matrix.values.columns.tolist()
    for name in matrix.values:
        kind, known = matrix.lineage[name].kind, int(matrix.observed[name].sum())
        stand_ins = int((matrix.proxy[name] & matrix.observed[name]).sum())
        wanted = "absent" if not known else ("measured", "proxy", "mixed")[(stand_ins > 0) + (0 < stand_ins < known)]
        assert kind == wanted, name
        assert str(matrix.trace(name)).startswith(f"{name}: ")
    assert np.isfinite(matrix.values.fillna(0.0)).all(axis=None)


# ---------------------------------------------------------------- one file, one line

TOY = '''"""Toy: how hard the patient can grip."""

from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.spec import BlockSpec, Column, Feature


class ToyBlock(OmicsBlock):
    """Grip strength."""

    spec = BlockSpec(
        "toy",
        "How hard the patient can grip.",
        ("clinical",),
        (Column("grip", "grip strength of the better hand", "kg", 0, 120, "THX-D16", "31|44|52"),),
        (Feature("grip", "kg", "grip strength of the better hand", "10.1093/ageing/afr051", 1),),
    )

    def measure(self, cohort: Cohort) -> Measured:
        return Measured.of(self.numbers(cohort, "grip").to_frame("grip"))
'''
ASSEMBLED = """
import pandas as pd
from theracast import BLOCKS, Cohort, FeatureAssembler
cohort = Cohort.from_tables(BLOCKS["toy"].example())
matrix = FeatureAssembler(["clinical", "toy"]).fit(cohort).matrix(cohort)
print(matrix.block("toy")["toy__grip"].tolist())
print(matrix.trace("toy__grip"))
"""


def test_a_toy_block_takes_one_file_and_one_line(tmp_path):
    """In a copy of the package as it is installed: a file, and its line in the list; nothing else."""
    blocks = as_installed(tmp_path) / "theracast" / "features" / "blocks"
    (blocks / "toy.py").write_text(TOY)
    listed = (blocks / "__init__.py").read_text()
    (blocks / "__init__.py").write_text(listed.replace('    "wearables",\n', '    "toy",\n    "wearables",\n'))
    assert len((blocks / "__init__.py").read_text().splitlines()) == len(listed.splitlines()) + 1

    def ran(*command):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    assert str(tmp_path) in ran("-c", "import theracast.features.blocks.toy as t; print(t.__file__)")
    assembled = ran("-c", ASSEMBLED)
    assert "[31.0, 44.0, 52.0]" in assembled
    assert "known      3 of 3 patients" in assembled
    cli = (
        "import sys; from theracast.predict.cli import main; sys.argv = ['theracast', 'blocks', *sys.argv[1:]]; main()"
    )
    assert "toy" in ran("-c", cli)
    assert "grip strength" in ran("-c", cli, "toy")
    contract = ran("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "toy", "tests/features/test_blocks.py")
    assert int(contract.split(" passed")[0].split()[-1]) >= 10, contract
