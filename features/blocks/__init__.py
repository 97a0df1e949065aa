"""The omics layers, one file each and one line here. A block is known by the name in its spec."""

from theracast.features.base import OmicsBlock
from theracast.features.blocks.alterations import AlterationsBlock
from theracast.features.blocks.cgm import CgmBlock
from theracast.features.blocks.clinical import ClinicalBlock
from theracast.features.blocks.ctdna import CtdnaBlock
from theracast.features.blocks.deconvolution import DeconvolutionBlock
from theracast.features.blocks.disease_activity import DiseaseActivityBlock
from theracast.features.blocks.expression import ExpressionBlock
from theracast.features.blocks.gene_sets import GeneSetsBlock
from theracast.features.blocks.metabolites import MetabolitesBlock
from theracast.features.blocks.microbiome import MicrobiomeBlock
from theracast.features.blocks.mirna import MirnaBlock
from theracast.features.blocks.mutations import MutationsBlock
from theracast.features.blocks.pathology import PathologyBlock
from theracast.features.blocks.pharmacogenes import PharmacogenesBlock
from theracast.features.blocks.polygenic import PolygenicBlock
from theracast.features.blocks.proteins import ProteinsBlock
from theracast.features.blocks.repertoire import RepertoireBlock
from theracast.features.blocks.signatures import SignaturesBlock
from theracast.features.blocks.spatial import SpatialBlock
from theracast.features.blocks.wearables import WearablesBlock
from theracast.registry import Registry

BLOCKS: Registry[type[OmicsBlock]] = Registry(
    "block",
    {
        kind.spec.name: kind
        for kind in list(vars().values())
        if isinstance(kind, type) and issubclass(kind, OmicsBlock) and kind is not OmicsBlock
    },
)
