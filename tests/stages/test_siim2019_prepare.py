"""Stage 61 on small films: the table, images and masks, what is left out and why, and what is done a second time."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import dicom_files
from chest_films import chest, corner, film_file, stage_1, write_films
from faults.processes import Running
from hounsfield.competitions.siim2019.paths import film_path, mask_path
from hounsfield.competitions.siim2019.rle import encode
from hounsfield.core.errors import BadInput, StaleOutput, WrongUse
from killed_runs import files_left
from programs import REPOSITORY, run_program

CONFIG = "data_set: films\nfolds: [0, 1]\nprepare:\n  image_size: 96\n  fold_count: 2\n"
EMPTY = np.zeros_like(corner())


def run(work: Path, *arguments: object, data_set: str = "films") -> pd.DataFrame:
    """Prepare with one process; returns the table of films, by film."""
    config = work / "mini.yaml"
    work.mkdir(exist_ok=True)
    config.write_text(CONFIG)
    run_program("siim2019_prepare", "--config", config, "--work", work, "--jobs", 1, "--data_set", data_set, *arguments)
    return pd.read_parquet(work / "data" / data_set / "films.parquet").set_index("film_id")


def files_of(folder: Path) -> dict[str, bytes]:
    """What the stage left, but its journal and lock."""
    return files_left(folder, but=("parts", "output.json"))


def small_archive(folder: Path) -> Path:
    """Four positive films, one of them in two rows, four negative ones, one without a row, and two test films."""
    masks: dict[str, list[np.ndarray]] = {f"1.{n}": [corner(9, 4 + n)] for n in range(3)}
    masks["1.3"] = [corner(5, 5), corner(5, 5, at=(30, 30))]
    masks |= {f"2.{n}": [EMPTY] for n in range(4)} | {"3.0": []}
    return stage_1(folder, masks, ["4.0", "4.1"])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder in which the small archive and some files that are no films are prepared."""
    top = tmp_path_factory.mktemp("films")
    archive = small_archive(top / "raw")
    below = "dicom-images-test/s"
    others = {
        f"{below}/ct.dcm": dicom_files.ct_file(),
        f"{below}/colour.dcm": film_file(chest(), SamplesPerPixel=3, PhotometricInterpretation="RGB"),
        f"{below}/frames.dcm": film_file(chest(), NumberOfFrames="2"),
    }
    run(top / "work", "--archive", write_films(archive, others), "--prepare.bad_share", 0.5)
    return top


def test_the_table_holds_every_film_with_its_label_split_and_fold(prepared: Path) -> None:
    films = pd.read_parquet(prepared / "work" / "data" / "films" / "films.parquet").set_index("film_id")
    assert set(films.index) == {*(f"1.{n}" for n in range(4)), *(f"2.{n}" for n in range(4)), "4.0", "4.1"}
    positive, test = films.index.str.startswith("1."), films.index.str.startswith("4.")
    assert (films["split"] == np.where(test, "test", "train")).all()
    assert films["label"][~test].tolist() == positive[~test].astype(int).tolist()
    assert films["label"][test].isna().all()
    assert (films["fold"][test] == -1).all()
    assert set(films["fold"][positive]) == {0, 1}
    assert films.loc["1.3", "mask_pixels"] == 2 * 25 * 4  # at twice the size
    assert films.loc["1.3", "mask_share"] == pytest.approx(50 / 48**2)


def test_images_are_grey_at_the_size_asked_for_and_masks_black_and_white_of_positives_alone(prepared: Path) -> None:
    work = prepared / "work"
    image = cv2.imread(str(film_path(work, "films", "1.3")), cv2.IMREAD_UNCHANGED)
    mask = cv2.imread(str(mask_path(work, "films", "1.3")), cv2.IMREAD_UNCHANGED)
    assert (image.shape, image.dtype, mask.shape) == ((96, 96), np.uint8, (96, 96))
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[2 * 8 : 2 * 13, 2 * 9 : 2 * 14] == 255).all()
    assert len(list((work / "data" / "films" / "masks").glob("*/*.png"))) == 4


def test_a_ct_slice_or_another_unusable_file_among_films_is_listed_with_its_reason_and_stops_nothing(
    prepared: Path,
) -> None:
    rejected = pd.read_csv(prepared / "work" / "data" / "films" / "rejected.csv")
    reasons = dict(zip(rejected["path"].str.split("/").str[-1], rejected["reason"], strict=True))
    assert reasons == {"3.0.dcm": "no_row", "ct.dcm": "modality", "colour.dcm": "colour", "frames.dcm": "multi_frame"}


def test_a_second_run_has_nothing_to_do_and_a_lost_image_is_made_again(prepared: Path) -> None:
    work, archive = prepared / "work", prepared / "raw"
    before = files_of(work / "data" / "films")
    film_path(work, "films", "2.1").unlink()
    run(work, "--archive", archive, "--prepare.bad_share", 0.5)
    assert files_of(work / "data" / "films") == before


@pytest.mark.slow
def test_a_changed_label_is_refused_until_forced_and_its_mask_goes(tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "raw")
    run(tmp_path / "work", "--archive", archive)
    table = archive / "train-rle.csv"
    lines = [line for line in table.read_text().splitlines() if not line.startswith("1.0,")]
    table.write_text("\n".join([*lines, "1.0, -1", "3.0, 5 9"]))
    with pytest.raises(StaleOutput, match="labels"):
        run(tmp_path / "work", "--archive", archive)
    films = run(tmp_path / "work", "--archive", archive, "--force")
    assert (films.loc["1.0", "label"], films.loc["3.0", "label"]) == (0, 1)
    assert not mask_path(tmp_path / "work", "films", "1.0").exists()


@pytest.mark.slow
def test_published_folds_are_kept_until_others_are_named(tmp_path: Path) -> None:
    archive, work, table = small_archive(tmp_path / "raw"), tmp_path / "work", tmp_path / "folds.csv"
    rows = [f"{n}.{m}.png,{'stage_2' if m == 3 else m % 2},{int(n == 1)}" for n in (1, 2) for m in range(4)][:-2]
    table.write_text("\n".join(["fname,fold,exist_labels", *rows]))
    films = run(work, "--archive", archive, "--folds-table", table)
    assert films["fold"].to_dict() == {
        "1.0": 0,
        "1.1": 1,
        "1.2": 0,
        "1.3": -2,
        "2.0": 0,
        "2.1": 1,
        "4.0": -1,
        "4.1": -1,
    }
    left_out = pd.read_csv(work / "data" / "films" / "rejected.csv")
    assert left_out["reason"].value_counts().to_dict() == {"no_fold": 2, "no_row": 1}
    film_path(work, "films", "2.1").unlink()
    assert run(work)["fold"].equals(films["fold"])  # from the same archive and table as before
    with pytest.raises(StaleOutput, match="folds"):
        run(work, "--archive", archive)


@pytest.mark.slow
def test_films_without_a_row_are_negatives_only_when_asked(tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "raw")
    films = run(tmp_path / "work", "--archive", archive, "--prepare.negatives_without_rows", "true")
    assert films.loc["3.0", ["split", "label"]].tolist() == ["train", 0]


@pytest.mark.slow
def test_run_lengths_past_the_image_are_named_and_the_films_are_not_read_again(tmp_path: Path, caplog) -> None:
    archive, work = small_archive(tmp_path / "raw"), tmp_path / "work"
    table = archive / "train-rle.csv"
    right = table.read_text()
    table.write_text(right.replace(f"2.1, {encode(EMPTY)}", "2.1, 2300 5"))
    with pytest.raises(BadInput, match=r"train-rle\.csv: 1 mask(.|\n)*row 8 \(2\.1\) ends at pixel 2305 of 48 x 48"):
        run(work, "--archive", archive)
    assert not (work / "data" / "films" / "films.parquet").exists()
    table.write_text(right)
    stamps = {path: path.stat().st_mtime_ns for path in (work / "data" / "films" / "films").glob("*/*.png")}
    run(work, "--archive", archive, "--force")
    assert len(stamps) == 11
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


@pytest.mark.slow
def test_own_films_and_mask_images_and_no_name_of_a_patient(tmp_path: Path) -> None:
    names = [f"film{n}" for n in range(6)]
    own = {f"{n}.dcm": film_file(chest(i), PatientID=f"MEIER^{i}") for i, n in enumerate(names)}
    white, black = (cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes() for mask in (corner(), EMPTY))
    masks = write_films(tmp_path / "masks", {f"{n}.png": (white, black)[i % 2] for i, n in enumerate(names[:5])})
    arguments = ("--images", write_films(tmp_path / "own", own), "--labels", masks)
    films = run(tmp_path / "work", *arguments, data_set="mine")
    assert films["label"].to_dict() == pytest.approx(
        dict(zip(names, [1, 0, 1, 0, 1, np.nan], strict=True)), nan_ok=True
    )
    assert films.loc["film5", "split"] == "test"
    assert not any(b"MEIER" in content for content in files_of(tmp_path / "work" / "data" / "mine").values())
    write_films(masks, {"film1.png": cv2.imencode(".png", np.zeros((20, 20), np.uint8))[1].tobytes()})
    with pytest.raises(BadInput, match=r"film1\.png \(film1\) has 20 x 20 pixels, its film 48 x 48"):
        run(tmp_path / "work", *arguments, "--force", data_set="mine")


@pytest.mark.parametrize("setting", ["--prepare.image_size=100", "--prepare.fold_count=1"])
def test_settings_that_cannot_be_used_are_wrong_use(tmp_path: Path, setting: str) -> None:
    with pytest.raises(WrongUse, match=r"prepare\."):
        run(tmp_path, "--archive", tmp_path, setting)


def killed(work: Path, archive: Path, seconds: float) -> bool:
    """Start the stage as a process, and kill it with its children so long after its first image; whether it hit."""
    command = [sys.executable, str(REPOSITORY / "scripts" / "siim2019_prepare.py"), "--config", str(work / "mini.yaml")]
    with Running([*command, "--work", str(work), "--jobs", "2", "--archive", str(archive)], work / "log") as running:
        running.until(lambda: any((work / "data" / "films" / "parts").glob("*.parquet")))
        hit = not running.ends_within(seconds)
        running.kill()
    return hit


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.25, 0.8])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, seconds: float) -> None:
    archive = small_archive(tmp_path / "raw")
    run(tmp_path / "whole", "--archive", archive)
    work = tmp_path / "killed"
    work.mkdir()
    (work / "mini.yaml").write_text(CONFIG)
    killed(work, archive, seconds)
    run(work, "--archive", archive)
    assert files_of(work / "data" / "films") == files_of(tmp_path / "whole" / "data" / "films")
