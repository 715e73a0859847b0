"""What study networks say of studies: of any data set, without labels, one study or many. They are untrained."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from found_necks import found_boxes

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.paths import PREPARE, STUDIES, data_folder, volume_path
from hounsfield.competitions.rsna2022.tables import STUDY_SCHEMA, TEST_FOLD, open_data_set, read_studies
from hounsfield.core.errors import BadInput, StaleOutput
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.storage.checkpoints import save_weights
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.tables import write_table
from hounsfield.core.training.devices import Devices
from hounsfield.spine.boxes import read_boxes
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig
from hounsfield.spine.ensemble import answering
from hounsfield.spine.network_run import networks_to_train
from hounsfield.spine.networks.study import FrozenFramesStudyNetwork
from hounsfield.spine.paths import BOXES, STUDY, TABLE, WEIGHTS, boxes_folder
from hounsfield.spine.remedies import SpineCommand
from hounsfield.spine.study_run import StudyRun
from hounsfield.spine.study_training import predict_studies
from hounsfield.spine.tables import BOX_SCHEMA
from spine.made_data import DATA_SET, made_necks

CPU = Devices(device=torch.device("cpu"), rank=0, world=1, half=None)
CONFIG = """
data_set: made_necks
folds: [0]
workers: 0
fracture:
  models:
    - name: small
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 0, epochs: 1, batch_size: 4}
      seeds: [7]
    - name: large
      network: {backbone: test_resnet, size: 48}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 0, epochs: 1, batch_size: 4}
      seeds: [7]
study: {hidden: 8, steps: 6, chunk: 5}
"""


class Found(NamedTuple):
    """A data set with boxes, and the networks."""

    data: Upstream
    boxes: Upstream
    tasks: list[StudyRun]
    networks: list[Upstream]

    def predict(self, studies: pd.DataFrame, *rows: int) -> np.ndarray:
        """Probabilities of some studies, (K, N, 8)."""
        config = self.tasks[0].config
        chosen = studies.iloc[list(rows)] if rows else studies
        return predict_studies(self.tasks, self.networks, self.data, self.boxes, chosen, config, CPU)


def plain(stage: str, *_: str) -> str:
    return stage


def command_in(work: Path, *words: str) -> SpineCommand:
    stage = Stage(SpineConfig, "", DEFAULT_CONFIG, single=True)
    given = ["--config", str(work / "necks.yaml"), "--work", str(work), "--fold", "0", *words]
    return parse(stage_parser(stage), stage, given)


def opened(work: Path, data_set: str) -> tuple[Upstream, Upstream]:
    return open_data_set(work, data_set, plain), require(work, boxes_folder(work, data_set, "necks"), BOXES, plain)


def untrained(task: StudyRun) -> Upstream:
    torch.manual_seed(task.key.model.network.size)
    with output(task.folder, Provenance(STUDY, task.settings(), {}), force=False, remedy="") as out:
        save_weights(out.folder / WEIGHTS, task.build().state_dict(), {})
        out.finish([WEIGHTS, WEIGHTS.replace(".safetensors", ".json")])
    return task.network()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    work = tmp_path_factory.mktemp("work")
    made_necks(work, train=3, test=2)
    found_boxes(work, "necks", fallback=("1.2.002",))
    (work / "necks.yaml").write_text(CONFIG)
    command = command_in(work)
    data, boxes = opened(work, DATA_SET)
    tasks = [StudyRun(command, key) for key in networks_to_train(command, data)]
    return Found(data, boxes, tasks, [untrained(task) for task in tasks])


def test_each_network_says_something_of_each_study(found: Found) -> None:
    probabilities = found.predict(read_studies(found.data))
    assert probabilities.shape == (2, 5, 8)
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert len(np.unique(probabilities.round(9))) == probabilities.size


def test_probabilities_of_a_study_do_not_change_with_the_others(found: Found) -> None:
    studies = read_studies(found.data)
    together = found.predict(studies)
    np.testing.assert_allclose(found.predict(studies, 4, 0, 2), together[:, [4, 0, 2]], atol=1e-6, rtol=0)
    np.testing.assert_allclose(found.predict(studies, 3), together[:, [3]], atol=1e-6, rtol=0)


def test_labels_are_not_needed_and_do_not_count(found: Found) -> None:
    """Published: they were needed to predict (defect 24)."""
    studies = read_studies(found.data)
    together = found.predict(studies)
    assert np.array_equal(found.predict(studies.drop(columns=list(NAMES))), together)
    assert np.array_equal(found.predict(studies.assign(**dict.fromkeys(NAMES, 1.0))), together)


def test_probabilities_of_a_study_do_not_change_with_names_and_their_order(found: Found) -> None:
    """Another data set of the same volumes, whose names run the other way."""
    work, studies, boxes = found.data.work, read_studies(found.data), read_boxes(found.boxes)
    names = {uid: f"own.{len(studies) - place}" for place, uid in enumerate(studies["study_uid"])}
    renamed = studies.assign(study_uid=studies["study_uid"].map(names), split="test", fold=TEST_FOLD)
    renamed[list(NAMES)] = np.nan
    with output(data_folder(work, "own"), Provenance(PREPARE, {}, {}), force=True, remedy="") as out:
        for old, new in names.items():
            path = volume_path(work, "own", new)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(volume_path(work, DATA_SET, old), path)
        write_table(out.folder / STUDIES, renamed.sort_values("study_uid"), STUDY_SCHEMA)
        out.finish([STUDIES])
    with output(boxes_folder(work, "own", "necks"), Provenance(BOXES, {}, {}), force=True, remedy="") as out:
        write_table(out.folder / TABLE, boxes.assign(study_uid=boxes["study_uid"].map(names)), BOX_SCHEMA)
        out.finish([TABLE])
    own = found._replace(data=opened(work, "own")[0], boxes=opened(work, "own")[1])
    probabilities = own.predict(read_studies(own.data))
    np.testing.assert_allclose(probabilities[:, ::-1], found.predict(studies), atol=1e-6, rtol=0)


def test_weights_that_lack_a_part_are_refused(found: Found, tmp_path: Path) -> None:
    """Published: they were loaded as far as their names fitted (defect 3)."""
    task, network = found.tasks[0], found.networks[0]
    weights = task.load(network).state_dict()
    del weights["study.head.bias"]
    shutil.copytree(network.folder, tmp_path / "run")
    save_weights(tmp_path / "run" / WEIGHTS, weights, {})
    files = {WEIGHTS: {"sha256": file_digest(tmp_path / "run" / WEIGHTS)}}
    cut = Upstream(tmp_path / "run", tmp_path, {"files": files, "settings": task.settings()}, "sh bin/run.sh")
    with pytest.raises(BadInput, match=r"weights\.safetensors does not fit the network: .*study\.head\.bias"):
        task.load(cut)


def test_a_network_that_has_diverged_is_refused_with_the_study(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    load = StudyRun.load

    def diverged(task: StudyRun, network: Upstream) -> FrozenFramesStudyNetwork:
        made = load(task, network)
        torch.nn.init.constant_(made.study.head.bias, math.nan)
        return made

    monkeypatch.setattr(StudyRun, "load", diverged)
    with pytest.raises(BadInput, match=r"no numbers \(NaN\) for 1\.2\.001: .*--precision fp32"):
        found.predict(read_studies(found.data), 1)


def test_a_network_of_another_configuration_is_stale(found: Found) -> None:
    task = found.tasks[0]
    changed = command_in(task.command.work, "--study.margin", "3")
    with pytest.raises(StaleOutput, match=r"study\.margin: 2 -> 3"):
        StudyRun(changed, task.key).network()


def test_stale_weights_of_another_seed_are_not_averaged_in(found: Found) -> None:
    """Defect 21: whatever lay in the folder was averaged, by its name alone."""
    task, command = found.tasks[0], command_in(found.data.work, "--fracture.refit", "false")
    stale = StudyRun(task.command, task.key._replace(seed=99))
    untrained(stale)
    members = answering(command)
    assert [member.output.folder for member in members] == [one.folder for one in found.networks]
    assert stale.folder.parent == task.folder.parent
    assert stale.folder not in {member.output.folder for member in members}
