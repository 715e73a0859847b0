"""The recurrent network over a series' embeddings (RSNA 2019, 2nd place, section 4).

B series, T slices, E embedding width, H hidden units a direction. Layer names are the published ones, so that published
state dicts load.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.training.recurrent import run_packed


def with_deltas(embeddings: Tensor, is_slice: Tensor) -> Tensor:
    """[e_t, e_t - e_(t-1), e_t - e_(t+1)], zero where the neighbour is beyond the end: (B, T, E) -> (B, T, 3E)."""
    both = (is_slice[:, 1:] & is_slice[:, :-1]).unsqueeze(-1)  # (B, T-1, 1)
    step = (embeddings[:, 1:] - embeddings[:, :-1]) * both  # (B, T-1, E)
    none = torch.zeros_like(embeddings[:, :1])
    to_previous = torch.cat([none, step], dim=1)
    to_next = torch.cat([-step, none], dim=1)
    return torch.cat([embeddings, to_previous, to_next], dim=-1)


class SequenceNetwork(nn.Module):
    """Two bidirectional LSTM layers with skip connections; logits for every slice of a series."""

    def __init__(self, embedding_width: int, hidden_units: int, *, packed: bool, classes: int = len(CLASSES)) -> None:
        """packed: padding stands at the end and is inert; else the states run over it, as in the published system."""
        super().__init__()
        both = 2 * hidden_units
        self.packed, self.classes = packed, classes
        self.lstm1 = nn.LSTM(3 * embedding_width, hidden_units, bidirectional=True, batch_first=True)
        self.lstm2 = nn.LSTM(both, hidden_units, bidirectional=True, batch_first=True)
        self.linear1 = nn.Linear(both, both)
        self.linear2 = nn.Linear(both, both)
        self.linear = nn.Linear(both, classes)
        # the published widths agree, and the embedding is added twice side by side; other widths learn a projection
        self.project = None if hidden_units == embedding_width else nn.Linear(embedding_width, both)

    def forward(self, embeddings: Tensor, is_slice: Tensor) -> Tensor:
        """embeddings: (B, T, E). is_slice: (B, T) bool. Returns logits (B, T, C), without meaning on padding."""
        lengths = is_slice.sum(dim=1) if self.packed else None
        first = self._run(self.lstm1, self.steps(embeddings, is_slice), lengths)  # (B, T, 2H)
        second = self._run(self.lstm2, first, lengths)  # (B, T, 2H)
        twice = torch.cat([embeddings, embeddings], dim=-1) if self.project is None else self.project(embeddings)
        hidden = first + second + self.linear1(first).relu() + self.linear2(second).relu() + twice
        return self.linear(hidden)

    def steps(self, embeddings: Tensor, is_slice: Tensor) -> Tensor:
        """What the first layer reads: (B, T, E) -> (B, T, 3E)."""
        return with_deltas(embeddings, is_slice)

    def _run(self, lstm: nn.LSTM, steps: Tensor, lengths: Tensor | None) -> Tensor:
        return lstm(steps)[0] if lengths is None else run_packed(lstm, steps, lengths)


class WithoutDeltas(SequenceNetwork):
    """The same network with zeros in place of the deltas, to measure what these are worth."""

    def steps(self, embeddings: Tensor, is_slice: Tensor) -> Tensor:
        """[e_t, 0, 0]."""
        nothing = torch.zeros_like(embeddings)
        return torch.cat([embeddings, nothing, nothing], dim=-1)


class SliceBySlice(SequenceNetwork):
    """The same network, to which each slice is a series of one, to measure what the others are worth."""

    def forward(self, embeddings: Tensor, is_slice: Tensor) -> Tensor:
        """As in SequenceNetwork; the logits of a slice follow from its own embedding alone."""
        alone = embeddings[is_slice].unsqueeze(1)  # (n, 1, E), n slices of all series
        found = super().forward(alone, is_slice[is_slice].unsqueeze(1)).squeeze(1)  # (n, C)
        logits = found.new_zeros(*is_slice.shape, self.classes)
        logits[is_slice] = found
        return logits
