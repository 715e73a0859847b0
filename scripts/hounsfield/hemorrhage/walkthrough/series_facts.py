"""How a series gets its identifier, its order and its sequence index; and what the deltas are, and show.

N slices of the data set, T of one series, P pairs of neighbours; E embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from hounsfield.competitions.rsna2019.tables import order_slices, spacing_facts
from hounsfield.core.dicom.stacks import ORIENTATION, POSITION, SERIES_KEY
from hounsfield.core.evaluation.metrics import auc_by_class
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore, SeriesIndex, build_batch
from hounsfield.hemorrhage.sequence_network import with_deltas

ORDERED_BY = ("image_id", *SERIES_KEY, *POSITION, *ORIENTATION, "instance_number", "path")
SERIES_MEASURED = 500  # at most, of those that the deltas are measured on
CONTEXT = 2  # slices on either side of the edge that is shown


class Order(NamedTuple):
    """Series and their order, found anew from the places in the headers."""

    series: int
    lengths: np.ndarray  # (series,) slices
    by_name: int  # series whose slices the order of their names would leave in place
    by_corner: int  # series that x, then y, then z sort otherwise than the slice normal
    duplicates: int
    gaps: int


class Pairs(NamedTuple):
    """Neighbours in series: how far their embeddings lie apart, and whether a bleed begins or ends between them."""

    later: np.ndarray  # (P,) row of the later slice of each pair
    distance: np.ndarray  # (P,) length of the delta
    change: np.ndarray | None  # (P,) of the classifier's logit, which is the delta weighted by its last layer
    before: np.ndarray  # (P,) bool: the earlier slice has a bleed
    after: np.ndarray  # (P,) bool: the later one has
    series: int  # that were looked at

    @property
    def edge(self) -> np.ndarray:
        """(P,) bool: one has a bleed, and the other has none."""
        return self.before != self.after

    @property
    def sizes(self) -> dict[str, np.ndarray]:
        """How far apart neighbours are, (P,) each: by the length of the delta, and by the classifier's logit."""
        found = {"length": self.distance}
        return found if self.change is None else {**found, "change of the logit": np.abs(self.change)}

    def area(self, name: str) -> float:
        """Area under the ROC curve of one of the sizes, by which a pair is called an edge; NaN where no pair is one."""
        return float(auc_by_class(self.sizes[name][:, None], self.edge[:, None].astype(float))[0])


def find_order(slices: pd.DataFrame) -> Order:
    """Sort all slices anew, as the preparation does, and by the published rule. slices: with ORDERED_BY, N rows."""
    files = slices[list(ORDERED_BY)]
    ours, theirs = (order_slices(files, rule) for rule in ("normal", "position_xyz"))
    names = ours.sort_values(["series", "image_id"])["image_id"].to_numpy()
    facts = spacing_facts(ours)["fact"].value_counts()
    return Order(
        series=int(ours["series"].nunique()),
        lengths=ours.groupby("series").size().to_numpy(),
        by_name=int((~_differs(ours["series"], ours["image_id"].to_numpy() != names)).sum()),
        by_corner=int(_differs(ours["series"], ours["image_id"].to_numpy() != theirs["image_id"].to_numpy()).sum()),
        duplicates=int(facts.get("duplicate", 0)),
        gaps=int(facts.get("gap", 0)),
    )


def _differs(series: pd.Series, different: np.ndarray) -> pd.Series:
    """Whether any slice of each series is different, (series,) bool. different: (N,) bool."""
    return pd.Series(different).groupby(series.to_numpy()).any()


def series_rows(slices: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """One series as a file system shows it, by name, with the place, order and index that it gets. rows: (T,)."""
    found = order_slices(slices.iloc[rows][list(ORDERED_BY)], "normal")
    return found.assign(seq=found["order"] + 1).sort_values("image_id", ignore_index=True)


def measure_pairs(store: EmbeddingStore, index: SeriesIndex, any_bleed: np.ndarray, logits: np.ndarray | None) -> Pairs:
    """The deltas of every series in `index`, the first SERIES_MEASURED of them.

    any_bleed: (N,), NaN where unknown. logits: (N,) of the classifier for it; None where there is none.
    """
    labels, count = any_bleed[:, None].astype(np.float32), min(SERIES_MEASURED, len(index.lengths))
    later, distance = [], []
    for series in range(count):
        batch = build_batch(store, index, np.array([series]), labels, pad_front=False)
        deltas = with_deltas(batch.embeddings, batch.is_slice)[0, 1:, store.width : 2 * store.width]  # (T-1, E)
        later.append(batch.rows[0, 1:].numpy())
        distance.append(torch.linalg.vector_norm(deltas, dim=-1).numpy())
    rows, lengths = np.concatenate(later), np.concatenate(distance)
    known = np.isfinite(any_bleed[rows]) & np.isfinite(any_bleed[rows - 1])
    rows = rows[known]
    change = None if logits is None else (logits[rows] - logits[rows - 1]).astype(np.float64)
    return Pairs(rows, lengths[known], change, any_bleed[rows - 1] > 0.5, any_bleed[rows] > 0.5, count)


def typical_edge(pairs: Pairs, index: SeriesIndex) -> int | None:
    """The number of the pair where a bleed begins whose size is the median one of all; None where there is none.

    The last of the sizes counts. Of those with CONTEXT slices on either side in their series, if there are any.
    """
    series = np.searchsorted(index.starts, pairs.later, side="right") - 1
    place = pairs.later - index.starts[series]
    roomy = (place >= CONTEXT) & (place + CONTEXT <= index.lengths[series])
    begins = ~pairs.before & pairs.after
    if not begins.any():
        return None
    begins = np.flatnonzero(begins & roomy if (begins & roomy).any() else begins)
    size = list(pairs.sizes.values())[-1]
    return int(begins[np.argsort(size[begins], kind="stable")[len(begins) // 2]])


def series_inputs(store: EmbeddingStore, start: int, length: int) -> np.ndarray:
    """What the network reads of one series: (T, 3E) float32."""
    index = SeriesIndex(np.array([start]), np.array([length]))
    no_labels = np.zeros((start + length, 1), np.float32)
    batch = build_batch(store, index, np.array([0]), no_labels, pad_front=False)
    found: np.ndarray = with_deltas(batch.embeddings, batch.is_slice)[0].numpy()
    return found


def liveliest(inputs: np.ndarray, width: int, count: int) -> Sequence[int]:
    """The numbers of the embedding that vary most along a series. inputs: (T, 3E); width: E."""
    order = np.argsort(-inputs[:, :width].std(axis=0), kind="stable")
    return sorted(order[:count].tolist())
