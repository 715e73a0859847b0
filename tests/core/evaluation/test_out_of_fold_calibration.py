"""What a run learns about its probabilities holds for patients that had no part in it, or is not said."""

import numpy as np
import pytest

from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation import out_of_fold_calibration
from hounsfield.core.evaluation.calibration import read_calibration, write_calibration
from hounsfield.core.evaluation.operating_points import operating_points
from hounsfield.core.evaluation.out_of_fold_calibration import (
    PART,
    Learned,
    OutOfFold,
    fitted_on,
    group_part,
    learn_calibration,
    learn_name,
    patient_groups,
    refuse_fitted_patients,
)
from hounsfield.core.evaluation.reliability import expected_calibration_error
from hounsfield.core.stages.ledger import Ledger

NAMES = ("too_sure", "too_high", "bent", "fair", "rare")


def synthetic(patients: int = 120, slices: int = 12, seed: int = 5) -> OutOfFold:
    """Slices whose probabilities are wrong in a known way; the last name is positive in two patients alone."""
    draws = np.random.default_rng(seed)
    names = np.repeat([f"P{number:03d}" for number in range(patients)], slices)
    logits = draws.normal(-1, 1.5, (len(names), 5)) + draws.normal(0, 1, (patients, 5)).repeat(slices, axis=0)
    labels = (draws.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    labels[:, 4] = np.isin(names, ["P003", "P010"])
    told = np.stack(
        [3 * logits[:, 0], logits[:, 1] + 1.5, 4 * np.tanh(logits[:, 2]), logits[:, 3], logits[:, 4]], axis=1
    )
    return OutOfFold(1 / (1 + np.exp(-told)), labels, names, np.full(len(names), "", object), "slices")


def learn(rows: OutOfFold, **more) -> Learned:
    return learn_calibration(NAMES, {"slice": rows}, "phantom", what="bag (test)", remedy="sh bin/again.sh", **more)


@pytest.fixture(scope="module")
def rows() -> OutOfFold:
    return synthetic()


@pytest.fixture(scope="module")
def learned(rows) -> Learned:
    return learn(rows)


def test_the_error_of_unseen_patients_is_never_above_raw_and_lower_in_the_mean(learned):
    known = [one for one in learned.calibration.levels["slice"].values() if one.calibrator is not None]
    raw, calibrated = (np.array([getattr(one, what).ece for one in known]) for what in ("raw", "calibrated"))

    assert (calibrated <= raw).all()
    assert calibrated.mean() < raw.mean() / 2
    assert [one.calibrator.method != "none" for one in known[:3]] == [True] * 3


def test_the_stored_error_is_that_of_the_nested_values(learned, rows):
    for c, name in enumerate(NAMES[:4]):
        known = learned.calibration.levels["slice"][name]
        found = expected_calibration_error(learned.nested["slice"][:, c], rows.labels[:, c])
        assert known.calibrated.ece == pytest.approx(found)
        assert known.raw.ece == pytest.approx(expected_calibration_error(rows.probabilities[:, c], rows.labels[:, c]))


def test_a_rare_name_is_not_calibrated_and_says_why(learned):
    rare = learned.calibration.levels["slice"]["rare"]

    assert rare.words == "not calibrated: positives of 2 patients and negatives of 118; 5 of each are needed"
    assert np.isnan(learned.nested["slice"][:, 4]).all()
    assert rare.points == ()


@pytest.mark.parametrize(("patients", "calibrated"), [(4, False), (5, True)])
def test_positives_of_five_patients_are_enough(patients, calibrated):
    draws, owners = np.random.default_rng(2), np.repeat(np.arange(40), 3)
    labels = np.where(owners < patients, 0.5, 0)  # one half is positive
    values, names, groups = draws.random(120), owners.astype(str), owners % 5

    known, _ = learn_name(values, labels, names, groups)

    assert (known.calibrator is not None) == calibrated
    assert (known.patients, known.positives, known.negatives) == (40, 3 * patients, 120 - 3 * patients)
    assert known.points == (operating_points(values, labels, names, groups) if calibrated else ())


def test_raw_probabilities_are_kept_where_nothing_is_better_on_other_patients():
    draws = np.random.default_rng(0)
    values, patients = draws.random(400), np.arange(400).astype(str)  # labels that nothing can tell
    labels = (draws.random(400) < values).astype(float)

    known, nested = learn_name(values, labels, patients, np.arange(400) % 5)

    assert known.calibrator.method == "none"
    assert known.reason == "no calibrator was better on other patients"
    np.testing.assert_array_equal(nested, values)
    assert known.calibrated == known.raw


def test_what_a_patients_values_are_calibrated_by_does_not_know_the_patients_labels(rows, learned):
    patient = rows.patients == "P042"
    turned = rows._replace(labels=np.where(patient[:, np.newaxis], 1 - rows.labels, rows.labels))
    groups = patient_groups(rows.patients, rows.labels)  # as they were dealt: by labels, too
    known, nested = learn_name(rows.probabilities[:, 0], rows.labels[:, 0], rows.patients, groups)
    other, found = learn_name(rows.probabilities[:, 0], turned.labels[:, 0], rows.patients, groups)

    assert known.calibrator.method == other.calibrator.method == "temperature"
    np.testing.assert_array_equal(nested[patient], found[patient])
    assert not np.array_equal(nested, found)  # which those of other patients do


def test_order_of_rows_does_not_matter(rows, learned):
    order = np.random.default_rng(1).permutation(len(rows.patients))

    found = learn(rows.of(order))

    np.testing.assert_allclose(found.nested["slice"], learned.nested["slice"][order], atol=1e-9)
    assert found.calibration.words("slice") == learned.calibration.words("slice")


def test_rows_that_a_model_has_seen_are_neither_used_nor_calibrated(rows):
    seen = np.where(rows.patients < "P030", "upstream", "").astype(object)
    clean = seen == ""

    found, without = learn(rows._replace(seen=seen), leak="second order"), learn(rows.of(clean))

    assert np.isnan(found.nested["slice"][~clean]).all()
    np.testing.assert_array_equal(found.nested["slice"][clean], without.nested["slice"])
    assert not found.ledger.roles_of(np.array(["P001"]), PART)[0]
    assert found.calibration.levels == without.calibration.levels
    assert found.calibration.notes["slice"].endswith(" of 90 patients; without 360 whose patients models have seen")


def test_a_run_whose_models_have_seen_everybody_is_not_calibrated_and_says_how(rows):
    found = learn(rows._replace(seen=np.full(len(rows.patients), "upstream", object)), leak="second-order leak: boxes")

    assert found.calibration.levels == {}
    assert found.calibration.words("slice") == "not calibrated: second-order leak: boxes"
    assert found.ledger.rows.empty


def test_a_data_set_without_labels_is_not_calibrated(rows):
    found = learn(rows._replace(labels=np.full_like(rows.labels, np.nan)))

    assert found.calibration.words("slice") == "not calibrated: there is no labelled row that is out of fold"
    assert np.isnan(found.nested["slice"]).all()


def test_unknown_labels_are_left_out_by_name(rows):
    unknown = rows.labels.copy()
    unknown[::3, 0] = np.nan

    found = learn(rows._replace(labels=unknown))

    assert np.isnan(found.nested["slice"][::3, 0]).all()
    assert not np.isnan(found.nested["slice"][1::3, 0]).any()
    known = found.calibration.levels["slice"]["too_sure"]
    assert known.positives + known.negatives == len(unknown) - len(unknown[::3])


def test_soft_labels_are_fitted_as_they_are(rows):
    soft = np.where(rows.labels == 1, 0.8, 0.1)

    found = learn(rows._replace(labels=soft)).calibration.levels["slice"]["too_sure"]

    assert found.calibrated.ece < found.raw.ece
    assert found.calibrator.apply(np.array([1e-9]))[0] > 0.01 or found.calibrator.method == "temperature"


def test_the_ledger_names_whom_each_groups_calibrators_have_seen(rows, learned):
    groups = patient_groups(rows.patients, rows.labels)
    for group in np.unique(groups):
        own = np.unique(rows.patients[groups == group])
        assert not learned.ledger.roles_of(own, group_part(group)).any()
        others = np.unique(rows.patients[groups != group])
        assert (learned.ledger.roles_of(others, group_part(group)) == "train").all()
    assert (learned.ledger.roles_of(np.unique(rows.patients), PART) == "train").all()


def test_a_calibrator_that_has_seen_a_patient_it_is_asked_about_is_refused_naming_both(rows):
    groups = patient_groups(rows.patients, rows.labels)
    group = int(groups[rows.patients == "P042"][0])
    planted = Ledger.joined(
        [fitted_on("phantom", rows.patients, groups), Ledger.of("phantom", ["P042"], part=group_part(group))]
    )

    message = rf"bag \(test\), calibration of group {group}: 1 of .* the first: P042\).* sh bin/again\.sh"
    with pytest.raises(BadInput, match=message):
        refuse_fitted_patients(planted, rows.patients, groups, "bag (test)", "sh bin/again.sh")


def test_fitting_on_the_rows_that_are_scored_is_refused_before_anything_is_kept(rows, monkeypatch):
    def leaking(groups):
        yield from ((groups == group, np.full(len(groups), True)) for group in np.unique(groups))

    monkeypatch.setattr(out_of_fold_calibration, "held_out_groups", leaking)

    with pytest.raises(BadInput, match=r"bag \(test\), calibration of group 0: .* the first: P\d+\)"):
        learn(rows)


def test_a_constant_prediction_becomes_the_share_of_positives_and_tells_rows_apart_no_better(rows):
    values, labels = np.full(len(rows.patients), 0.9), rows.labels[:, 0]

    known, nested = learn_name(values, labels, rows.patients, patient_groups(rows.patients, rows.labels))

    assert known.calibrator.apply(np.array([0.9]))[0] == pytest.approx(labels.mean())
    assert known.calibrated.ece < 0.05 < known.raw.ece
    assert np.ptp(nested) < 0.1
    assert known.points[0].threshold == 0.9


def test_labels_of_one_half_are_dealt_into_groups_as_positives(rows):
    groups = patient_groups(rows.patients, rows.labels)

    np.testing.assert_array_equal(patient_groups(rows.patients, rows.labels / 2), groups)


def test_levels_share_the_groups_of_patients(rows):
    _, first = np.unique(rows.patients, return_index=True)
    studies = rows.of(first)._replace(what="studies")

    found = learn_calibration(
        NAMES, {"slice": rows, "study": studies}, "phantom", what="bag (test)", remedy="sh bin/again.sh"
    )

    for group in range(5):
        seen = found.ledger.roles_of(np.unique(rows.patients), group_part(group))
        assert 0 < (seen == "").sum() < len(seen) / 2
    assert found.calibration.notes["study"] == "120 out-of-fold studies of 120 patients"


def test_what_was_learnt_reads_back(tmp_path, learned, rows):
    write_calibration(tmp_path / "calibration.json", learned.calibration)

    found = read_calibration(tmp_path / "calibration.json")

    assert found == learned.calibration
    np.testing.assert_array_equal(
        found.apply("slice", rows.probabilities), learned.calibration.apply("slice", rows.probabilities)
    )
