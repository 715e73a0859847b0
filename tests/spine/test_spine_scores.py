"""The loss as a mean over the rows of a submission, as the competition's text says it, and gains in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2022.submission import best_constant
from hounsfield.spine.scores import mean_over_rows, printed_gains
from reference.best_constant import rows_loss

STUDIES, FRACTURED = 2019, (961, 146, 285, 73, 108, 162, 277, 393)  # of the published folds file


def test_the_loss_over_rows_is_the_plain_one_and_leaves_unknown_labels_out() -> None:
    draws = np.random.default_rng(0)
    p, labels = draws.uniform(0.01, 0.99, (30, 8)), (draws.random((30, 8)) < 0.4).astype(float)
    plain = [rows_loss(one.tolist(), own.tolist()) for one, own in zip(p, labels, strict=True)]
    np.testing.assert_allclose(mean_over_rows(p, labels), plain, atol=1e-9)
    labels[:, 3] = np.nan
    known = [0, 1, 2, 4, 5, 6, 7]
    plain = [rows_loss(one.tolist(), own.tolist()) for one, own in zip(p[:, known], labels[:, known], strict=True)]
    np.testing.assert_allclose(mean_over_rows(p, labels), plain, atol=1e-9)


def test_over_rows_the_best_constant_scores_1_28_on_the_published_prevalences_and_one_half_1_564() -> None:
    """Names add up, so that it does not count which fractures are of one study.

    This form's best constant is another one than the normalised form's, which scores 1.32: each fracture counts as two
    rows without.
    """
    labels = np.stack([np.arange(STUDIES) < count for count in FRACTURED], axis=1).astype(float)
    fractured, best = labels.mean(axis=0), best_constant(labels, over_rows=True)
    np.testing.assert_allclose(best, 2 * fractured / (1 + fractured))
    assert mean_over_rows(np.tile(best, (STUDIES, 1)), labels).mean() == pytest.approx(1.28, abs=0.005)
    assert mean_over_rows(np.full_like(labels, 0.5), labels).mean() == pytest.approx(1.564, abs=0.0005)


@pytest.mark.parametrize(("gain", "word"), [(0.125, "lower"), (-0.125, "higher")])
def test_a_loss_above_the_priors_is_called_higher_and_one_below_lower(gain: float, word: str) -> None:
    row = {"system": "bag", "gain_over": "prior", "gain": gain, "gain_low": gain - 0.05, "gain_high": gain + 0.05}
    line = printed_gains(pd.DataFrame([{**row, "gain_over": ""}, row]))
    interval = f"{gain - 0.05:+.4f} to {gain + 0.05:+.4f}"
    assert line == f"bag: study loss {word} than the prior's by 0.1250 (95 % interval of the gain {interval})"
