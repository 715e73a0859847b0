"""The published sequence data set and collate function, written plainly. B series, T slices of the longest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from reference.published_sequence import published_inputs

CLASSES = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"]


class PublishedBatches:
    """table: one row a slice, columns key (of the series), seq and six classes; row i belongs to embeddings[i]."""

    def __init__(self, table: pd.DataFrame, embeddings: np.ndarray) -> None:
        self.table = table.assign(embedding=table.index).set_index("key")
        self.embeddings = embeddings

    def item(self, key: str) -> dict[str, np.ndarray]:
        """One series of two or more slices, in order."""
        rows = self.table.loc[key].sort_values("seq")
        return {
            "embeddings": self.embeddings[rows["embedding"].to_numpy()],
            "labels": rows[CLASSES].to_numpy(),
            "rows": rows["embedding"].to_numpy(),
        }

    def batch(self, keys: list[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs (B, T, 3E), mask (B, T), labels (B, T, 6) and rows (B, T), all with padding in front."""
        items = [self.item(key) for key in keys]
        longest = max(len(item["rows"]) for item in items)
        inputs = published_inputs([item["embeddings"] for item in items])
        masks, labels, rows = [], [], []
        for item in items:
            missing = longest - len(item["rows"])
            masks.append(np.concatenate((np.zeros(missing), np.ones(len(item["rows"])))))
            labels.append(np.vstack((np.zeros((missing, len(CLASSES))), item["labels"])))
            rows.append(np.concatenate((np.full(missing, -1), item["rows"])))
        return (
            torch.tensor(np.stack(inputs)).float(),
            torch.tensor(np.stack(masks)).float(),
            torch.tensor(np.stack(labels)).float(),
            torch.tensor(np.stack(rows)),
        )
