"""The codes by which a file or a study is left out, and what is odd about a study that is used.

What the reader of DICOM files says of a single slice is in core/dicom/reason_codes.py; here is what follows from the
study. The words of what is left out stand where that is done, beside the code; a flag's words stand here.
"""

from __future__ import annotations

from hounsfield.core.dicom.reason_codes import OTHER_KINDS

REFUSALS = frozenset({
    "other_series", "other_size", "twice_named", "no_row", "no_fold", "segmentation_unknown_study",
    "segmentation_repeated", "segmentation_unreadable", "segmentation_no_place", "segmentation_grid",
})  # fmt: skip

# segmentations are extra, and series, copies and reformats beside the volume are usual: none of it is a sign of damage
NO_DAMAGE = OTHER_KINDS | {*REFUSALS, "no_file_meta", "empty_file", "copy"}

STUDY_FLAGS: dict[str, str] = {
    "one_slice": "The study is a single slice.",
    "few_slices": "Fewer slices than the published window has, whatever that of a run is.",
    "thick_slices": "Steps of 5 mm or more between slices.",
    "slice_missing": "A gap of more than 1.5 usual steps.",
    "positions_repeated": "Different slices lie at one place; all of them are used.",
    "mixed_spacing": "A tenth of the steps or more, and three at least, differ by over a tenth from the usual one.",
    "order_guessed": "No positions: the order follows from SliceLocation, the numbers or the names of the files.",
    "position_guessed": "Some slices have no position: their places follow from the others.",
    "other_series_left_out": "The study held other stacks, too; the largest is used.",
    "all_air": "No slice shows any tissue.",
    "segmentation_resampled": "The segmentation's grid is another one: each pixel has the label of the nearest voxel.",
    "segmentation_empty": "The segmentation shows no part of C1 to C7.",
}
