"""Weights of a blend: what they minimise, and that they are judged on other patients than they were fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_sets import SLICES, SQUARED, STUDIES

from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.blending import blend_by_others, blended, fit_weights
from hounsfield.core.evaluation.labels import LabelSet


def systems(seed: int, count: int = 200, names: int = len(SLICES.names)) -> tuple[list[np.ndarray], np.ndarray]:
    """Two systems of unlike skill, and what is true."""
    generator = np.random.default_rng(seed)
    labels = (generator.random((count, names)) < 0.3).astype(np.int8)
    noise = [generator.normal(0, scale, (count, names)) for scale in (1.0, 2.0)]
    return [1 / (1 + np.exp(-(2 * labels - 1 + n))) for n in noise], labels


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), label_set=st.sampled_from([SLICES, STUDIES]))
def test_no_other_weights_of_a_grid_have_a_lower_loss(seed: int, label_set: LabelSet) -> None:
    predictions, labels = systems(seed, names=len(label_set.names))

    weights = fit_weights(label_set, predictions, labels)

    grid = [label_set.loss(blended(predictions, np.array([w, 1 - w])), labels).mean() for w in np.linspace(0, 1, 41)]
    assert label_set.loss(blended(predictions, weights), labels).mean() <= min(grid) + 1e-5
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


def test_a_system_that_is_wrong_throughout_gets_no_weight() -> None:
    (good, _), labels = systems(1)

    weights = fit_weights(SLICES, [good, np.where(labels > 0.5, 1e-4, 1 - 1e-4)], labels)

    assert weights[1] < 0.02


def test_a_slices_blend_does_not_depend_on_its_own_patients_labels() -> None:
    predictions, labels = systems(2)
    patients = np.repeat([f"p{number}" for number in range(20)], 10)
    changed = labels.copy()
    changed[patients == "p3"] = 1 - changed[patients == "p3"]

    before, after = (blend_by_others(SLICES, predictions, truth, patients) for truth in (labels, changed))

    np.testing.assert_array_equal(before[patients == "p3"], after[patients == "p3"])
    assert not np.array_equal(before, after)


def test_a_single_patients_slices_are_blended_with_equal_weights() -> None:
    predictions, labels = systems(3)

    found = blend_by_others(SLICES, predictions, labels, np.full(len(labels), "only"))

    np.testing.assert_allclose(found, (predictions[0] + predictions[1]) / 2)


def test_weights_are_not_fitted_to_a_loss_that_is_no_weighted_log_loss() -> None:
    predictions, labels = systems(4, names=len(SQUARED.names))
    with pytest.raises(WrongUse, match="give them"):
        fit_weights(SQUARED, predictions, labels)
