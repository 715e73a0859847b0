"""What preparation starts from: either stage's archive as a folder, a zip or both, and films of one's own."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from chest_films import chest, corner, film_file, stage_1, write_films
from dicom_files import ct_file
from hounsfield.competitions.siim2019.source import competition_source, find_source
from hounsfield.core.errors import BadInput, MissingInput, WrongUse

STAGE_2 = {
    "stage_2_images/ID_0.dcm": film_file(chest(7)),
    "stage_2_train.csv": b"ImageId,EncodedPixels\n1.2.a,0 5\n1.2.b,-1\n1.2.t,-1\n",
    "stage_2_sample_submission.csv": b"ImageId,EncodedPixels\nID_0,-1\n",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return stage_1(tmp_path / "raw" / "any" / "top", {"1.2.a": [corner()], "1.2.b": [corner() & False]}, ["1.2.t"])


def zipped(folder: Path) -> Path:
    path = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(folder.rglob("*")):
            packed.write(file, file.relative_to(folder))
    return path


def test_a_zip_holds_the_same_films_as_its_folder(archive: Path) -> None:
    folder, packed = competition_source([archive.parent]), competition_source([zipped(archive.parent)])
    for source in (folder, packed):
        assert source.film_ids.tolist() == ["1.2.t", "1.2.a", "1.2.b"]
        assert source.may_be_test.tolist() == [True, False, False]
        assert source.annotations.keys() == {"1.2.a", "1.2.b"}
        assert source.ignored == 1  # the table
    assert folder.digests()["labels"] == packed.digests()["labels"]


def test_training_films_alone_are_enough_at_any_depth(tmp_path: Path) -> None:
    source = competition_source([stage_1(tmp_path / "some" / "where", {"1.2.a": [corner()]}).parents[1]])
    assert source.film_ids.tolist() == ["1.2.a"]
    assert source.may_be_test.tolist() == [False]


def test_the_second_stage_labels_the_first_ones_test_films(archive: Path) -> None:
    source = competition_source([write_films(archive, STAGE_2)])
    assert source.annotations.keys() == {"1.2.a", "1.2.b", "1.2.t"}
    assert dict(zip(source.film_ids, source.may_be_test, strict=True))["ID_0"]
    assert source.sample == STAGE_2["stage_2_sample_submission.csv"]


def test_the_second_stages_zip_and_the_firsts_folder_are_one_data_set(archive: Path, tmp_path: Path) -> None:
    packed = zipped(write_films(tmp_path / "stage2" / "content", STAGE_2))
    source = competition_source([packed, archive])
    assert set(source.film_ids) == {"1.2.a", "1.2.b", "1.2.t", "ID_0"}
    assert source.annotations.keys() == {"1.2.a", "1.2.b", "1.2.t"}


def test_the_second_stages_zip_alone_is_a_test_set(tmp_path: Path) -> None:
    source = competition_source([zipped(write_films(tmp_path / "content", STAGE_2))])
    assert (source.film_ids.tolist(), source.annotations) == (["ID_0"], {})


def test_a_second_identical_copy_counts_once_and_one_that_differs_is_an_error(archive: Path) -> None:
    shutil.copytree(archive, archive.parent / "pneumothorax" / "again", ignore=shutil.ignore_patterns("*.csv"))
    assert sorted(competition_source([archive.parent]).film_ids) == ["1.2.a", "1.2.b", "1.2.t"]
    copy = next((archive.parent / "pneumothorax").rglob("1.2.a.dcm"))
    copy.write_bytes(film_file(chest(9)))
    with pytest.raises(BadInput, match=r"1 film occurs with different content.*1\.2\.a\.dcm"):
        competition_source([archive.parent])


def test_rows_of_a_film_that_is_not_there_are_listed(archive: Path) -> None:
    with (archive / "train-rle.csv").open("a") as table:
        table.write("\n9.9.9, 3 4\n")
    with pytest.raises(BadInput, match=r"train-rle\.csv: 1 mask(.|\n)*row 4 \(9\.9\.9\)"):
        competition_source([archive])


def test_training_films_need_a_table(archive: Path) -> None:
    (archive / "train-rle.csv").unlink()
    with pytest.raises(BadInput, match=r"train-rle\.csv"):
        competition_source([archive])


def test_a_folder_without_the_competitions_folders_is_refused(tmp_path: Path) -> None:
    write_films(tmp_path, {"films/a.dcm": film_file(chest())})
    with pytest.raises(BadInput, match="dicom-images-train/"):
        competition_source([tmp_path])


def test_films_with_the_name_of_a_table_get_another(tmp_path: Path) -> None:
    given = write_films(
        tmp_path / "own", dict.fromkeys(("studies.csv", "output.JSON.dcm", "csv.dcm"), film_file(chest()))
    )
    names = find_source(tmp_path, "mine", {"images": [str(given)]}).film_ids
    assert sorted(name.startswith("ID_") for name in names) == [False, True, True]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    films = {"x/one.dcm": 0, "x/two": 1, "x/IM-1.dcm": 2, "y/IM-1.dcm": 3, "y/sp ace.dcm": 4}
    return write_films(tmp_path / "own", {name: film_file(chest(number)) for name, number in films.items()})


def test_own_films_keep_names_that_are_safe_and_their_own(own: Path, tmp_path: Path) -> None:
    source = find_source(tmp_path, "mine", {"images": [str(own)]})
    names = dict(zip(source.files.labels.to_pylist(), source.film_ids, strict=True))
    assert (names["x/one.dcm"], names["x/two"]) == ("one", "two")
    for path in ("x/IM-1.dcm", "y/IM-1.dcm", "y/sp ace.dcm"):
        assert names[path].startswith("ID_")
    assert len(set(names.values())) == 5
    assert source.may_be_test.all()


def test_own_masks_come_from_a_table_or_a_folder_under_any_of_the_films_names(own: Path, tmp_path: Path) -> None:
    table = tmp_path / "masks.csv"
    table.write_text("ImageId,EncodedPixels\nx/IM-1.dcm,1 2\none,3 4\n")
    masks = tmp_path / "masks"
    image = cv2.imencode(".png", corner().astype(np.uint8) * 255)[1].tobytes()
    write_films(masks, {"one.png": image, "y/IM-1.png": image})
    by_table = find_source(tmp_path, "mine", {"images": [str(own)], "labels": str(table)}).annotations
    by_image = find_source(tmp_path, "mine", {"images": [str(own)], "labels": str(masks)}).annotations
    assert "one" in by_table and "one" in by_image
    assert len(by_table) == len(by_image) == 2
    assert all(annotation.image is not None for annotation in by_image.values())


def masks_of(own: Path, tmp_path: Path, *names: str) -> set[str]:
    masks = write_films(tmp_path / "masks", dict.fromkeys(names, b"image"))
    return set(find_source(tmp_path, "mine", {"images": [str(own)], "labels": str(masks)}).annotations)


def test_what_a_system_leaves_in_a_folder_of_masks_is_no_mask(own: Path, tmp_path: Path) -> None:
    assert masks_of(own, tmp_path, "one.png", ".DS_Store", "._one.png", "x/Thumbs.db", "desktop.ini") == {"one"}


def test_run_lengths_may_name_films_by_the_uids_of_their_headers(tmp_path: Path) -> None:
    films = {f"IM-{number}": ct_file(SOPInstanceUID=f"1.2.{number}") for number in range(2)}
    own, table = write_films(tmp_path / "own", films), tmp_path / "masks.csv"
    table.write_text("ImageId,EncodedPixels\n1.2.1,1 2\n1.2.0,-1\n")
    found = find_source(tmp_path, "mine", {"images": [str(own)], "labels": str(table)}).annotations
    assert {film: one.rows[0].text for film, one in found.items()} == {"IM-1": "1 2", "IM-0": "-1"}
    table.write_text("ImageId,EncodedPixels\n1.2.1,1 2\n1.2.9,-1\n")
    with pytest.raises(BadInput, match=r"masks\.csv: 1 mask is of no film"):
        find_source(tmp_path, "mine", {"images": [str(own)], "labels": str(table)})


def test_a_mask_and_its_film_may_come_from_systems_that_write_marks_otherwise(own: Path, tmp_path: Path) -> None:
    write_films(own, {"R\u00f6ntgen.dcm": b"film"})
    assert len(masks_of(own, tmp_path, "Ro\u0308ntgen.png")) == 1


def test_a_folder_without_masks_is_refused_rather_than_all_films_unlabelled(own: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="masks holds no mask image"):
        masks_of(own, tmp_path, ".DS_Store")


def test_two_images_of_one_films_mask_are_refused_rather_than_one_of_them_taken(own: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"masks: 2 images are of the same films: .*one\.bmp.*one\.png"):
        masks_of(own, tmp_path, "one.png", "one.bmp", "two.png")


@pytest.mark.parametrize(
    ("row", "fact"),
    [("IM-1.dcm,1 2", "fits several"), ("three,1 2", "no film"), ("one,1 2\none.dcm,1 2\nx/one,1 2", "")],
)
def test_own_masks_that_fit_no_film_or_several_are_refused(own: Path, tmp_path: Path, row: str, fact: str) -> None:
    table = tmp_path / "masks.csv"
    table.write_text(f"ImageId,EncodedPixels\n{row}\n")
    with pytest.raises(BadInput, match=rf"masks\.csv.*{fact}"):
        find_source(tmp_path, "mine", {"images": [str(own)], "labels": str(table)})


@pytest.mark.parametrize(
    ("data_set", "options", "error"),
    [
        ("siim2019", {"images": ["x"]}, WrongUse),
        ("mine", {"images": ["x"], "archive": ["y"]}, WrongUse),
        ("mine", {"archive": ["y"], "labels": "z"}, WrongUse),
        ("mine", {"images": ["not_there"]}, MissingInput),
    ],
)
def test_options_that_contradict_each_other_are_wrong_use(tmp_path: Path, data_set, options, error) -> None:
    with pytest.raises(error):
        find_source(tmp_path, data_set, options)
