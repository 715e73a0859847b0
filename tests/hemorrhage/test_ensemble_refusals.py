"""Stage 15: what is missing, mixed, stale or seen before is refused, and what is done is not done again."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from bagging import PROGRAM, bag, bagged_copy, folder_of, linked_copy, ready_to_bag

import hemorrhage_bag
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.stages.exits import run
from hounsfield.core.stages.ledger import LEDGER_FILE, Ledger
from hounsfield.core.stages.outputs import RECORD
from hounsfield.core.storage.files import write_json
from hounsfield.hemorrhage.paths import PREDICTIONS, run_folder, store_folder
from hounsfield.hemorrhage.stages import bag as bag_stage
from programs import held_by_another_process
from synthetic_runs import DATA_SET, make_data_set, make_predictions, make_store, open_toy, toy_config, write_config


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    return ready_to_bag(tmp_path_factory.mktemp("work"))


@pytest.fixture
def work(ready, tmp_path):
    return linked_copy(ready, tmp_path)


@pytest.fixture(scope="module")
def bagged_once(ready, tmp_path_factory):
    return bagged_copy(ready, tmp_path_factory.mktemp("bagged"))


@pytest.fixture
def bagged(bagged_once, tmp_path):
    """A copy of what stage 15 leaves."""
    return linked_copy(bagged_once, tmp_path)


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


def test_the_bag_says_for_each_fold_whom_its_runs_have_seen(bagged):
    slices = read_slices(open_toy(bagged))
    learned = Ledger.read(folder_of(bagged) / LEDGER_FILE)
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


def test_force_gives_the_same_bytes_again(monkeypatch, bagged):
    names = ("submission.csv.gz", "findings.csv", "scores.csv", RECORD, LEDGER_FILE)
    first = {name: (folder_of(bagged) / name).read_bytes() for name in names}
    stamp = (folder_of(bagged) / "submission.csv.gz").stat().st_mtime_ns
    bag(monkeypatch, bagged, "--force")
    assert first == {name: (folder_of(bagged) / name).read_bytes() for name in names}
    assert (folder_of(bagged) / "submission.csv.gz").stat().st_mtime_ns > stamp


def test_other_runs_than_last_time_need_force(monkeypatch, bagged):
    with pytest.raises(StaleOutput, match=r"folds: (.|\n)*run_15_.* --folds '\[0,1\]' --force"):
        bag(monkeypatch, bagged, "--folds", "[0,1]")
    bag(monkeypatch, bagged, "--folds", "[0,1]", "--force")
    assert set(read_scores(folder_of(bagged) / "scores.csv")["folds"]) == {"0 1"}


def test_a_lost_or_cut_output_is_made_again(monkeypatch, bagged):
    before = (folder_of(bagged) / "findings.csv").read_bytes()
    (folder_of(bagged) / "findings.csv").unlink()  # the bytes are linked to
    (folder_of(bagged) / "findings.csv").write_text("cut")
    bag(monkeypatch, bagged)
    assert (folder_of(bagged) / "findings.csv").read_bytes() == before


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


def test_the_program_ends_with_2_and_one_line_when_a_run_is_missing(monkeypatch, tmp_path, capsys):
    make_data_set(tmp_path, patients=10)
    config = write_config(tmp_path / "configs", "crop", toy_config())
    monkeypatch.setattr(sys, "argv", ["hemorrhage_bag.py", "--config", str(config), "--work", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        run(hemorrhage_bag.main)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/preds/hemorrhage/crop/fold0_epoch0 is missing; make it with: ")
