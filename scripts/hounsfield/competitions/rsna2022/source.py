"""What preparation starts from: the competition's archive, or CT series of one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from hounsfield.competitions.rsna2022.folds import read_folds
from hounsfield.competitions.rsna2022.label_table import read_study_labels
from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.neck_phantom.archive import write_archive
from hounsfield.competitions.rsna2022.neck_phantom.recipe import QUICKSTART
from hounsfield.competitions.rsna2022.paths import ARCHIVE_NAME, PHANTOM, PREPARE
from hounsfield.competitions.rsna2022.preparation import SLICE, STUDIES_AS_NAMED, TEST_FOLDER, TRAIN_FOLDER
from hounsfield.competitions.rsna2022.segmentations import study_of_segmentation
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.intake.archives import FileList, SourceFile, list_files
from hounsfield.core.intake.given_studies import Intake, own_places
from hounsfield.core.intake.listings import (
    content_key,
    content_of,
    files_digest,
    only_file,
    packed_within,
    recorded_options,
)
from hounsfield.core.intake.pseudonyms import Naming, read_key
from hounsfield.core.intake.sources import list_own, list_whole
from hounsfield.core.logs import logger
from hounsfield.core.phantom_kit.archive_writer import recipe_path
from hounsfield.core.stages.variables import as_given
from hounsfield.core.storage.data_sets import SAMPLE, data_folder, raw_archive
from hounsfield.core.storage.files import value_digest

TRAIN_LABELS, TEST_ROWS = "train.csv", "test.csv"
SEGMENTATIONS = r"(?:^|/)segmentations/[^/.][^/]*\.nii(?:\.gz)?$"
LISTS = ("archive", "images")  # options that take several words
INTAKE = Intake(stage=PREPARE, reserved=("rsna2022", PHANTOM), lists=LISTS, places="images")


@dataclass(frozen=True)
class Source:
    """The slices of all studies, what is known of these, and the tables that came with them."""

    files: FileList
    named_by_folder: bool  # a study is what its folder is called, not what headers say
    test_studies: frozenset[str]  # by folder; of one's own the studies without labels are to be predicted
    labels: pd.DataFrame | None  # NAMES and the line in its table, by study_uid
    segmentations: FileList  # NIfTI files, named after studies
    sample: bytes | None  # sample submission
    folds: pd.Series | None  # published ones, by study_uid
    folds_in: str  # where those lie, for messages
    headers: Naming  # makes pseudonyms of what headers say
    studies: Naming  # makes study_uid of a StudyInstanceUID in a table, or in a file's name
    options: tuple[str, ...]  # that name it on a command line
    left_out: FileList | None = None  # slices of training studies that lie in the test folder, too
    ignored: int = 0  # files that are neither slices nor tables
    drawn: bool = False  # phantoms: no patient is behind them

    def digests(self) -> dict[str, str]:
        """Change when a slice, a label, a segmentation, the sample or the table of folds does."""
        return {
            "files": files_digest(self.files),
            "labels": _table_digest(None if self.labels is None else self.labels[list(NAMES)]),
            "segmentations": value_digest([[file.label, *content_key(file)] for file in self.segmentations]),
            "sample submission": hashlib.sha256(self.sample or b"").hexdigest(),
            "folds": _table_digest(None if self.folds is None else self.folds.to_frame()),
        }


def _table_digest(table: pd.DataFrame | None) -> str:
    rows = b"" if table is None else pd.util.hash_pandas_object(table.sort_index()).to_numpy().tobytes()
    return hashlib.sha256(rows).hexdigest()


def default_source(work: Path, data_set: str) -> dict[str, Any]:
    """What to prepare where no option names it, by option: the archive, or what the data set was prepared from.

    The phantoms are drawn here. Raises MissingInput saying where the archive is expected.
    """
    archive, known = raw_archive(work, data_set, ARCHIVE_NAME), recorded_options(data_folder(work, data_set), LISTS)
    if archive.exists():
        folds = {name: value for name, value in known.items() if name == "folds-table"}
        return {"archive": [str(archive)], **folds}
    if known:
        return known
    if data_set == PHANTOM:
        drawn = write_archive(archive, QUICKSTART)
        logger.info("drew %d training and %d test studies: %s", drawn.train_studies, drawn.test_studies, archive)
        return {"archive": [str(archive)]}
    raise MissingInput(
        f"{archive} is missing: put the competition's archive there (kaggle competitions download -c {archive.stem}), "
        "name it with --archive or ARCHIVE, or a folder of DICOM files with --images"
    )


def find_source(work: Path, data_set: str, options: Mapping[str, Any], *, fold_count: int, any_overall: bool) -> Source:
    """What to prepare, as the options archive, images, labels, segmentations and folds-table name it.

    Raises WrongUse, and what reading the tables raises.
    """
    images = options.get("images")
    for name in ("labels", "segmentations"):
        if images is None and name in options:
            raise WrongUse(f"--{name} goes with --images; the competition's archive brings its own")
    if images is None:
        source = competition_source([Path(one).absolute() for one in options["archive"]], any_overall=any_overall)
    elif "archive" in options:
        given = as_given("ARCHIVE", "--archive", " ".join(options["archive"]))
        raise WrongUse(f"{given} and --images name two sources; give one")
    else:
        source = own_source(work, data_set, options, any_overall=any_overall)
    if "folds-table" not in options:
        return source
    table = Path(options["folds-table"]).absolute()
    if not table.is_file():
        raise MissingInput(f"{table} is no file; --folds-table takes a CSV table with StudyInstanceUID and fold")
    folds = read_folds(table.read_bytes(), str(table), source.labels, source.studies, fold_count)
    return replace(source, folds=folds, folds_in=str(table), options=(*source.options, "--folds-table", str(table)))


def competition_source(archives: Sequence[Path], *, any_overall: bool) -> Source:
    """The competition's zip, or the folder that it was unpacked to; everything may stand below a top folder.

    Raises BadInput.
    """
    listing, archive = list_whole(archives), " ".join(map(str, archives))
    found = pc.extract_regex(listing.labels, f"^{SLICE.pattern}$")
    is_slice = found.is_valid().to_numpy(zero_copy_only=False)
    if not is_slice.any():
        raise BadInput(f"{archive}: no .dcm file in {TRAIN_FOLDER}/<study>/ or {TEST_FOLDER}/<study>/ among "
                       f"{len(listing)} files; is it the whole archive?{packed_within(listing, archives)}")  # fmt: skip
    files, found = listing.take(is_slice), found.filter(is_slice)
    is_test = pc.equal(found.field("folder"), TEST_FOLDER).to_numpy(zero_copy_only=False)
    studies = found.field("study").to_numpy(zero_copy_only=False)
    twice = is_test & np.isin(studies, studies[~is_test])
    if twice.any():
        logger.warning("%d studies lie in %s and in %s; the training ones are used",
                       len(set(studies[twice])), TRAIN_FOLDER, TEST_FOLDER)  # fmt: skip
    table, labels = only_file(listing, TRAIN_LABELS), None
    if table is not None:
        source = f"{archive}/{table.label}"
        labels = read_study_labels(content_of(table), source, STUDIES_AS_NAMED, any_overall=any_overall)
    elif not is_test.all():
        raise BadInput(f"{archive}: training studies and no {TRAIN_LABELS}; put it beside their folder")
    sample = only_file(listing, SAMPLE) or only_file(listing, TEST_ROWS)
    segmentations = listing.take(_matching(listing, SEGMENTATIONS))
    return Source(
        files=files.take(~twice),
        named_by_folder=True,
        test_studies=frozenset(map(STUDIES_AS_NAMED.pseudonym, set(studies[is_test & ~twice]))),
        labels=labels,
        segmentations=segmentations,
        sample=None if sample is None else content_of(sample),
        folds=None,
        folds_in="",
        headers=Naming(),
        studies=STUDIES_AS_NAMED,
        options=("--archive", *map(str, archives)),
        left_out=files.take(twice),
        ignored=len(listing) - len(files) - len(segmentations),
        drawn=all(recipe_path(one).exists() for one in archives),
    )


def own_source(work: Path, data_set: str, options: Mapping[str, Any], *, any_overall: bool) -> Source:
    """Every file of folders of any depth, of zip archives, and single ones, as the option images names them.

    What is no CT slice is refused later, with a reason. Raises WrongUse, MissingInput or BadInput.
    """
    outputs = data_folder(work, data_set)
    places = own_places(options["images"], outputs, data_set, INTAKE)
    files, naming = list_own(places), Naming(read_key(outputs / "pseudonyms.key"))
    words: list[str] = ["--images", *map(str, places)]
    labels, segmentations = None, files.take(np.zeros(len(files), bool))
    if "labels" in options:
        table = Path(options["labels"]).absolute()
        if not table.is_file():
            raise MissingInput(f"{table} is no file; --labels takes a table of StudyInstanceUID, patient_overall, "
                               "C1 to C7")  # fmt: skip
        labels = read_study_labels(table.read_bytes(), str(table), naming, any_overall=any_overall)
        words += ["--labels", str(table)]
    if "segmentations" in options:
        folder = Path(options["segmentations"]).absolute()
        segmentations = list_files(folder)
        segmentations = segmentations.take(_matching(segmentations, r"\.nii(?:\.gz)?$"))
        if not segmentations:
            raise MissingInput(f"{folder}: no .nii or .nii.gz file; --segmentations takes a folder of NIfTI files, "
                               "each named after its study's StudyInstanceUID")  # fmt: skip
        files = files.take(~_matching(files, r"\.nii(?:\.gz)?$"))
        words += ["--segmentations", str(folder)]
    return Source(
        files=files,
        named_by_folder=False,
        test_studies=frozenset(),
        labels=labels,
        segmentations=segmentations,
        sample=None,
        folds=None,
        folds_in="",
        headers=naming,
        studies=naming,
        options=tuple(words),
    )


def _matching(files: FileList, pattern: str) -> np.ndarray:
    return np.asarray(pc.match_substring_regex(files.labels, pattern).to_numpy(zero_copy_only=False))


def segmentation_files(source: Source) -> dict[str, list[SourceFile]]:
    """The segmentations of each study, by study_uid; one is wanted."""
    found: dict[str, list[SourceFile]] = {}
    for file in source.segmentations:
        name = study_of_segmentation(file)
        if name is not None:
            found.setdefault(source.studies.pseudonym(name), []).append(file)
    return found
