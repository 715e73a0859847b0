"""The scalars that trainings leave for TensorBoard, read back: the value of each name after each epoch, and when."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

TENSORBOARD = "tensorboard"  # the folder of a training's output that holds its event files
SAMPLES_PER_SECOND = "samples_per_second"
COLUMNS = ("name", "epoch", "value", "time")


def read_scalars(folder: Path) -> pd.DataFrame:
    """All scalars of the event files in a folder, by name and epoch; COLUMNS, without rows where there are no files.

    time: seconds since 1970. Where a training was stopped and went on, several files hold one epoch: the last counts.
    A file that a kill has cut ends at the cut.
    """
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    found = [
        (value.tag, int(event.step), float(make_ndarray(value.tensor)), float(event.wall_time))
        for path in sorted(folder.glob("events.out.tfevents.*"))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.HasField("tensor")
    ]
    table = pd.DataFrame(found, columns=list(COLUMNS)).sort_values(["name", "epoch", "time"], kind="stable")
    return table.drop_duplicates(["name", "epoch"], keep="last", ignore_index=True)
