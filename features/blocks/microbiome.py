"""Microbiome: log-ratios of taxa, diversity, balances of phyla, and taxa that matter for treatment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.errors import UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.communities import Community, read_community
from theracast.features.composition import clr, replace_zeros, robust_clr
from theracast.features.diversity import faith_pd, read_newick
from theracast.features.panel_tables import feature_name
from theracast.features.richness import diversity, rarefied
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.tables import load_table
from theracast.features.taxa import RANKS, collapse, shares_of_interest

#: Of the detection limit, what stands for a zero (10.1023/A:1023866030544); and the share of reads a tree must hold.
_OF_LIMIT, _IN_TREE = 0.65, 0.9
#: Of `richness.diversity`, what is given.
_DIVERSITY = {"observed": "kinds", "shannon": "shannon", "pielou": "pielou", "simpson": "simpson"}
_RATIOS = {
    "firmicutes_bacteroidetes": ("firmicutes", "bacteroidetes"),
    "prevotella_bacteroides": ("prevotella", "bacteroides"),
}
_FAITH = Feature("faith", "branch length", "Faith's diversity", "10.1016/0006-3207(92)91201-3")
_CLR = {"clr": "10.1111/j.2517-6161.1982.tb01195.x", "rclr": "10.1128/mSystems.00016-19"}


class MicrobiomeBlock(OmicsBlock):
    """Communities of stool or mouth: taxa as log-ratios, diversity, and shares of taxa of interest.

    Parameters
    ----------
    log_ratio : {"clr", "rclr"}, default "clr"
        Centred log-ratio, zeros replaced; or robust centred log-ratio, zeros not known.
    zeros : {"multiplicative", "pseudocount"}, default "multiplicative"
        Under ``clr``, what a zero becomes: 65% of the detection limit (one read, or the least share of the sample)
        while the other shares shrink; or half a read (half the least share) added to every taxon.
    rank : {"p", "c", "o", "f", "g", "s"}, default "g"
        Rank at which taxa are added up.
    min_prevalence : float, default 0.1
        Least share of training samples that hold a taxon that is given.
    min_depth : int, default 1000
        Samples of fewer reads are not known, with a note.
    depth : int, optional
        Reads to which `observed`, `shannon`, `pielou` and `simpson` are rarefied, in expectation; samples of fewer, or
        given as shares, have none.
    tree : str, optional
        Newick tree with taxa as tips, for Faith's diversity.

    Attributes
    ----------
    taxa_ : list of str
        Taxa that are given, by name at `rank`: they are the whole of which shares are taken.
    dropped_ : dict of str to str
        Taxa that are not, and why.

    Examples
    --------
    >>> out = MicrobiomeBlock().fit_transform(Cohort.from_tables(MicrobiomeBlock.example()))
    >>> out["microbiome__ratio_firmicutes_bacteroidetes"].round(3).tolist()
    [2.459, -0.98, 0.961, 2.504]
    """

    spec = BlockSpec(
        "microbiome",
        "The microbial community of a sample, from counts or shares of taxa.",
        ("microbiome",),
        (
            Column("<taxon>", "reads or share of a taxon, named by its lineage", "by unit", example="812"),
            Column("unit", "unit of the row, where it cannot be seen", "counts, fraction, percent", example="counts"),
        ),
        (
            Feature("depth", "reads", "reads of the sample", "10.1186/s40168-017-0237-y", scale="log2"),
            Feature("observed", "taxa", "taxa seen", "10.2307/1934145", scale="log2"),
            Feature("shannon", "nats", "Shannon diversity", "10.1126/science.aan4236", 1),
            Feature("pielou", "0-1", "evenness: Shannon over its greatest", "10.1016/0022-5193(66)90013-0"),
            Feature("simpson", "0-1", "chance that two reads differ in taxon", "10.1038/163688a0"),
            Feature("ratio_firmicutes_bacteroidetes", "log2 ratio", "Bacillota over Bacteroidota", "10.1038/4441022a"),
            Feature("ratio_prevotella_bacteroides", "log2 ratio", "Prevotella over Bacteroides",
                    "10.1186/s40168-016-0160-7"),
        ),
    )  # fmt: skip

    def __init__(
        self,
        log_ratio: str = "clr",
        zeros: str = "multiplicative",
        rank: str = "g",
        min_prevalence: float = 0.1,
        min_depth: int = 1000,
        depth: int | None = None,
        tree: str | None = None,
    ) -> None:
        self.log_ratio, self.zeros, self.rank, self.min_prevalence = log_ratio, zeros, rank, min_prevalence
        self.min_depth, self.depth, self.tree = min_depth, depth, tree

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a small made-up table of reads.

        Returns
        -------
        dict of str to DataFrame
            Table ``microbiome``, columns named as QIIME 2 does.

        Examples
        --------
        >>> MicrobiomeBlock.example()["microbiome"].shape
        (4, 8)
        """
        clostridia = "k__Bacteria;p__Firmicutes;c__Clostridia;o__Clostridiales"
        bacteroidia = "k__Bacteria;p__Bacteroidetes;c__Bacteroidia;o__Bacteroidales"
        reads = {
            f"{clostridia};f__Ruminococcaceae;g__Faecalibacterium;s__prausnitzii": [2200, 410, 1800, 2600],
            f"{clostridia};f__Lachnospiraceae;g__Blautia;s__": [900, 300, 700, 1400],
            f"{clostridia};f__Lachnospiraceae;g__;s__": [1300, 0, 420, 380],
            f"{bacteroidia};f__Bacteroidaceae;g__Bacteroides;s__": [600, 1400, 900, 512],
            f"{bacteroidia};f__Prevotellaceae;g__Prevotella;s__copri": [200, 0, 600, 260],
            "k__Bacteria;p__Verrucomicrobia;c__V;o__V;f__V;g__Akkermansia;s__muciniphila": [310, 0, 12, 95],
            "k__Bacteria;p__Actinobacteria;c__A;o__B;f__B;g__Bifidobacterium;s__": [140, 25, 0, 350],
            "k__Bacteria;p__Proteobacteria;c__G;o__E;f__E;g__Escherichia;s__coli": [10, 890, 45, 0],
        }
        return {"microbiome": pd.DataFrame(reads, index=pd.Index(["p1", "p2", "p3", "p4"], name="patient_id"))}

    def learn(self, cohort: Cohort) -> None:
        """Choose the taxa that are given.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Raises
        ------
        UsageError
            On an unknown `log_ratio`, `zeros` or `rank`.

        Examples
        --------
        >>> block = MicrobiomeBlock(rank="p")
        >>> block.learn(Cohort.from_tables(MicrobiomeBlock.example()))
        >>> block.taxa_[:2]
        ['Actinobacteria', 'Bacteroidetes']
        """
        for name, words in (("log_ratio", ("clr", "rclr")), ("zeros", ("multiplicative", "pseudocount"))):
            if getattr(self, name) not in words:
                raise UsageError(f"no such {name}", where=name, wanted=" or ".join(words))
        if self.rank not in list(RANKS):
            raise UsageError("no such rank", where="rank", wanted=", ".join(RANKS))
        community = read_community(cohort)
        shares = collapse(community.shares[self._usable(community)], self.rank)
        self.taxa_: list[str] = []
        self.dropped_: dict[str, str] = {}
        for taxon, column in shares.items():
            if not len(column) or (column > 0).mean() < self.min_prevalence or not column.any():
                self.dropped_[str(taxon)] = "seen in too few training samples"
            elif column.nunique() < 2:
                self.dropped_[str(taxon)] = "the same in all training samples"
            else:
                self.taxa_.append(str(taxon))

    def outputs(self) -> tuple[Feature, ...]:
        """List diversity, balances, shares of interest and the log-ratios that were learned.

        Returns
        -------
        tuple of Feature
            Without log-ratios before `fit`.

        Examples
        --------
        >>> len(MicrobiomeBlock().outputs()), MicrobiomeBlock().outputs()[7].name
        (20, 'share_akkermansia')
        """
        interest = load_table("taxa_of_interest").itertuples()
        what = "robust log-ratio" if self.log_ratio == "rclr" else "log-ratio"
        return (
            *self.spec.features,
            *((_FAITH,) if self.tree else ()),
            *(
                Feature(f"share_{r.name}", "0-1", f"share of {r.about}", str(r.reference), int(r.direction))  # type: ignore[arg-type]
                for r in interest
            ),
            *(
                Feature(self._name(t), "ln ratio", f"centred {what} of {t}", _CLR[self.log_ratio])
                for t in getattr(self, "taxa_", ())
            ),
        )

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse cells that cannot be read, and tables that are neither counts nor shares.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D03, D04, D05, D11, D13, D16.

        Examples
        --------
        >>> c = Cohort.from_tables({"microbiome": pd.DataFrame({"g__A": [0.2], "g__B": [0.3]}, index=["p"])})
        >>> MicrobiomeBlock().check(c)[0].what
        "holds neither counts nor shares that add up to 1 or 100; declare 'microbiome: counts', 'fraction' or 'percent'"
        """
        return read_community(cohort).problems

    def measure(self, cohort: Cohort) -> Measured:
        """Compute everything of each sample alone.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            ``censored`` marks log-ratios and balances of what was not seen; ``proxy`` taxa that the table lacks.

        Examples
        --------
        >>> c = Cohort.from_tables(MicrobiomeBlock.example())
        >>> MicrobiomeBlock().fit(c).measure(c).values["share_akkermansia"].round(3).tolist()
        [0.055, 0.0, 0.003, 0.017]
        """
        community = read_community(cohort)
        usable = self._usable(community)
        shares = community.shares.where(usable)
        limit = (1 / community.depth).where(community.depth.notna(), shares.where(shares > 0).min(axis=1))
        interest = shares_of_interest(shares)
        balances, sides = _balances(interest, limit)
        ranked = collapse(shares, self.rank)
        absent = [t for t in self.taxa_ if t not in ranked]
        ratios, unseen = self._log_ratios(ranked.reindex(columns=self.taxa_, fill_value=0.0).where(usable), limit)
        columns = {"depth": community.depth, **self._diversity(community, shares), **balances}
        values = pd.concat([pd.DataFrame(columns, index=shares.index), interest.add_prefix("share_"), ratios], axis=1)
        known = ratios.notna()
        names = [self._name(t) for t in absent]
        proxy = known[names]
        here = 1 - len(absent) / len(self.taxa_) if self.taxa_ else 1.0
        return Measured.of(
            values,
            proxy=proxy,
            censored=pd.concat([sides, -(unseen & known).astype(np.int8)], axis=1),
            coverage=usable.astype(float) * here,
            notes=self._notes(community, usable, unseen.sum(axis=1), len(absent)),
        )

    def _name(self, taxon: str) -> str:
        return f"{self.log_ratio}_{feature_name(taxon)}"

    def _usable(self, community: Community) -> pd.Series:
        """Say which samples are deep enough."""
        shallow = community.depth.notna() & (community.depth < self.min_depth)
        return community.shares.notna().any(axis=1) & ~shallow

    def _diversity(self, community: Community, shares: pd.DataFrame) -> dict[str, np.ndarray]:
        rows = (community.counts if self.depth else shares).to_numpy()
        there = ~np.isnan(rows).all(axis=1) & shares.notna().any(axis=1).to_numpy()
        found = {name: np.full(len(rows), np.nan) for name in _DIVERSITY}
        for i in np.flatnonzero(there):
            one = rarefied(rows[i], self.depth) if self.depth else diversity(rows[i])
            for name, index in _DIVERSITY.items():
                found[name][i] = one[index]
        if self.tree:
            tree = read_newick(self.tree)
            tips = [c for c in shares if c in tree.tips]
            held = shares[tips].sum(axis=1) >= _IN_TREE
            found["faith"] = faith_pd(shares[tips].fillna(0.0), tree).where(held).to_numpy()
        return found

    def _log_ratios(self, shares: pd.DataFrame, limit: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Log-ratios of the learned taxa, and which of them were not seen."""
        parts = np.ascontiguousarray(shares.to_numpy(dtype=np.float64))
        found = np.full(parts.shape, np.nan)
        rows = (np.nan_to_num(parts) > 0).any(axis=1)
        if rows.any():
            some = parts[rows]
            least = limit.to_numpy()[rows] / some.sum(axis=1)
            if self.log_ratio == "rclr":
                found[rows] = robust_clr(some)
            elif self.zeros == "pseudocount":
                found[rows] = clr(some / some.sum(axis=1, keepdims=True) + least[:, None] / 2)
            else:
                delta = np.minimum(_OF_LIMIT * least, 0.5 / parts.shape[1])
                found[rows] = clr(replace_zeros(some, delta))
        names = [self._name(t) for t in shares]
        unseen = (parts == 0) & rows[:, None]
        return pd.DataFrame(found, shares.index, names), pd.DataFrame(unseen, shares.index, names)

    def _notes(self, community: Community, usable: pd.Series, unseen: pd.Series, absent: int) -> dict[str, list[str]]:
        notes: dict[str, list[str]] = {}
        fate = "not known" if self.log_ratio == "rclr" else "given at the detection limit"
        for i in usable.index:
            lines = []
            if community.depth[i] < self.min_depth:
                lines.append(f"the sample has fewer than {self.min_depth} reads: not known")
            elif usable[i]:
                if unseen[i]:
                    lines.append(f"{unseen[i]} of {len(self.taxa_)} taxa were not seen: {fate}")
                if absent:
                    lines.append(
                        f"{absent} of {len(self.taxa_)} taxa of training are not in the table: taken as not seen"
                    )
                if community.blank[i]:
                    lines.append(f"{community.blank[i]} taxa are left empty: taken as not seen")
            if lines:
                notes[i] = lines
        return notes


def _balances(interest: pd.DataFrame, limit: pd.Series) -> tuple[dict[str, pd.Series], pd.DataFrame]:
    """Log2 ratios of two taxa, at the detection limit where one was not seen."""
    found, sides = {}, {}
    for name, (up, down) in _RATIOS.items():
        above, below = interest[up], interest[down]
        neither = (above == 0) & (below == 0)
        ratio = np.log2(above.where(above != 0, limit)) - np.log2(below.where(below != 0, limit))
        found[f"ratio_{name}"] = ratio.mask(neither)
        side = (below == 0).astype(np.int8) - (above == 0).astype(np.int8)
        sides[f"ratio_{name}"] = side.where(found[f"ratio_{name}"].notna(), 0).astype(np.int8)
    return found, pd.DataFrame(sides, index=interest.index)
