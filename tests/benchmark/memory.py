"""Peak memory of preparation and extraction, of many slices against few: the stages' own programs, as processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmark.measurements import Line
from benchmark.phantom_files import link_files, write_phantoms
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.storage.checkpoints import save_weights, weights_name, with_facts
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.training.backbones import build_network
from hounsfield.hemorrhage.config import ClassifierConfig
from hounsfield.hemorrhage.paths import TRAIN_CLASSIFIER, classifier_folder

EXPERIMENT, DATA_SET = "memory", "linked"
JOBS = 2
# A child begins with its parent's peak on Linux, so a small process stands between this large one and the stage.
WATCH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.stderr.buffer.write(done.stderr)
sys.exit(done.returncode)
"""


def memory_lines(folder: Path, *, few: int, many: int, size: int) -> list[Line]:
    """Measure in `folder`. few, many: slices. size: pixels a side at which the small network sees them."""
    files = write_phantoms(folder / "dicom", min(few, 32), size=512)
    small, large = (stage_peaks(folder / f"work{count}", files, count, size) for count in (few, many))
    return [
        Line(what=f"peak memory of {stage}, {many} slices against {few}", measured=large[stage], unit="MB",
             reference=small[stage], at_most=1.2,
             note=f"the largest process of the stage ({JOBS} workers)")
        for stage in small
    ]  # fmt: skip


def stage_peaks(work: Path, files: Sequence[SourceFile], count: int, size: int) -> dict[str, float]:
    """Run both stages on `count` links to `files` below `work`; the peak of each in MB."""
    dicom = work / "dicom"
    link_files(files, dicom, count)
    config = write_experiment(work, size)
    common = ["--config", str(config), "--work", str(work)]
    prepare = peak_memory("rsna2019_prepare.py", *common, "--images", str(dicom), "--jobs", str(JOBS))
    extract = peak_memory("hemorrhage_extract_embeddings.py", *common, "--fold", "0")
    return {"preparation": prepare, "extraction": extract}


def write_experiment(work: Path, size: int) -> Path:
    """Write an experiment with a small network's random weights for one epoch; returns its configuration."""
    classifier = ClassifierConfig(backbone="test_byobnet", size=size, epochs=1, workers=JOBS)
    network = build_network(classifier.backbone, len(CLASSES))
    folder = classifier_folder(work, EXPERIMENT, "0")
    with output(folder, Provenance(TRAIN_CLASSIFIER, {"fold": "0"}, {}), force=False, remedy="") as out:
        save_weights(folder / weights_name(0), network.state_dict(), {"classifier": asdict(classifier)})
        out.finish(with_facts([weights_name(0)]), learned=Ledger.nobody())
    config = work / f"{EXPERIMENT}.yaml"
    text = (
        f"data_set: {DATA_SET}\nthreads: {torch.get_num_threads()}\n"
        f"classifier: {{backbone: test_byobnet, size: {size}, epochs: 1, workers: {JOBS}}}\n"
    )
    write_bytes(config, text.encode())
    return config


def peak_memory(program: str, *arguments: str) -> float:
    """Run a stage's program; the peak resident memory in MB of the largest of its processes.

    Raises RuntimeError with what the program said when it fails.
    """
    stage = [sys.executable, str(REPOSITORY / "scripts" / program), *arguments]
    done = subprocess.run([sys.executable, "-c", WATCH, *stage], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr[-2000:]}")
    return int(done.stdout) * 1024 / 10**6  # ru_maxrss counts in KiB
