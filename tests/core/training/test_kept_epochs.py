from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from hounsfield.core.training.kept_epochs import epochs_of, kept_with, none_kept, remove_other_epochs
from hounsfield.core.training.precision import Kept

SCORES = (0.2, 0.5, 0.1, 0.5, 0.3)


def after(scores: tuple[float, ...], count: int, rule: Kept) -> Tensor:
    kept = none_kept()
    for epoch, score in enumerate(scores):
        kept = kept_with(kept, epoch, score, count, rule)
    return kept


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("best", [(1, 0.5), (3, 0.5), (4, 0.3)]), ("last", [(4, 0.3), (3, 0.5), (2, 0.1)])],
)
def test_so_many_epochs_are_kept_the_first_by_the_rule_first(rule: Kept, expected: list[tuple[int, float]]) -> None:
    assert epochs_of(after(SCORES, 3, rule)) == expected


def test_of_equal_scores_the_earliest_epoch_stays() -> None:
    assert epochs_of(after((0.5, 0.5, 0.5), 2, "best")) == [(0, 0.5), (1, 0.5)]


def test_fewer_epochs_than_are_wanted_are_all_kept() -> None:
    assert epochs_of(after(SCORES[:2], 3, "best")) == [(1, 0.5), (0, 0.2)]


def test_the_weights_of_other_epochs_go_and_nothing_else_does(tmp_path: Path) -> None:
    for name in ("epoch1.safetensors", "epoch1.json", "epoch10.safetensors", "epoch10.json", "output.json"):
        (tmp_path / name).touch()
    remove_other_epochs(tmp_path, after((0.1, 0.5), 1, "best"))
    assert {path.name for path in tmp_path.iterdir()} == {"epoch1.safetensors", "epoch1.json", "output.json"}
