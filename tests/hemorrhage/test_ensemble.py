from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hemorrhage_bag
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import data_folder
from hounsfield.competitions.rsna2019.results import prior_predictions
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.held_out import held_out_rows
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.core.evaluation.scores import read_scores, score_columns
from hounsfield.core.evaluation.study_rule import read_rule
from hounsfield.core.logs import set_up_logging
from hounsfield.core.stages.ledger import LEDGER_FILE, Ledger
from hounsfield.core.stages.outputs import RECORD
from hounsfield.core.storage.files import write_json
from hounsfield.core.storage.tables import escape_cell
from hounsfield.hemorrhage.ensemble import rolling_mean
from hounsfield.hemorrhage.paths import PREDICTIONS, predictions_folder, run_folder, store_folder
from hounsfield.hemorrhage.stages import bag as bag_stage
from programs import held_by_another_process
from reference.rolling_mean import rolling_mean_of_series
from synthetic_runs import (
    DATA_SET,
    make_data_set,
    make_predictions,
    make_runs,
    make_store,
    toy_config,
    write_config,
    write_sample,
)

PROGRAM = Path(hemorrhage_bag.__file__)


@pytest.fixture(scope="session")
def bagged_once(tmp_path_factory):
    """Five folds and two epochs of one experiment, not bagged yet."""
    work = tmp_path_factory.mktemp("work")
    make_data_set(work)
    config = toy_config()
    write_config(work / "configs", "crop", config)
    make_runs(work, "crop", config)
    return work


@pytest.fixture
def work(bagged_once, tmp_path):
    """A copy of its own for each test, made of links: files must be replaced, never written in place."""
    subprocess.run(["cp", "-rl", f"{bagged_once}/.", str(tmp_path)], check=True)
    return tmp_path


def bag(monkeypatch, work, *options, experiment="crop"):
    argv = ["hemorrhage_bag.py", "--config", str(work / f"configs/{experiment}.yaml"), "--work", str(work), *options]
    monkeypatch.setattr(sys, "argv", argv)
    set_up_logging()
    hemorrhage_bag.main()


def folder_of(work, experiment="crop"):
    return predictions_folder(work, experiment, DATA_SET, DATA_SET)


def read_submission(folder):
    return pd.read_csv(folder / "submission.csv.gz").set_index("ID")["Label"]


def read_runs(work, experiment="crop", folds=range(5), epochs=range(2)):
    return {
        (f, e): read_predictions(run_folder(folder_of(work, experiment), str(f), e) / PREDICTIONS, LABELS, remedy="")
        for f in folds
        for e in epochs
    }


# ---- the mean


def test_a_test_slice_gets_the_plain_mean_over_all_folds_and_epochs(monkeypatch, work):
    bag(monkeypatch, work)
    submitted = read_submission(folder_of(work))
    tables = [run[run["split"] == "test"].set_index("image_id") for run in read_runs(work).values()]
    assert len(submitted) == 6 * len(tables[0]) == 6 * 30
    for image in tables[0].index[:5]:
        for name in CLASSES:
            mean = sum(table.loc[image, name] for table in tables) / 10
            assert submitted[f"{image}_{name}"] == pytest.approx(np.clip(mean, 1e-5, 1 - 1e-5), abs=1e-9)


def test_several_experiments_are_averaged_into_a_folder_of_their_names(monkeypatch, work):
    config = toy_config(epochs=1)
    write_config(work / "configs", "no_crop", config)
    make_runs(work, "no_crop", config)
    bag(monkeypatch, work, "--experiments", "crop", "no_crop")
    folder = work / "preds/hemorrhage/crop+no_crop"
    tables = [*read_runs(work).values(), *read_runs(work, "no_crop", epochs=[0]).values()]
    image = tables[0].loc[tables[0]["split"] == "test", "image_id"].iloc[0]
    mean = sum(table.set_index("image_id").loc[image, "any"] for table in tables) / 15
    assert read_submission(folder)[f"{image}_any"] == pytest.approx(mean, abs=1e-9)
    scores = read_scores(folder / "scores.csv")
    assert list(scores["system"]) == ["prior", *["classifier", "classifier_rolling_mean", "sequence"] * 2, "bag"]
    assert list(scores["experiment"]) == ["", *["crop"] * 3, *["no_crop"] * 3, "crop+no_crop"]


def test_an_experiment_without_a_yaml_beside_the_given_one_is_refused(monkeypatch, work):
    with pytest.raises(WrongUse, match=r"other\.yaml"):
        bag(monkeypatch, work, "--experiments", "crop", "other")
    with pytest.raises(WrongUse, match="counts once"):
        bag(monkeypatch, work, "--experiments", "crop", "crop")


def test_what_else_lies_in_the_folder_is_ignored(monkeypatch, work):
    bag(monkeypatch, work)
    before = (folder_of(work) / "submission.csv.gz").read_bytes()
    make_store(work, "crop", "0", 7)
    make_predictions(work, "crop", toy_config(), "0", 7)
    (folder_of(work) / "fold9_epoch9").mkdir()
    (folder_of(work) / "fold9_epoch9" / PREDICTIONS).write_bytes(b"stray")
    bag(monkeypatch, work, "--force")
    assert (folder_of(work) / "submission.csv.gz").read_bytes() == before


# ---- missing, mixed, stale


def spoil(path):
    """Change a file's last byte; others that are linked to it keep theirs."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)


def test_a_missing_run_is_refused_by_name_and_stage(monkeypatch, work):
    shutil.rmtree(run_folder(folder_of(work), "3", 1))
    with pytest.raises(MissingInput, match=r"fold3_epoch1 is missing; make it with: .* sh \S*run_14_"):
        bag(monkeypatch, work)
    assert not (folder_of(work) / "submission.csv.gz").exists()


def test_missing_embeddings_are_refused_by_name_and_stage(monkeypatch, work):
    shutil.rmtree(store_folder(work, DATA_SET, "crop", "2", 0))
    with pytest.raises(MissingInput, match=r"fold2/epoch0 is missing; make it with: .* sh \S*run_13_"):
        bag(monkeypatch, work)


def test_a_missing_run_leaves_no_new_folder(monkeypatch, work):
    write_config(work / "configs", "other", toy_config())
    with pytest.raises(MissingInput):
        bag(monkeypatch, work, experiment="other")
    assert not folder_of(work, "other").exists()


def test_another_table_of_slices_makes_everything_stale_from_the_classifier_on(monkeypatch, work):
    make_data_set(work, seed=1)
    with pytest.raises(
        StaleOutput, match=r"(?s)fold0: data set.*run_12_\S+ --force && .*run_13_\S+ --force && .*run_14_"
    ):
        bag(monkeypatch, work)


def test_a_run_on_embeddings_that_were_replaced_is_stale(monkeypatch, work):
    make_store(work, "crop", "1", 1, logits=False)
    with pytest.raises(StaleOutput) as refused:
        bag(monkeypatch, work)
    assert "sequence_epoch1: embeddings: another content" in str(refused.value)
    assert str(refused.value).endswith("run_14_trainfull_sequential.sh --force")


def test_a_run_with_other_sequence_settings_is_refused(monkeypatch, work):
    with pytest.raises(
        StaleOutput, match=r"fold0_epoch0 was made from something else(.|\n)*learning_rate: 1e-05 -> 0\.001"
    ):
        bag(monkeypatch, work, "--sequence.learning_rate", "0.001")
    with pytest.raises(StaleOutput, match=r"seed: 1234 -> 5"):
        bag(monkeypatch, work, "--seed", "5")


def test_a_table_that_is_not_its_records_is_refused(monkeypatch, work):
    spoil(run_folder(folder_of(work), "0", 0) / PREDICTIONS)
    with pytest.raises(BadInput, match=r"fold0_epoch0/predictions\.parquet is not the file that was written"):
        bag(monkeypatch, work)


def test_predictions_of_other_patients_than_the_folds_are_refused(monkeypatch, work):
    make_predictions(work, "crop", toy_config(), "0", 0, of_fold="1")
    with pytest.raises(BadInput, match=r"predictions\.parquet: \d+ rows are missing here"):
        bag(monkeypatch, work)


def test_logits_that_changed_since_the_extraction_are_refused(monkeypatch, work):
    spoil(store_folder(work, DATA_SET, "crop", "4", 1) / "logits.npy")
    with pytest.raises(BadInput, match=r"fold4/epoch1/logits\.npy is not the file that was written"):
        bag(monkeypatch, work)


# ---- the ledger


def test_a_fold_of_which_a_model_has_seen_patients_is_not_scored(monkeypatch, work):
    slices = make_data_set(work)
    seen = slices.loc[slices["fold"] == 2, "patient_id"].unique()[:3]
    make_predictions(work, "crop", toy_config(), "2", 1, learned=Ledger.of("another name", seen, role="upstream"))
    with pytest.raises(BadInput, match=r"fold2_epoch1 .* 3 of the 8 patients of fold 2 \(the first: ID_p") as refused:
        bag(monkeypatch, work)
    assert [f"run_{stage}_" in str(refused.value) for stage in (12, 13, 14)] == [True] * 3
    assert not (folder_of(work) / "scores.csv").exists()


def test_what_does_not_say_from_whom_it_has_learnt_is_not_scored(monkeypatch, work):
    made = make_predictions(work, "crop", toy_config(), "2", 1)
    del made.record["files"][LEDGER_FILE]
    (made.folder / RECORD).unlink()
    write_json(made.folder / RECORD, made.record)
    with pytest.raises(BadInput, match=r"fold2_epoch1 does not say which patients it has learnt from"):
        bag(monkeypatch, work)


def test_the_bag_says_for_each_fold_whom_its_runs_have_seen(monkeypatch, work):
    bag(monkeypatch, work)
    slices = make_data_set(work)
    learned = Ledger.read(folder_of(work) / LEDGER_FILE)
    for fold in range(5):
        own = slices.loc[slices["fold"] == fold, "patient_id"].unique()
        others = slices.loc[(slices["split"] == "train") & (slices["fold"] != fold), "patient_id"].unique()
        assert set(learned.roles_of(own, f"fold{fold}")) == {""}
        assert set(learned.roles_of(others, f"fold{fold}")) == {"train"}


# ---- once, again, forced


def test_a_second_run_does_nothing_says_so_and_shows_the_table_again(monkeypatch, work, capsys):
    bag(monkeypatch, work)
    first = capsys.readouterr()
    written = {path: path.stat().st_mtime_ns for path in folder_of(work).iterdir() if path.name != ".lock"}
    bag(monkeypatch, work)
    again = capsys.readouterr()
    assert "bag: nothing to do, 10 runs" in again.err
    assert "nothing to do" not in first.err
    assert again.out == first.out
    assert written == {path: path.stat().st_mtime_ns for path in folder_of(work).iterdir() if path.name != ".lock"}


def test_force_gives_the_same_bytes_again(monkeypatch, work):
    bag(monkeypatch, work)
    names = ("submission.csv.gz", "findings.csv", "scores.csv", RECORD, LEDGER_FILE)
    first = {name: (folder_of(work) / name).read_bytes() for name in names}
    stamp = (folder_of(work) / "submission.csv.gz").stat().st_mtime_ns
    bag(monkeypatch, work, "--force")
    assert first == {name: (folder_of(work) / name).read_bytes() for name in names}
    assert (folder_of(work) / "submission.csv.gz").stat().st_mtime_ns > stamp


def test_other_runs_than_last_time_need_force(monkeypatch, work):
    bag(monkeypatch, work)
    with pytest.raises(StaleOutput, match=r"folds: (.|\n)*run_15_.* --folds '\[0,1\]' --force"):
        bag(monkeypatch, work, "--folds", "[0,1]")
    bag(monkeypatch, work, "--folds", "[0,1]", "--force")
    assert set(read_scores(folder_of(work) / "scores.csv")["folds"]) == {"0 1"}


def test_a_lost_or_cut_output_is_made_again(monkeypatch, work):
    bag(monkeypatch, work)
    before = (folder_of(work) / "findings.csv").read_bytes()
    (folder_of(work) / "findings.csv").write_text("cut")
    bag(monkeypatch, work)
    assert (folder_of(work) / "findings.csv").read_bytes() == before


def test_a_second_process_in_the_same_folder_is_refused(monkeypatch, work):
    with held_by_another_process(folder_of(work)), pytest.raises(WrongUse, match="wait for it or stop it"):
        bag(monkeypatch, work)


def test_runs_cannot_be_replaced_while_they_are_bagged(monkeypatch, work):
    original, refused = bag_stage.write_means, []

    def replace_a_run(*arguments):
        original(*arguments)
        for place in (run_folder(folder_of(work), "0", 0), store_folder(work, DATA_SET, "crop", "0", 0)):
            code = "import sys; from pathlib import Path; from hounsfield.core.storage.files import locked\n"
            code += "with locked(Path(sys.argv[1])): pass"
            environment = {"PYTHONPATH": str(PROGRAM.parent)}
            done = subprocess.run([sys.executable, "-c", code, place], env=environment, capture_output=True, text=True)
            refused.append("another run is reading" in done.stderr)

    monkeypatch.setattr(bag_stage, "write_means", replace_a_run)
    bag(monkeypatch, work)
    assert refused == [True, True]


def test_the_program_ends_with_2_and_one_line_when_a_run_is_missing(tmp_path):
    make_data_set(tmp_path, patients=10)
    config = write_config(tmp_path / "configs", "crop", toy_config())
    ended = subprocess.run(
        [sys.executable, PROGRAM, "--config", config, "--work", tmp_path], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {tmp_path}/preds/hemorrhage/crop/fold0_epoch0 is missing; make it with: ")
    assert "Traceback" not in ended.stderr


# ---- sample submission and prior


def test_the_submission_has_the_samples_ids_in_the_samples_order(monkeypatch, work):
    slices = make_data_set(work)
    images = list(slices.loc[slices["split"] == "test", "image_id"])
    ids = [f"{image}_{name}" for name in reversed(CLASSES) for image in images]
    write_sample(work, ids)
    bag(monkeypatch, work)
    assert list(read_submission(folder_of(work)).index) == ids


def test_a_slice_without_a_prediction_takes_the_training_prior_and_is_counted(monkeypatch, work, capsys):
    slices = make_data_set(work)
    images = [*slices.loc[slices["split"] == "test", "image_id"], "ID_refused"]
    write_sample(work, [f"{image}_{name}" for image in images for name in CLASSES])
    bag(monkeypatch, work)
    submitted = read_submission(folder_of(work))
    train = slices[slices["split"] == "train"]
    for name in CLASSES:
        assert submitted[f"ID_refused_{name}"] == pytest.approx(train[name].mean(), abs=1e-9)
    assert "1 slices of the sample submission have no prediction" in capsys.readouterr().err
    assert "ID_refused" not in set(pd.read_csv(folder_of(work) / "findings.csv")["image_id"])


# ---- fold all, other data sets


def test_the_single_model_is_bagged_but_not_scored(monkeypatch, work, capsys):
    make_runs(work, "crop", toy_config(), folds=("all",))
    bag(monkeypatch, work, "--fold", "all")
    scores = read_scores(folder_of(work) / "foldall/scores.csv")
    assert list(scores.columns) == score_columns(LABELS)
    assert scores.empty
    shown = capsys.readouterr()
    assert "fold all has learnt from every patient" in shown.err
    assert "submission.csv.gz" in shown.out
    tables = read_runs(work, folds=["all"])
    image = tables["all", 0]["image_id"].iloc[0]
    mean = sum(table.set_index("image_id").loc[image, "any"] for table in tables.values()) / 2
    assert read_submission(folder_of(work) / "foldall")[f"{image}_any"] == pytest.approx(mean, abs=1e-9)


def test_a_fold_that_does_not_exist_is_refused(monkeypatch, work):
    with pytest.raises(WrongUse, match="fold 5: there are 5"):
        bag(monkeypatch, work, "--fold", "5")
    with pytest.raises(WrongUse, match="take it alone"):
        bag(monkeypatch, work, "--fold", "0", "all")


def test_another_data_set_is_predicted_whole_and_not_scored(monkeypatch, work, capsys):
    own = make_data_set(work, "own", patients=2, test_patients=1, slices=3)
    make_runs(work, "crop", toy_config(), data_set="own")
    bag(monkeypatch, work, "--apply-to", "own")
    folder = predictions_folder(work, "crop", DATA_SET, "own")
    assert not (folder / "submission.csv.gz").exists()  # nobody asked for one
    assert list(pd.read_csv(folder / "findings.csv")["image_id"]) == list(own["image_id"])
    assert read_scores(folder / "scores.csv").empty
    assert "own is not the data set trained on" in capsys.readouterr().err


def test_another_data_sets_prior_is_that_of_the_training_set_or_a_half(monkeypatch, work, capsys):
    own = make_data_set(work, "own", patients=0, test_patients=1, slices=3)
    make_runs(work, "crop", toy_config(), data_set="own")
    write_sample(work, [f"{image}_{name}" for image in (own["image_id"][0], "ID_lost") for name in CLASSES], "own")
    bag(monkeypatch, work, "--apply-to", "own")
    folder = predictions_folder(work, "crop", DATA_SET, "own")
    train = make_data_set(work)
    train = train[train["split"] == "train"]
    assert read_submission(folder)["ID_lost_any"] == pytest.approx(train["any"].mean(), abs=1e-9)
    assert "2 predicted slices are not in the sample submission" in capsys.readouterr().err
    shutil.rmtree(data_folder(work, DATA_SET))
    bag(monkeypatch, work, "--apply-to", "own", "--force")
    assert read_submission(folder)["ID_lost_any"] == 0.5
    assert "takes 0.5" in capsys.readouterr().err


def test_a_data_set_without_test_slices_gets_scores_and_out_of_fold_findings_and_no_submission(monkeypatch, tmp_path):
    make_data_set(tmp_path, patients=10, test_patients=0)
    write_config(tmp_path / "configs", "crop", toy_config(epochs=1))
    make_runs(tmp_path, "crop", toy_config(epochs=1))
    bag(monkeypatch, tmp_path)
    folder = folder_of(tmp_path)
    assert not {"submission.csv.gz", "findings.csv", "studies.csv"} & {path.name for path in folder.iterdir()}
    assert len(read_scores(folder / "scores.csv")) == 5
    table, slices = pd.read_csv(folder / "out_of_fold.csv"), make_data_set(tmp_path, patients=10, test_patients=0)
    assert list(table["image_id"]) == list(slices["image_id"])
    assert list(table["label_any"]) == list(slices["any"])
    assert list(table["fold"]) == list(slices["fold"])
    rule = read_rule(folder / "study_rule.json")
    assert rule.answers["any"].positives + rule.answers["any"].negatives == 10
    assert rule.answers["any"].sensitivity is not None


# ---- the comparison


def test_prior_classifier_sequence_and_bag_are_compared_on_held_out_patients(monkeypatch, work, capsys):
    bag(monkeypatch, work)
    scores = read_scores(folder_of(work) / "scores.csv").set_index("system")
    assert list(scores.index) == ["prior", "classifier", "classifier_rolling_mean", "sequence", "bag"]
    assert list(scores["gain_over"]) == ["", "prior", "classifier", "classifier", "sequence"]
    loss = scores["weighted_log_loss"]
    assert loss["prior"] > loss["classifier"] > loss["sequence"] > loss["bag"]
    assert (scores.loc[["classifier", "sequence"], "gain_low"] > 0).all()
    assert set(scores["patients"]) == {40}
    assert set(scores["slices"]) == {240}
    assert "of the fold that holds the patient out" in scores.loc["bag", "models"]
    assert "240 out-of-fold slices of 40 patients, folds 0 1 2 3 4" in capsys.readouterr().out


def test_embeddings_published_without_logits_are_compared_without_a_classifier(monkeypatch, work):
    for fold in range(5):
        for epoch in range(2):
            make_store(work, "crop", str(fold), epoch, logits=False)
            make_predictions(work, "crop", toy_config(), str(fold), epoch)
    bag(monkeypatch, work)
    scores = read_scores(folder_of(work) / "scores.csv").set_index("system")
    assert list(scores.index) == ["prior", "sequence", "bag"]
    assert list(scores["gain_over"]) == ["", "prior", "sequence"]


def test_the_bag_of_a_held_out_slice_is_the_mean_of_its_own_folds_runs(monkeypatch, work):
    bag(monkeypatch, work)
    runs = read_runs(work)
    losses = []
    for fold in range(5):
        tables = [runs[fold, epoch].query("split == 'out-of-fold'").set_index("image_id") for epoch in (0, 1)]
        mean = (tables[0][list(CLASSES)] + tables[1][list(CLASSES)]) / 2
        truth = make_data_set(work).set_index("image_id").loc[mean.index, list(CLASSES)].astype(float)
        by_class = -np.log(np.where(truth > 0.5, mean, 1 - mean))
        losses.append(by_class @ [1, 1, 1, 1, 1, 2] / 7)
    expected = np.concatenate(losses).mean()
    scores = read_scores(folder_of(work) / "scores.csv").set_index("system")
    assert scores.loc["bag", "weighted_log_loss"] == pytest.approx(expected, abs=1e-7)


def test_the_prior_of_a_fold_does_not_know_its_own_patients(work):
    slices = make_data_set(work)
    held_out = held_out_rows(LABELS, slices, ("0", "3"))
    found = prior_predictions(LABELS, slices, held_out)
    train = slices[slices["split"] == "train"]
    for fold in (0, 3):
        expected = train.loc[train["fold"] != fold, list(CLASSES)].mean().to_numpy(float)
        assert found[held_out.folds == fold] == pytest.approx(np.tile(expected, ((held_out.folds == fold).sum(), 1)))
    assert set(held_out.folds) == {0, 3}


def test_held_out_slices_of_fold_all_are_none(work):
    assert len(held_out_rows(LABELS, make_data_set(work), ("all",)).rows) == 0


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=7), min_size=1, max_size=5), st.randoms())
def test_rolling_mean_matches_the_plain_reference_in_any_row_order(series_values, random):
    rows = [(s, o, value) for s, values in enumerate(series_values) for o, value in enumerate(values)]
    expected = [smooth for values in series_values for smooth in rolling_mean_of_series(values)]
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)
    series, order, values = np.array([rows[i] for i in shuffled]).T
    found = rolling_mean(values[:, np.newaxis], series.astype(int), order.astype(int))
    assert found[:, 0] == pytest.approx([expected[i] for i in shuffled])


def test_rolling_mean_of_equal_slices_changes_nothing_and_one_slice_stays_alone():
    values = np.full((4, 6), 0.3)
    assert rolling_mean(values, np.zeros(4, int), np.arange(4)) == pytest.approx(values)
    assert rolling_mean(np.array([[0.1], [0.9]]), np.array([0, 1]), np.array([0, 0])) == pytest.approx(
        np.array([[0.1], [0.9]])
    )


# ---- findings


def test_findings_have_one_row_a_test_slice_in_series_order(monkeypatch, work):
    bag(monkeypatch, work)
    findings = pd.read_csv(folder_of(work) / "findings.csv")
    places = ["study", "series", "file", "image_id", "position_mm", "order"]
    calibrated = [f"{name}_calibrated" for name in CLASSES]
    assert list(findings.columns) == [*places, *CLASSES, *calibrated, "flags", "calibration", "trained_on"]
    slices = make_data_set(work)
    assert list(findings["file"]) == list(slices.loc[slices["split"] == "test", "path"])
    submitted = read_submission(folder_of(work))
    assert findings.loc[3, "any"] == pytest.approx(submitted[findings.loc[3, "image_id"] + "_any"], abs=1e-6)


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)"])
def test_a_file_name_that_looks_like_a_formula_is_escaped(cell):
    assert escape_cell(cell) == f"'{cell}"
    assert escape_cell(f"a{cell}") == f"a{cell}"


@pytest.mark.parametrize(
    ("cell", "printed"),
    [("\t=1", r"\t=1"), ("a\r=1", r"a\r=1"), ("a\n=1", r"a\n=1"), ("\x1b[2J", r"\x1b[2J"), ("a\u202eb", r"a\u202eb")],
)
def test_a_file_name_cannot_end_a_line_of_a_table_or_steer_a_terminal(cell, printed):
    assert escape_cell(cell) == printed
    assert escape_cell("Jüne ☃") == "Jüne ☃"
