from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from test_predict_studies import series

from conftest import Work, copy_work, work_at
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import StaleOutput
from programs import run_program

STAGES = ("stacking_train", "stacking_predict", "stacking_second_level", "stacking_ensemble")
CONFIG = """
data_set: phantom
folds: [0, 1, 2]
threads: 1
data: {fold_count: 3}
networks: [{name: resnet, backbone: test_resnet, size: 64, seed: 30, hu_noise: 0.06, hu_noise_predicting: 0.05}]
training: {epochs: 1, batch_size: 8, learning_rate: 1.0e-3, learning_rate_steps: [1], workers: 0}
prediction: {epochs: [0], passes: 1, batch_size: 8, block_batches: 1}
second_level: {neighbours: 2, boosters: [xgboost], xgboost: {rounds: 10, patience: 5}}
"""


@pytest.fixture(scope="module")
def trained(prepared: Work, tmp_path_factory: pytest.TempPathFactory) -> Work:
    """The second system on the phantoms, with one network and one library."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.yaml").write_text(CONFIG)
    work = work_at(folder / "work", folder / "small.yaml")
    copy_work(prepared, work)
    run_program("stacking_data", *work.arguments, "--jobs", 1)
    for stage in STAGES:
        run_program(stage, *work.arguments)
    return work


@pytest.mark.slow
def test_the_second_system_answers_given_studies_as_its_stages_do(
    trained: Work, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series(tmp_path / "ward", "a", slices=5)
    (tmp_path / "ward/notes.txt").write_text("no DICOM")
    run_program("predict_study", *trained.arguments, tmp_path / "ward", "--jobs", 1)
    shown = capsys.readouterr().out
    folder = trained.folder / "preds/stacking/small/ward"
    studies, findings = pd.read_csv(folder / "studies.csv"), pd.read_csv(folder / "findings.csv")
    assert list(studies["slices"]) == [5]
    assert list(studies["refused"]) == [1]
    assert findings[list(CLASSES)].notna().all(axis=None)
    assert "second order" in studies["scored_on"][0]  # no patient is unseen by all that is behind a second level
    assert studies["trained_on"].str.contains("PHANTOMS").all()
    assert studies["study"][0] in shown
    before = (folder / "ensemble.parquet").read_bytes()
    for stage in STAGES:  # the same stages one by one have nothing to do, or nothing to train
        run_program(stage, *trained.arguments, "--apply-to", "ward")
    assert (folder / "ensemble.parquet").read_bytes() == before
    assert "nothing to train: ward is predicted by the classifiers of phantom" in capsys.readouterr().err
    own = pd.read_parquet(trained.folder / "preds/stacking/small/ensemble.parquet")
    assert set(own["split"]) == {"out-of-fold", "test"}  # the run's own answers are as they were


@pytest.mark.slow
def test_some_folds_of_the_second_system_are_refused_before_a_file_is_read(trained: Work, tmp_path: Path) -> None:
    series(tmp_path / "some", "a")
    with pytest.raises(StaleOutput, match=r"xgboost/nested .*\n  folds: \[0, 1, 2\] -> \[0, 1\]\nLeave out FOLDS"):
        run_program("predict_study", *trained.arguments, tmp_path / "some", "--fold", 0, 1)
    assert not (trained.folder / "data/some").exists()
