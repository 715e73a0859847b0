"""Labels that are not known count nowhere; labels of whole studies are scored by study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from hounsfield.core.evaluation.by_study import as_labelled
from hounsfield.core.evaluation.labels import label_settings, labels_from, weighted_labels
from hounsfield.core.evaluation.metrics import auc_by_class, log_loss
from hounsfield.core.evaluation.score_table import System, score, score_table
from hounsfield.core.training.losses import known_cross_entropy

CLIP = 1e-5
SET = weighted_labels(("stroke", "mass"), "image_id", (1.0, 2.0), CLIP)


def test_a_label_set_reads_back_from_a_record_as_it_was_written() -> None:
    own = weighted_labels(("a", "b", "any"), "image_id", (1.0, 1.0, 2.0), CLIP, any_of="any", given_for="study")
    assert labels_from(label_settings(own), "image_id", CLIP) == own != SET


def test_a_row_is_scored_by_its_known_labels_and_a_row_without_any_does_not_count() -> None:
    probabilities = np.array([[0.8, 0.4], [0.3, 0.9], [0.5, 0.5]])
    labels = np.array([[1.0, np.nan], [0.0, 1.0], [np.nan, np.nan]])
    by_hand = (-np.log(0.8) + (-np.log(0.7) - 2 * np.log(0.9)) / 3) / 2
    assert score(SET, probabilities, labels)["weighted_log_loss"] == pytest.approx(by_hand)
    table = score_table(SET, [System("one", "", probabilities, "")], labels, np.array(["p", "q", "r"]), "0")
    assert table["weighted_log_loss"].item() == pytest.approx(by_hand)
    assert (table["slices"].item(), table["patients"].item()) == (2, 2)
    assert table["log_loss_stroke"].item() == pytest.approx(-(np.log(0.8) + np.log(0.7)) / 2)


def test_the_area_of_a_name_is_that_of_its_known_rows() -> None:
    labels = np.array([[1.0], [np.nan], [0.0], [1.0]])
    assert auc_by_class(np.array([[0.9], [0.0], [0.5], [0.4]]), labels).tolist() == [0.5]


def test_a_probability_as_a_label_weighs_both_answers() -> None:
    found = log_loss(np.array([[0.6]]), np.array([[0.25]]), clip=CLIP).item()
    assert found == pytest.approx(-0.25 * np.log(0.6) - 0.75 * np.log(0.4))


def test_an_unknown_label_has_neither_loss_nor_gradient() -> None:
    logits = torch.tensor([[0.3, -2.0]], requires_grad=True)
    losses = known_cross_entropy(logits, torch.tensor([[1.0, torch.nan]]))
    losses.sum().backward()
    assert losses[0, 1] == 0.0 == logits.grad[0, 1]
    assert losses[0, 0].item() == pytest.approx(np.log1p(np.exp(-0.3)))


def test_labels_of_studies_are_scored_once_a_study_by_its_highest_slice() -> None:
    by_study = weighted_labels(("any",), "image_id", (1.0,), CLIP, given_for="study")
    slices = pd.DataFrame({"study_uid": ["s", "s", "t"], "series_uid": ["1", "2", "3"]})
    system = System("one", "", np.array([[0.2], [0.9], [0.4]]), "models", seen=np.array(["", "", ""]))
    scored = as_labelled(by_study, [system], np.array([[1], [1], [0]], np.int8), np.array(["p", "p", "q"]), slices)
    table = score_table(*scored, "0")
    assert table["weighted_log_loss"].item() == pytest.approx(-(np.log(0.9) + np.log(0.6)) / 2)
    assert (table["studies"].item(), table["patients"].item()) == (2, 2)
    assert "study labels on slices" in table["models"].item()
