"""What preparation starts from: the competition's archive, or a folder of one's own DICOM files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.competitions.rsna2019.head_phantom.archive import write_archive
from hounsfield.competitions.rsna2019.head_phantom.recipe import PhantomRecipe
from hounsfield.competitions.rsna2019.labels import LABELS, read_labels
from hounsfield.competitions.rsna2019.own_labels import OwnLabels, label_words, read_own_labels
from hounsfield.competitions.rsna2019.paths import ARCHIVE_NAME, PHANTOM, PREPARE, TEST_FOLDERS, TRAIN_FOLDERS
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.intake.archives import FileList, list_files
from hounsfield.core.intake.given_studies import Intake, own_places
from hounsfield.core.intake.label_matching import check_names
from hounsfield.core.intake.listings import (
    content_of,
    files_digest,
    only_file,
    packed_within,
    recorded_options,
)
from hounsfield.core.intake.pseudonyms import Naming, read_key
from hounsfield.core.intake.sources import list_own
from hounsfield.core.logs import logger
from hounsfield.core.phantom_kit.archive_writer import recipe_path
from hounsfield.core.stages.variables import as_given
from hounsfield.core.storage.data_sets import data_folder, raw_archive

# not ._ID_0123456789.dcm, with which a Mac accompanies each file that it packs
# at any depth below the image folder, or with the backslashes of a program for Windows
IMAGE = rf"(?:^|.*[/\\])(?P<folder>{'|'.join(TRAIN_FOLDERS + TEST_FOLDERS)})[/\\](?:.*[/\\])?[^/\\.][^/\\]*\.(?i:dcm)$"
PSEUDONYM = re.compile(r"ID_[0-9a-f]{6,16}")  # as the competition gives them
GIVEN_NAMES = Naming(given=PSEUDONYM)
LISTS = ("images", "classes", "class-weights")  # options that take several words
INTAKE = Intake(stage=PREPARE, reserved=("rsna2019", PHANTOM), lists=LISTS, places="images")
TRAIN_LABELS, SAMPLE = "stage_2_train.csv", "stage_2_sample_submission.csv"


@dataclass(frozen=True)
class Source:
    """The DICOM files, the competition's labels by image identifier or one's own, and the sample submission's bytes."""

    files: FileList
    labels: pd.DataFrame | None
    sample: bytes | None
    naming: Naming
    options: tuple[str, ...]  # that name it on a command line
    ignored: int = 0  # files that are neither images nor tables
    drawn: bool = False  # phantoms: no patient is behind them
    own: OwnLabels | None = None

    @property
    def label_set(self) -> LabelSet:
        """What the labels are of; the competition's classes where there are none."""
        return LABELS if self.own is None else self.own.label_set

    def digests(self) -> dict[str, str]:
        """Change when a file, a label or the sample does."""
        labels = hashlib.sha256(b"")
        if self.labels is not None:
            labels.update(pd.util.hash_pandas_object(self.labels).to_numpy().tobytes())
        sample = hashlib.sha256(self.sample or b"").hexdigest()
        known = labels.hexdigest() if self.own is None else self.own.digest()
        return {"files": files_digest(self.files), "labels": known, "sample submission": sample}


def default_source(work: Path, data_set: str) -> dict[str, Any]:
    """What to prepare where no option names it, by option: the archive, or what the data set was prepared from.

    The phantoms' archive is drawn here. Raises MissingInput saying where the archive is expected.
    """
    archive = raw_archive(work, data_set, ARCHIVE_NAME)
    if archive.exists():
        return {"archive": str(archive)}
    if known := recorded_options(data_folder(work, data_set), LISTS):
        return known
    if data_set == PHANTOM:
        drawn = write_archive(archive, PhantomRecipe(), jobs=-1, force=False)
        logger.info("drew %d training and %d test slices: %s", drawn.train_slices, drawn.test_slices, archive)
        return {"archive": str(archive)}
    raise MissingInput(
        f"{archive} is missing: put the competition's archive there (kaggle competitions download -c "
        f"{archive.stem}), name it with --archive or ARCHIVE, or a folder of DICOM files with --images"
    )


def find_source(
    work: Path,
    data_set: str,
    *,
    archive: str | None = None,
    images: Sequence[str] | None = None,
    labels: str | None = None,
    **about_labels: Any,
) -> Source:
    """The files to prepare, as the options --archive, --images and --labels name them. Raises WrongUse.

    about_labels: the other options on labels that are given, as `read_own_labels` takes them.
    """
    about = {name.replace("-", "_"): value for name, value in about_labels.items()}
    if about and labels is None:
        raise WrongUse(f"--{next(iter(about)).replace('_', '-')} goes with --labels")
    if images is None:
        if labels is not None:
            raise WrongUse("--labels goes with --images; the competition's archive brings its own")
        return competition_source(Path(archive or raw_archive(work, data_set, ARCHIVE_NAME)).absolute())
    if archive is not None:
        raise WrongUse(f"{as_given('ARCHIVE', '--archive', archive)} and --images name two sources; give one")
    outputs = data_folder(work, data_set)
    folders = own_places(images, outputs, data_set, INTAKE)
    return own_source(folders, None if labels is None else Path(labels), outputs, about)


def competition_source(archive: Path) -> Source:
    """The competition's zip, or the folder it was unpacked to; everything may stand below a top folder.

    Both spellings of the image folders are read, also side by side; an image that stands in both is refused.
    """
    listing = list_files(archive)
    folders = pc.struct_field(pc.extract_regex(listing.labels, IMAGE), "folder")
    is_image = folders.is_valid().to_numpy(zero_copy_only=False)
    if not is_image.any():
        raise BadInput(
            f"{archive}: no .dcm file in {', '.join(f'{name}/' for name in TRAIN_FOLDERS + TEST_FOLDERS)} "
            f"among {len(listing)} files; is it the whole archive?{packed_within(listing, [archive])}"
        )
    images = listing.take(is_image)
    image_ids = competition_ids(images)
    _refuse_twins(archive, image_ids)
    train = image_ids.filter(pc.is_in(folders.filter(is_image), pa.array(TRAIN_FOLDERS)))
    labels_file, sample_file = only_file(listing, TRAIN_LABELS), only_file(listing, SAMPLE)
    labels = None
    if labels_file is None and len(train):
        raise BadInput(
            f"{archive}: {len(train)} training images and no {TRAIN_LABELS}; put it beside their folder."
            f"{packed_within(listing, [archive])}"
        )
    if labels_file is not None:
        labels = read_labels(content_of(labels_file), f"{archive}/{labels_file.name}")
        unlabelled = sorted(train.filter(pc.invert(pc.is_in(train, pa.array(labels.index, pa.string())))).to_pylist())
        if unlabelled:
            raise BadInput(
                f"{archive}: {len(unlabelled)} training images without labels; the first are {unlabelled[:10]}"
            )
        labels = labels[pc.is_in(pa.array(labels.index, pa.string()), train).to_numpy(zero_copy_only=False)]
    sample = None if sample_file is None else content_of(sample_file)
    options = ("--archive", str(archive))
    drawn = recipe_path(archive).exists()
    return Source(images, labels, sample, GIVEN_NAMES, options, len(listing) - len(images), drawn)


def competition_ids(images: FileList) -> pa.Array:
    """The identifier of every image, (N,) text; quickly, where the files are named as the competition's are."""
    found = pc.struct_field(pc.extract_regex(images.labels, rf"[/\\](?P<id>{PSEUDONYM.pattern})\.(?i:dcm)$"), "id")
    strange = found.is_null().to_numpy(zero_copy_only=False)
    others = pa.array([GIVEN_NAMES.image_id(file) for file in images.take(strange)], pa.string())
    return pc.replace_with_mask(found, pa.array(strange), others)


def own_source(images: Sequence[Path], labels: Path | None, outputs: Path, about: Mapping[str, Any]) -> Source:
    """Every file of folders of any depth, of zip archives, and single ones.

    What is not a CT slice is refused later, with a reason. outputs: the data set's folder, which holds its key; none is
    made where there is no file.
    """
    own = None if labels is None else read_own_labels(labels, **about)
    if own is not None and own.test is not None and own.test.is_dir():
        images = [*images, own.test]
    listing = list_own(images)
    if own is not None and own.table.key == "file":
        check_names(own.table.keys, listing.labels, own.table.source)
    options = ("--images", *map(str, images), *(() if labels is None else label_words(labels, about)))
    return Source(listing, None, None, Naming(read_key(outputs / "pseudonyms.key")), options, own=own)


def _refuse_twins(archive: Path, image_ids: pa.Array) -> None:
    counts = pc.value_counts(image_ids)
    twins = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    if twins:
        raise BadInput(
            f"{archive}: {len(twins)} image identifiers occur twice; the first are {twins[:10]}. Leave one file of each"
        )
