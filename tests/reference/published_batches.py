"""Batches of series as published, from the specification of the 2nd-place system, section 4.

    Input of a step: [e_t, e_t - e_{t-1}, e_t - e_{t+1}], width 3E
    `seq` counts from 1. Shorter ones are padded AT THE FRONT with zero vectors (after the deltas); embedding
    index -1 and mask 0 mark the padding; labels padded with zeros.
    Classes, in the order of the 2nd-place system: epidural, intraparenchymal, intraventricular, subarachnoid,
    subdural, any.

By hand: series "a" is the rows 2, 0, 4 with embeddings 5, 3 and 4; series "b" is the rows 3 and 1 with 7 and 9.
Steps of "a" are [5, 0, 5 - 3], [3, 3 - 5, 3 - 4] and [4, 4 - 3, 0]; of "b", after a step of padding, [7, 0, 7 - 9]
and [9, 9 - 7, 0]. Row 2 alone shows a bleed, subdural.

>>> nothing = {name: [0, 0, 0, 0, 0] for name in CLASSES}
>>> table = pd.DataFrame({"key": ["a", "b", "a", "b", "a"], "seq": [2, 2, 1, 1, 3], **nothing})
>>> table.loc[2, ["subdural", "any"]] = 1
>>> data = PublishedBatches(table, np.array([[3], [9], [5], [7], [4]], np.float32))
>>> inputs, mask, labels, rows = data.batch(["a", "b"])
>>> inputs.tolist()[0]
[[5.0, 0.0, 2.0], [3.0, -2.0, -1.0], [4.0, 1.0, 0.0]]
>>> inputs.tolist()[1]
[[0.0, 0.0, 0.0], [7.0, 0.0, -2.0], [9.0, 2.0, 0.0]]
>>> mask.tolist(), rows.tolist()
([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]], [[2, 0, 4], [-1, 3, 1]])
>>> labels[0, 0].tolist(), float(labels.sum())
([0.0, 0.0, 0.0, 0.0, 1.0, 1.0], 2.0)
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

CLASSES = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"]


class PublishedBatches:
    """table: one row a slice, columns key (of the series), seq and six classes; row i belongs to embeddings[i]."""

    def __init__(self, table: pd.DataFrame, embeddings: np.ndarray) -> None:
        """embeddings: (N, E) float32."""
        self.table = table.reset_index(drop=True).assign(row=np.arange(len(table))).set_index("key")
        self.embeddings = embeddings

    def series(self, key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs (T, 3E), labels (T, 6) and rows (T,) of a series of two slices or more, by seq."""
        slices = self.table.loc[[key]].sort_values("seq")
        rows = slices["row"].to_numpy()
        e = self.embeddings[rows]
        to_previous, to_next = np.zeros(e.shape), np.zeros(e.shape)
        to_previous[1:] = e[1:] - e[:-1]
        to_next[:-1] = e[:-1] - e[1:]
        return np.concatenate([e, to_previous, to_next], axis=1), slices[CLASSES].to_numpy(), rows

    def batch(self, keys: list[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs (B, T, 3E), mask (B, T), labels (B, T, 6), all float32, and rows (B, T) int64."""
        series = [self.series(key) for key in keys]
        longest = max(len(rows) for _, _, rows in series)
        inputs, masks, labels, places = [], [], [], []
        for x, y, rows in series:
            missing = longest - len(rows)
            inputs.append(np.concatenate([np.zeros((missing, x.shape[1])), x]))
            labels.append(np.concatenate([np.zeros((missing, 6)), y]))
            masks.append(np.concatenate([np.zeros(missing), np.ones(len(rows))]))
            places.append(np.concatenate([np.full(missing, -1), rows]))
        return (
            torch.tensor(np.stack(inputs)).float(),
            torch.tensor(np.stack(masks)).float(),
            torch.tensor(np.stack(labels)).float(),
            torch.tensor(np.stack(places)),
        )
