from __future__ import annotations

import gzip
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.competitions.rsna2019 import submission as module
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.results import prior
from hounsfield.competitions.rsna2019.submission import Submission, check, fill, ids_of, sample_ids, write
from hounsfield.core.errors import BadInput, MissingInput

IMAGES = pd.Series(["ID_a1", "ID_b2", "ID_c3"])
PROBABILITIES = np.linspace(0.05, 0.9, 18).reshape(3, 6)
PRIOR = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.15])


def write_sample(path, ids, head="ID,Label\n"):
    path.write_text(head + "".join(f"{one},0.5\n" for one in ids))
    return path


def test_prior_is_the_share_of_positive_slices_within_the_bounds():
    labels = np.array([[0, 1, 0, 0, 0, 1], [0, 1, 0, 0, 1, 1], [0, 1, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0]], np.int8)
    assert prior(labels) == pytest.approx([1e-5, 1 - 1e-5, 0.25, 0.25, 0.25, 0.5])


def test_ids_are_six_an_image_in_the_order_of_the_classes():
    assert list(ids_of(IMAGES[:2])) == [f"{image}_{name}" for image in ("ID_a1", "ID_b2") for name in CLASSES]
    assert len(ids_of(IMAGES[:0])) == 0


def test_each_id_gets_the_probability_of_its_own_image_and_class():
    ids = ids_of(IMAGES).sample(frac=1, random_state=3, ignore_index=True)
    found = fill(ids, IMAGES, PROBABILITIES, PRIOR)
    lookup = {f"{i}_{c}": PROBABILITIES[r, k] for r, i in enumerate(IMAGES) for k, c in enumerate(CLASSES)}
    assert list(found.labels) == [lookup[one] for one in ids]
    assert (found.filled, found.left_out) == ([], [])


def test_an_image_without_a_prediction_takes_the_prior_and_an_extra_one_is_left_out():
    ids = ids_of(pd.Series(["ID_lost", "ID_b2"]))
    found = fill(ids, IMAGES, PROBABILITIES, PRIOR)
    assert list(found.labels) == [*PRIOR, *PROBABILITIES[1]]
    assert found.filled == ["ID_lost"]
    assert found.left_out == ["ID_a1", "ID_c3"]


def test_labels_are_clipped_to_the_bounds():
    found = fill(ids_of(IMAGES[:1]), IMAGES[:1], np.array([[0, 1, 0.5, 1e-9, 1 - 1e-9, 1e-5]]), PRIOR)
    assert list(found.labels) == [1e-5, 1 - 1e-5, 0.5, 1e-5, 1 - 1e-5, 1e-5]


def test_the_bounds_can_be_wider_and_what_is_written_keeps_them(tmp_path):
    ids = ids_of(IMAGES[:1])
    found = fill(ids, IMAGES[:1], np.array([[0, 1, 0.5, 2e-6, 1 - 1e-9, 1e-5]]), PRIOR, clip=1e-6)
    assert list(found.labels) == [1e-6, 1 - 1e-6, 0.5, 2e-6, 1 - 1e-6, 1e-5]
    write(tmp_path / "submission.csv.gz", found)
    assert pd.read_csv(tmp_path / "submission.csv.gz")["Label"].tolist() == list(found.labels)
    with pytest.raises(BadInput, match=r"submission\.csv\.gz: ID_a1_epidural .*label"):
        check(tmp_path / "submission.csv.gz", ids)


def test_another_data_sets_sample_is_refused():
    with pytest.raises(BadInput, match=r"6 sample IDs .ID_other_epidural"):
        fill(ids_of(pd.Series(["ID_other"])), IMAGES, PROBABILITIES, PRIOR)


@settings(max_examples=40)
@given(
    st.lists(st.text(string.ascii_letters + string.digits + "_-.", min_size=1, max_size=12), min_size=1, unique=True),
    st.data(),
)
def test_what_is_written_reads_back_with_the_same_ids_and_labels(tmp_path_factory, images, data):
    path = tmp_path_factory.mktemp("submission") / "submission.csv.gz"
    values = st.lists(st.floats(0, 1), min_size=6 * len(images), max_size=6 * len(images))
    probabilities = np.array(data.draw(values)).reshape(-1, 6)
    wanted = fill(ids_of(pd.Series(images)), pd.Series(images), probabilities, PRIOR)
    write(path, wanted)
    table = pd.read_csv(path, dtype={"ID": str}, keep_default_na=False)
    assert list(table.columns) == ["ID", "Label"]
    assert list(table["ID"]) == list(wanted.ids)
    assert np.allclose(table["Label"], np.clip(probabilities.ravel(), 1e-5, 1 - 1e-5), rtol=0, atol=1e-10)


def test_the_same_rows_give_the_same_bytes_whatever_the_name_and_the_hour(tmp_path, monkeypatch):
    wanted = fill(ids_of(IMAGES), IMAGES, PROBABILITIES, PRIOR)
    write(tmp_path / "one.csv.gz", wanted)
    monkeypatch.setattr("time.time", lambda: 0.0)
    write(tmp_path / "two.csv.gz", wanted)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    lines = gzip.decompress((tmp_path / "one.csv.gz").read_bytes()).decode().split("\n")
    assert lines[:2] == ["ID,Label", "ID_a1_epidural,0.0500000000"]


def test_a_submission_is_checked_in_blocks_without_a_seam(tmp_path, monkeypatch):
    wanted = fill(ids_of(IMAGES), IMAGES, PROBABILITIES, PRIOR)
    monkeypatch.setattr(module, "ROWS_PER_READ", 4)
    write(tmp_path / "submission.csv.gz", wanted)
    with pytest.raises(BadInput, match=r"submission\.csv\.gz: ID_c3_any .*expected"):
        check(tmp_path / "submission.csv.gz", wanted.ids.replace("ID_c3_any", "ID_d4_any"))


def test_an_id_that_needs_quotes_keeps_its_text(tmp_path):
    images = pd.Series(['ID_a,b"c'])
    write(tmp_path / "submission.csv.gz", fill(ids_of(images), images, PROBABILITIES[:1], PRIOR))
    check(tmp_path / "submission.csv.gz", ids_of(images))


def test_an_empty_submission_has_its_header(tmp_path):
    write(tmp_path / "s.csv.gz", fill(ids_of(IMAGES[:0]), IMAGES[:0], PROBABILITIES[:0], PRIOR))
    assert gzip.decompress((tmp_path / "s.csv.gz").read_bytes()) == b"ID,Label\n"


def test_a_submission_that_fails_its_check_never_gets_its_name(tmp_path):
    path = tmp_path / "submission.csv.gz"
    labels = np.full(18, 0.5)
    labels[7] = np.nan
    with pytest.raises(BadInput, match=r"ID_b2_intraparenchymal .*label"):
        write(path, Submission(ids_of(IMAGES), labels, [], []))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ID,Label\na,0.5\nb,high\n", "b .*label"),
        ("ID,Label\na,0.5\nb,\n", "b .*label"),
        ("ID,Label\na,0.5\nb,0.999999\n", "b .*label"),
        ("ID,Label\na,0.000001\nb,0.5\n", "a .*label"),
        ("ID,Label\nb,0.5\na,0.5\n", "b .*expected"),
        ("ID,Label\na,0.5\n", "1 .* 2"),
        ("ID,Label\na,0.5\nb,0.5\nc,0.5\n", "more .* 2"),
        ("ID,label\na,0.5\nb,0.5\n", "columns .*'label'.*ID, Label"),
    ],
)
def test_check_names_what_is_wrong_with_a_submission(tmp_path, content, message):
    path = tmp_path / "submission.csv.gz"
    path.write_bytes(gzip.compress(content.encode()))
    with pytest.raises(BadInput, match=rf"submission\.csv\.gz: {message}"):
        check(path, pd.Series(["a", "b"]))


def test_check_refuses_ids_that_stand_twice(tmp_path):
    path = tmp_path / "submission.csv.gz"
    path.write_bytes(gzip.compress(b"ID,Label\na,0.5\na,0.5\n"))
    with pytest.raises(BadInput, match=r"submission\.csv\.gz: .*; a .*twice"):
        check(path, pd.Series(["a", "a"]))


def test_the_samples_ids_keep_the_samples_order(tmp_path):
    ids = [f"{image}_{name}" for name in reversed(CLASSES) for image in IMAGES]
    assert list(sample_ids(write_sample(tmp_path / "s.csv", ids))) == ids
    assert list(sample_ids(write_sample(tmp_path / "bom.csv", ids, "\ufeffID,Label\n"))) == ids


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([*ids_of(IMAGES), "ID_a1_any"], "1 .*repeated.* ID_a1_any"),
        ([*ids_of(IMAGES), "ID_a1_fracture"], "1 .*class.* ID_a1_fracture"),
        (["plain"], "1 .*class.* plain"),
        (list(ids_of(IMAGES))[:-1], "1 .*six classes.* ID_c3"),
    ],
)
def test_a_damaged_sample_submission_is_refused(tmp_path, ids, message):
    with pytest.raises(BadInput, match=rf"s\.csv: {message}"):
        sample_ids(write_sample(tmp_path / "s.csv", ids))


def test_a_missing_or_foreign_sample_submission_is_refused(tmp_path):
    with pytest.raises(MissingInput, match=r"s\.csv .*run_01"):
        sample_ids(tmp_path / "s.csv")
    with pytest.raises(BadInput, match=r"other\.csv .*column ID"):
        sample_ids(write_sample(tmp_path / "other.csv", [], "image,any\n"))
