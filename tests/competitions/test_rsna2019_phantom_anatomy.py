"""The RSNA 2019 phantom's heads: each bleed lies where its name says, and the labels agree with what is drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hounsfield.competitions.rsna2019.head_phantom.plans import KINDS, plan_patient
from hounsfield.competitions.rsna2019.head_phantom.studies import Study, draw_series
from hounsfield.competitions.rsna2019.labels import CLASSES


def phantom_study(
    seed: int, patient: int, slices: tuple[int, int], size: int, bleeds: tuple[str, ...], with_mimics: bool = False
) -> Study:
    """A patient's first series with the bleeds that are named."""
    plan = plan_patient(seed, patient, slices, size, bleeds)
    return draw_series(plan, plan.series[0], with_mimics)


@pytest.fixture(scope="module")
def studies() -> dict[str, Study]:
    return {kind: phantom_study(7, 3, (16, 16), 128, (kind,)) for kind in KINDS}


def test_a_head_without_bleeds_has_air_brain_fluid_and_bone_at_their_usual_hu() -> None:
    study = phantom_study(7, 3, (16, 16), 128, ())
    middle = study.hu[8]
    assert np.median(middle[:8, :8]) < -950
    assert 25 < np.median(middle[study.cavity[8]]) < 40
    assert middle.max() > 700
    deep = [cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for mask in study.ventricles]
    assert 0 < np.median(study.hu[np.array(deep)]) < 20
    assert study.labels.sum() == 0


def test_labels_agree_with_masks(studies: dict[str, Study]) -> None:
    for kind, study in studies.items():
        shown = study.masks[kind].any(axis=(1, 2))
        assert np.array_equal(shown, study.labels[:, CLASSES.index(kind)] == 1)
        assert np.array_equal(study.labels[:, 5], study.labels[:, :5].max(axis=1))
        assert study.labels.sum() == 2 * shown.sum()


def test_bleeds_run_through_three_or_more_neighbouring_slices_and_fade_at_their_ends(studies: dict[str, Study]) -> None:
    for kind, study in studies.items():
        shown = np.flatnonzero(study.labels[:, 5])
        assert len(shown) >= 3 and np.all(np.diff(shown) == 1), kind
        contrast = study.contrast[shown, 0]
        assert contrast[[0, -1]].max() <= 0.35 and contrast[[0, -1]].min() >= 0.15
        assert contrast[1:-1].max() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_bleed_is_bright_in_its_middle_slice_and_faint_in_its_first(kind: str, studies: dict[str, Study]) -> None:
    study = studies[kind]
    clean = phantom_study(7, 3, (16, 16), 128, ())
    shown = np.flatnonzero(study.labels[:, 5])
    middle = shown[int(np.argmax(study.contrast[shown, 0]))]
    assert np.median(study.hu[middle][study.masks[kind][middle]]) > 45
    assert np.median(study.hu[shown[0]][study.masks[kind][shown[0]]]) < 50
    assert np.allclose(study.heights, clean.heights)


def _from_inner_table(study: Study, i: int) -> np.ndarray:
    """Distance of each pixel of the cavity from the skull, pixels; (rows, columns)."""
    return cv2.distanceTransform(study.cavity[i].astype(np.uint8), cv2.DIST_L2, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_bleed_lies_inside_the_skull(kind: str, studies: dict[str, Study]) -> None:
    study = studies[kind]
    assert (study.masks[kind] & ~study.cavity).sum() <= 0.05 * study.masks[kind].sum()


@pytest.mark.parametrize("patient", range(4))
def test_epidural_is_a_thick_lens_and_subdural_a_long_crescent_on_the_inner_table(patient: int) -> None:
    shape = {}
    for kind in ("epidural", "subdural"):
        study = phantom_study(11, patient, (16, 16), 128, (kind,))
        middle = np.flatnonzero(study.labels[:, 5])[study.labels[:, 5].sum() // 2]
        mask, distance = study.masks[kind][middle], _from_inner_table(study, middle)
        assert distance[mask].min() <= 1.5  # touches the inner table
        length = max(np.ptp(np.flatnonzero(mask.any(axis=axis))) for axis in (0, 1))
        shape[kind] = distance[mask].max() / length
        assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 2  # one piece
    assert shape["epidural"] > 1.5 * shape["subdural"]


def test_intraventricular_blood_lies_in_the_ventricles_and_at_their_back(studies: dict[str, Study]) -> None:
    study = studies["intraventricular"]
    mask = study.masks["intraventricular"]
    assert (mask & ~study.ventricles).sum() <= 0.05 * mask.sum()
    middle = int(np.argmax(mask.sum(axis=(1, 2))))
    rows = np.arange(128)[:, None] * np.ones(128)
    dry = study.ventricles[middle] & ~mask[middle]
    assert rows[mask[middle]].mean() > (rows[dry].mean() if dry.any() else 0)


def test_intraparenchymal_blood_keeps_away_from_the_skull_in_one_piece(studies: dict[str, Study]) -> None:
    study = studies["intraparenchymal"]
    middle = int(np.argmax(study.masks["intraparenchymal"].sum(axis=(1, 2))))
    mask = study.masks["intraparenchymal"][middle]
    assert _from_inner_table(study, middle)[mask].min() >= 1
    areas = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    assert areas.max() >= 0.8 * areas.sum()


def test_subarachnoid_blood_is_thin_where_intraparenchymal_blood_is_thick(studies: dict[str, Study]) -> None:
    thick = {}
    for kind in ("subarachnoid", "intraparenchymal"):
        mask = studies[kind].masks[kind]
        middle = mask[int(np.argmax(mask.sum(axis=(1, 2))))].astype(np.uint8)
        thick[kind] = cv2.erode(middle, np.ones((3, 3), np.uint8)).sum() / middle.sum()
    assert thick["subarachnoid"] < 0.35 < thick["intraparenchymal"]


def test_mimics_are_confined_to_one_slice_and_not_labelled() -> None:
    found = 0
    for patient in range(6):
        plain = phantom_study(5, patient, (14, 14), 64, ())
        with_mimics = phantom_study(5, patient, (14, 14), 64, (), with_mimics=True)
        assert with_mimics.labels.sum() == 0
        assert len({mimic.slice for mimic in with_mimics.mimics}) == len(with_mimics.mimics)
        for mimic in with_mimics.mimics:
            i = mimic.slice
            brighter = with_mimics.hu[i][plain.cavity[i]] - plain.hu[i][plain.cavity[i]]
            found += bool((brighter > 12).sum() >= 4)
    assert found >= 3


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_same_patient_has_the_same_anatomy_at_every_size(size: int) -> None:
    large, small = phantom_study(9, 1, (6, 6), 256, ("epidural",)), phantom_study(9, 1, (6, 6), size, ("epidural",))
    scale = (256 / size) ** 2
    for i in range(6):
        assert large.cavity[i].sum() == pytest.approx(small.cavity[i].sum() * scale, rel=0.06, abs=200)
    assert np.array_equal(large.labels, small.labels)
