"""Films that the networks were not trained on: prepared, mapped by all networks, answered with masks and pictures."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from made_data import DATA_SET, SIZE, made_films, made_maps, seeing_map
from made_networks import CONFIG, by_hand, made_parts, run_maps
from map_stages import without_figures

import dicom_files
from chest_films import chest, corner, film_file, write_films
from help_paths import missing
from hounsfield.competitions.siim2019.domain import outside
from hounsfield.competitions.siim2019.rle import decode, encode
from hounsfield.competitions.siim2019.submission import sample_films
from hounsfield.core.errors import MissingInput, StaleOutput, WrongTable, WrongUse
from hounsfield.core.evaluation.external import VALIDATION
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.stages.command import parse, stage_parser
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.files import read_json
from hounsfield.pneumothorax.config import PneumothoraxConfig
from hounsfield.pneumothorax.external import refuse_learned
from hounsfield.pneumothorax.paths import predictions_folder
from hounsfield.pneumothorax.pictures import OUTLINE, outlined
from programs import load_program, run_program

RULE = "submission: {triplet: {top: 0.5, area: 0.01, bottom: 0.4}}\n"
MINE = "mine"


def prepare(work: Path, *more: object, size: int = SIZE) -> None:
    """Prepare three films, one of them not square, and a CT slice, as the data set MINE."""
    films = {f"ward/{name}.dcm": film_file(chest(number), PatientID=name) for number, name in enumerate(("a", "b"))}
    lateral = film_file(np.ascontiguousarray(chest(2)[:, :40]), PatientID="c", ViewPosition="LL")
    source = write_films(work / "given", {**films, "ward/c.dcm": lateral, "ward/ct.dcm": dicom_files.ct_file()})
    shared = ["--config", work / "nets.yaml", "--work", work, "--data_set", MINE, "--jobs", 1]
    options = ["--images", source, "--prepare.image_size", size, "--prepare.bad_share", 1]
    run_program("siim2019_prepare", *shared, *options, *more)


def submit(work: Path, *more: object) -> Path:
    """Answer for MINE; returns the folder of the answers."""
    run_program("pneumothorax_submit", "--config", work / "nets.yaml", "--work", work, "--apply-to", MINE, *more)
    return predictions_folder(work, "nets", MINE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_parts(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def work(trained: Path, tmp_path: Path) -> Path:
    work = Path(shutil.copytree(trained, tmp_path / "work"))
    (work / "nets.yaml").write_text(CONFIG + RULE)
    return work


@pytest.mark.slow
def test_own_films_are_predicted_from_their_files_by_one_command_and_new_ones_are_added(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict_study", work / "ward", "--config", work / "nets.yaml", "--work", work, "--no-pages"]
    write_films(work / "ward", {"a.dcm": film_file(chest(0), PatientID="a")})
    run_program(*arguments, "--jobs", 1)
    folder = predictions_folder(work, "nets", "ward")
    assert pd.read_csv(folder / "findings.csv")["film_id"].tolist() == ["a"]
    assert pd.read_parquet(work / "data" / "ward" / "films.parquet")["rows"].tolist() == [48]
    write_films(work / "ward", {"b.dcm": film_file(chest(1), PatientID="b")})
    run_program(*arguments, "--jobs", 1)
    assert pd.read_csv(folder / "findings.csv")["film_id"].tolist() == ["a", "b"]
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["a.png", "b.png"]
    assert "b.dcm" in capsys.readouterr().out
    meant = {"system": "pneumothorax", "experiment": "nets", "data_set": "ward"}
    assert missing(work, "run_17_predict_studies.sh", of="chest films", **meant) == []


def given_films(work: Path) -> tuple[Path, list[object]]:
    """Three films of one's own, and the command that answers for them."""
    (work / "data" / DATA_SET / "pseudonyms.key").write_bytes(b"k" * 32)
    films = {f"{name}.dcm": film_file(chest(number), PatientID=name) for number, name in enumerate("abc")}
    run = ["--config", work / "nets.yaml", "--work", work, "--no-pages", "--jobs", 1]
    return write_films(work / "ward", films), run


def test_labelled_films_score_the_run_by_the_masks_that_it_submits(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films, run = given_films(work)
    (work / "rle.csv").write_text(f"ImageId,EncodedPixels\na,{encode(corner(20, 20))}\nb,-1\nnobody,-1\n")
    run_program("predict_study", films, *run, "--labels", work / "rle.csv")
    folder = predictions_folder(work, "nets", "ward")
    texts = pd.read_csv(folder / "submission.csv", dtype=str).set_index("ImageId")["EncodedPixels"]
    predicted = {name: decode(texts[name], (48, 48)) for name in "ab"}
    both = np.count_nonzero(predicted["a"] & corner(20, 20))
    dice = [2 * both / (np.count_nonzero(predicted["a"]) + 400), float(not predicted["b"].any())]
    table = pd.read_csv(folder / "validation" / VALIDATION).set_index("system")
    assert table.loc["rule", "one_minus_dice"] == pytest.approx(1 - np.mean(dice))
    assert table.loc["prior", "one_minus_dice"] == 0.5  # no mask: right of b alone
    assert (table["films"].tolist(), table["patients"].tolist()) == ([2, 2], [2, 2])
    assert "external: ward" in capsys.readouterr().out
    (work / "labels.csv").write_text("image,collapsed\na.dcm,1\nc.dcm,0\n")
    run_program("predict_study", films, *run, "--labels", work / "labels.csv")
    found = pd.read_csv(folder / "findings.csv").set_index("film_id")
    table = pd.read_csv(folder / "validation" / VALIDATION).set_index("system")
    values = found.loc[["a", "c"], "probability"].clip(1e-5, 1 - 1e-5).to_numpy()
    loss = -np.log([values[0], 1 - values[1]]).mean()
    assert table.loc["rule", "weighted_log_loss"] == pytest.approx(loss, rel=1e-4)
    assert table.loc["rule", "sensitivity"] == found.loc["a", "pneumothorax"]
    assert table.loc["rule", "specificity"] == 1 - found.loc["c", "pneumothorax"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,any\nnobody,1\n", r"labels\.csv: not one of its names \(1\) is of a film that is given \(3\)"),
        ("ImageId,EncodedPixels\na,-1\n", r"labels\.csv: none of the 1 films with a label shows a pneumothorax"),
        ("ImageId,EncodedPixels\na,99999 5\n", r"(?s)labels\.csv: 1 mask cannot be used.*\(a\)"),
    ],
    ids=["other films", "no mask", "outside of the film"],
)
def test_labels_that_cannot_be_of_the_films_are_refused_before_the_networks_answer(
    work: Path, table: str, message: str
) -> None:
    films, run = given_films(work)
    (work / "labels.csv").write_text(table)
    with pytest.raises(WrongTable, match=message):
        run_program("predict_study", films, *run, "--labels", work / "labels.csv")
    assert (work / "data/ward/films.parquet").exists()
    assert not (work / "data/ward/maps").exists()


@pytest.mark.parametrize(
    ("patient", "pixels", "message"),
    [("a", "other", "learnt from 1 of the 1 patients: ID_here"), ("x", "same", "with the pixels of 1 of these: a"),
     ("x", "other", None)],
    ids=["patient", "pixels", "neither"],
)  # fmt: skip
def test_a_film_that_was_learnt_from_is_recognised_by_its_patient_or_its_pixels(
    work: Path, monkeypatch: pytest.MonkeyPatch, patient: str, pixels: str, message: str | None
) -> None:
    films, _ = given_films(work)
    trained = Naming(b"k" * 32).pseudonym(patient)
    known = pd.DataFrame({"patient_id": [trained], "pixel_digest": [pixels]})
    monkeypatch.setattr("hounsfield.pneumothorax.external.read_films", lambda *_: known)
    stage = load_program("pneumothorax_submit").STAGE
    options = ["--config", str(work / "nets.yaml"), "--work", str(work), "--apply-to", "ward"]
    command = parse(stage_parser(stage), stage, options)
    own = pd.DataFrame({"film_id": ["a"], "path": ["a.dcm"], "patient_id": ["ID_here"], "pixel_digest": ["same"]})
    refused = nullcontext() if message is None else pytest.raises(WrongUse, match=message)
    with refused:
        refuse_learned(command, Ledger.of(DATA_SET, [trained]), own, [films], "nets")


def test_no_film_is_read_before_all_networks_are_there(tmp_path: Path) -> None:
    (tmp_path / "nets.yaml").write_text(CONFIG)
    write_films(tmp_path / "ward", {"a.dcm": film_file(chest(0))})
    with pytest.raises(MissingInput, match=r"part0 is missing; .*run_62_pneumothorax_train\.sh$"):
        run_program("predict_study", tmp_path / "ward", "--config", tmp_path / "nets.yaml", "--work", tmp_path)
    assert not (tmp_path / "data").exists()


def test_own_films_get_the_mean_map_of_all_networks_and_a_mask_a_finding_and_a_picture_each(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(work)
    maps = open_array(run_maps(work, "--apply-to", MINE, data_set=MINE) / "maps.npy")
    assert maps.shape == (3, SIZE, SIZE)
    for row, film in enumerate("abc"):
        assert abs(maps[row] / 255.0 - by_hand(work, film, (0, 1), MINE)).max() <= 0.5 / 255 + 1e-5
    folder = submit(work)
    findings = pd.read_csv(folder / "findings.csv", keep_default_na=False).set_index("film_id")
    assert list(findings.index) == ["a", "b", "c"]
    assert findings.loc["c", "view_position"] == "LL"
    assert findings["warnings"].str.contains("phantoms, drawn images: no finding").all()
    assert list(findings["warnings"].str.contains("view LL, which the networks were not trained on")) == [0, 0, 1]
    texts = pd.read_csv(folder / "submission.csv", dtype=str).set_index("ImageId")["EncodedPixels"]
    for row, (film, shape) in enumerate({"a": (48, 48), "b": (48, 48), "c": (48, 40)}.items()):
        values = maps[row] / 255.0
        expected = (values > 0.4) & (np.count_nonzero(values > 0.5) >= round(0.01 * values.size))
        mask = decode(texts[film], shape)
        small = cv2.resize(mask.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA) > 0.5
        assert np.count_nonzero(small != expected) <= 0.1 * SIZE**2
        assert findings.loc[film, "pixels"] == np.count_nonzero(mask)
        assert findings.loc[film, "pneumothorax"] == mask.any()
        picture = cv2.imread(str(folder / "pictures" / f"{film}.png"))
        assert picture.shape == (*shape, 3)
        assert (picture == OUTLINE).all(axis=2).any() == (mask.any() and not mask.all())
    assert pd.read_csv(folder / "refused.csv")["reason"].tolist() == ["modality"]
    printed = capsys.readouterr().out
    assert "Networks trained on: made (PHANTOMS: drawn images, no patient)" in printed
    assert "ward/c.dcm" in printed


@pytest.mark.slow
def test_own_films_answered_twice_stay_and_other_settings_are_refused(work: Path) -> None:
    prepare(work)
    run_maps(work, "--apply-to", MINE)
    before = {path: path.read_bytes() for path in submit(work).rglob("*.*") if path.is_file()}
    assert {path: path.read_bytes() for path in submit(work).rglob("*.*") if path.is_file()} == before
    with pytest.raises(StaleOutput, match=r"(?s)holes: .*keep.*fill.*DATA_SET=mine.*run_65_pneumothorax_submit\.sh"):
        submit(work, "--submission.holes", "fill")


@pytest.mark.slow
def test_what_own_films_lack_is_named_with_the_command_that_makes_it(work: Path) -> None:
    with pytest.raises(
        MissingInput, match=r"data/mine is missing; .*DATA_SET=mine .*sh \S*run_61_pneumothorax_prepare\.sh"
    ):
        run_maps(work, "--apply-to", MINE)
    prepare(work, size=2 * SIZE)
    with pytest.raises(StaleOutput, match=r"64 pixels, .*films of 32; .*run_61\S+ --prepare\.image_size 32 --force"):
        run_maps(work, "--apply-to", MINE)
    prepare(work, "--force")
    with pytest.raises(MissingInput, match=r"DATA_SET=mine .*sh \S*run_63_pneumothorax_maps\.sh"):
        submit(work)
    run_maps(work, "--apply-to", MINE)
    (work / "nets.yaml").write_text(CONFIG)  # and so without a rule of its own
    with pytest.raises(MissingInput, match=r"thresholds is missing; (?!.*DATA_SET).*run_64_pneumothorax_thresholds"):
        submit(work)


def test_the_name_of_the_chosen_rules_is_not_one_for_films(work: Path) -> None:
    with pytest.raises(WrongUse, match="--apply-to thresholds: the chosen rules have that name"):
        run_program("pneumothorax_submit", "--config", work / "nets.yaml", "--work", work, "--apply-to", "thresholds")


def test_own_films_are_answered_by_the_chosen_rule_which_says_what_it_was_worth_out_of_fold(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_figures(monkeypatch)
    (work / "nets.yaml").write_text(CONFIG)
    arguments = ["--config", work / "nets.yaml", "--work", work]
    settings = {"folds": [0, 1], **plain(PneumothoraxConfig().maps), "top": 2, "batch_size": 3}
    settings = {name: value for name, value in settings.items() if name not in ("workers", "block_batches")}
    arrays = [seeing_map(number) for number in range(10)]
    made_maps(work, "nets", arrays, [0, 1], settings)
    made_films(work, train=8, test=2, data_set=MINE)
    made_maps(work, "nets", arrays, [0, 1], settings, data_set=MINE)
    run_program("pneumothorax_thresholds", *arguments)
    findings = pd.read_csv(submit(work) / "findings.csv")
    rule = read_json(predictions_folder(work, "nets") / "thresholds" / "rules.json")["everywhere"]
    assert len(findings) == 10
    assert set(findings["threshold"]) == {rule["top"]}
    assert findings["sensitivity"].isna().all()
    run_program("pneumothorax_submit", *arguments)
    scores = read_scores(predictions_folder(work, "nets") / "scores.csv").set_index("system").loc["nested_rule"]
    findings = pd.read_csv(submit(work, "--force") / "findings.csv")
    assert findings["sensitivity"].tolist() == pytest.approx([scores["sensitivity"]] * 10, abs=1e-6)
    assert findings["specificity"].tolist() == pytest.approx([scores["specificity"]] * 10, abs=1e-6)
    assert set(findings["scored_on"]) == {"8 out-of-fold films of 8 patients (second-order rule)"}


def test_a_picture_has_the_films_proportions_and_the_outline_of_its_mask_alone() -> None:
    mask = np.zeros((300, 200), bool)
    mask[100:150, 20:80] = True
    picture = outlined(np.full((64, 64), 90, np.uint8), mask)
    red = (picture == OUTLINE).all(axis=2)
    assert picture.shape == (300, 200, 3)
    assert red[100, 50]
    assert red[149, 50]
    assert not red[125, 50]
    assert (picture[~red] == 90).all()
    assert max(outlined(np.zeros((64, 64), np.uint8), np.zeros((3000, 1500), bool)).shape) == 1024


def test_a_film_without_a_known_view_or_training_facts_lies_outside_of_nothing() -> None:
    films = pd.DataFrame({"view_position": ["", "AP", None]})
    assert outside(films, None) == ["", "", ""]
    assert outside(films, {"data_set": "x", "drawn": False, "views": ["AP", "PA"]}) == ["", "", ""]


@pytest.mark.slow
def test_a_competitions_films_as_another_data_set_are_submitted_as_its_sample_asks(work: Path) -> None:
    prepare(work)
    sample = work / "data" / MINE / "sample_submission.csv"
    sample.write_text("ImageId,EncodedPixels\nc,-1\na,-1\n")
    run_maps(work, "--apply-to", MINE)
    assert sample_films(submit(work) / "submission.csv") == ["c", "a"]
