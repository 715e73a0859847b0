"""What preparation starts from: the competition's archive in either stage's shape, or a folder of one's own films."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from hounsfield.competitions.siim2019.film_phantom.archive import write_archive
from hounsfield.competitions.siim2019.film_phantom.recipe import QUICKSTART
from hounsfield.competitions.siim2019.masks import Annotation
from hounsfield.competitions.siim2019.own_labels import (
    DICOM_SUFFIX,
    annotation_digest,
    annotations_of,
    own_annotations,
)
from hounsfield.competitions.siim2019.paths import ARCHIVE_NAME, PHANTOM, PREPARE
from hounsfield.competitions.siim2019.rle_table import read_rle_table, refuse_unknown
from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.intake.archives import FileList, SourceFile
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
from hounsfield.core.storage.data_sets import data_folder, raw_archive

TRAIN_FOLDER, TEST_FOLDERS = "dicom-images-train", ("dicom-images-test", "stage_2_images")
FOLDERS = (TRAIN_FOLDER, *TEST_FOLDERS)
# at any depth below them, or with the backslashes of a program for Windows
FILM = rf"(?:^|.*[/\\])(?P<folder>{'|'.join(FOLDERS)})[/\\](?:.*[/\\])?[^/\\.][^/\\]*\.(?i:dcm)$"
TABLES = ("stage_2_train.csv", "train-rle.csv")  # the first that is there counts: it covers the other
SAMPLES = ("stage_2_sample_submission.csv", "sample_submission.csv")
FOLDS_TABLE = "folds-table"  # the option
LISTS = ("archive", "images")  # options that take several words
INTAKE = Intake(stage=PREPARE, reserved=("siim2019", PHANTOM), lists=LISTS, places="images")
FILM_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,127}")  # what may become a file's name
OF_TABLES = (".csv", ".json")  # a film's answers lie in a folder of its name beside tables of all films


@dataclass(frozen=True)
class Source:
    """The films, what is known of their masks, and the tables that came with them. N films."""

    files: FileList
    film_ids: np.ndarray  # (N,) text
    may_be_test: np.ndarray  # (N,) bool: without an annotation it is a test film, and not one whose row is missing
    annotations: dict[str, Annotation]  # by film
    annotated_in: str  # the table or folder that they come from, for messages
    sample: bytes | None  # sample submission
    folds: bytes | None  # published table of folds
    folds_in: str  # where that lies, for messages
    patients: Naming
    options: tuple[str, ...]  # that name it on a command line
    ignored: int = 0  # files that are neither films nor tables
    drawn: bool = False  # phantoms: no patient is behind them

    def digests(self) -> dict[str, str]:
        """Change when a film, an annotation, the sample or the table of folds does."""
        labels = annotation_digest(self.annotations)
        sample, folds = (hashlib.sha256(table or b"").hexdigest() for table in (self.sample, self.folds))
        return {"files": files_digest(self.files), "labels": labels, "sample submission": sample, "folds": folds}


def default_source(work: Path, data_set: str) -> dict[str, Any]:
    """What to prepare where no option names it, by option: the archive, or what the data set was prepared from.

    The phantoms are drawn here. Raises MissingInput saying where the archive is expected.
    """
    archive, known = raw_archive(work, data_set, ARCHIVE_NAME), recorded_options(data_folder(work, data_set), LISTS)
    folds = {name: value for name, value in known.items() if name == FOLDS_TABLE}
    if archive.is_file():  # the second stage's zip, and beside it, unpacked, what it lacks
        beside = sorted(path for path in archive.parent.iterdir() if path.is_dir() and not path.name.startswith("."))
        return {"archive": [str(archive), *map(str, beside)], **folds}
    if archive.exists():
        return {"archive": [str(archive)], **folds}
    if known:
        return known
    if data_set == PHANTOM:
        drawn = write_archive(archive, QUICKSTART, jobs=-1, force=False)
        logger.info("drew %d training and %d test films: %s", drawn.train_films, drawn.test_films, archive)
        return {"archive": [str(archive)]}
    raise MissingInput(
        f"{archive} is missing: put the competition's archive there, or its folders into {archive.parent} "
        "(dicom-images-train/, dicom-images-test/, train-rle.csv, or those of the second stage), or name one of both "
        "with --archive or ARCHIVE, or a folder of DICOM files with --images"
    )


def find_source(work: Path, data_set: str, options: Mapping[str, Any]) -> Source:
    """The films to prepare, as the options archive, images, labels and folds-table name them. Raises WrongUse."""
    images, labels = options.get("images"), options.get("labels")
    if images is None and labels is not None:
        raise WrongUse("--labels goes with --images; the competition's archive brings its own")
    if images is not None and "archive" in options:
        given = as_given("ARCHIVE", "--archive", " ".join(options["archive"]))
        raise WrongUse(f"{given} and --images name two sources; give one")
    if images is None:
        source = competition_source([Path(one).absolute() for one in options["archive"]])
    else:
        outputs = data_folder(work, data_set)
        source = own_source(own_places(images, outputs, data_set, INTAKE), labels, outputs)
    if FOLDS_TABLE not in options:
        return source
    table = Path(options[FOLDS_TABLE]).absolute()
    if not table.is_file():
        raise MissingInput(f"{table} is no file; --folds-table takes a CSV table with fname, fold, exist_labels")
    options_given = (*source.options, f"--{FOLDS_TABLE}", str(table))
    return replace(source, folds=table.read_bytes(), folds_in=str(table), options=options_given)


def competition_source(archives: Sequence[Path]) -> Source:
    """The competition's zips, or the folders that they were unpacked to, in the shape of either stage or of both.

    Films may lie at any depth below their folders, and these below a top folder. Raises BadInput.
    """
    listing, archive = list_whole(archives), " ".join(map(str, archives))
    folders = pc.struct_field(pc.extract_regex(listing.labels, FILM), "folder")
    is_film = folders.is_valid().to_numpy(zero_copy_only=False)
    if not is_film.any():
        names = ", ".join(f"{name}/" for name in FOLDERS)
        raise BadInput(
            f"{archive}: no .dcm file in {names} among {len(listing)} files; is it the whole archive?"
            f"{packed_within(listing, archives)}"
        )
    files, folder = listing.take(is_film), folders.filter(is_film).to_numpy(zero_copy_only=False)
    once = once_each(files)
    files, folder = files.take(once), folder[once]
    film_ids = np.array([film_id(file, Naming()) for file in files], object)
    table = next((found for name in TABLES if (found := only_file(listing, name)) is not None), None)
    sample = next((found for name in SAMPLES if (found := only_file(listing, name)) is not None), None)
    annotations: dict[str, Annotation] = {}
    if table is None and (folder == TRAIN_FOLDER).any():
        raise BadInput(f"{archive}: training films and neither {' nor '.join(TABLES)}; put one beside their folder")
    if table is not None and (folder == "stage_2_images").all():
        logger.info("%s is of training films, of which there are none here: not used", table.name)
    elif table is not None:
        annotations = annotations_of(read_rle_table(content_of(table), f"{archive}/{table.label}"))
        rows = [row for annotation in annotations.values() for row in annotation.rows]
        refuse_unknown(f"{archive}/{table.label}", rows, film_ids)
    return Source(
        files=files,
        film_ids=film_ids,
        may_be_test=folder != TRAIN_FOLDER,
        annotations=annotations,
        annotated_in="" if table is None else f"{archive}/{table.label}",
        sample=None if sample is None else content_of(sample),
        folds=None,
        folds_in="",
        patients=Naming(),
        options=("--archive", *map(str, archives)),
        ignored=len(listing) - int(is_film.sum()),
        drawn=all(recipe_path(one).exists() for one in archives),
    )


def once_each(files: FileList) -> np.ndarray:
    """The places of the films without copies, ascending: a known mirror holds every file twice.

    Raises BadInput where two films of one name are not the same.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(pc.extract_regex(files.labels, r"(?P<name>[^/]*)$").field("name").to_pylist()):
        places[name].append(place)
    repeated = [found for found in places.values() if len(found) > 1]
    unlike = [files[found[0]].label for found in repeated if len({content_key(files[place]) for place in found}) > 1]
    if unlike:
        raise BadInput(
            f"{count_of(len(unlike), 'films occur with different content')}; the first: {unlike[:10]}. Leave one each"
        )
    if repeated:
        logger.info("films that occur several times, read once: %d", len(repeated))
    return np.array(sorted(found[0] for found in places.values()))


def film_id(file: SourceFile, naming: Naming) -> str:
    """A film's identifier: its file's name without .dcm where that is safe as a file's name, else a pseudonym of it."""
    stem = DICOM_SUFFIX.sub("", PurePosixPath(file.name).name)
    is_safe = FILM_ID.fullmatch(stem) and not stem.lower().endswith(OF_TABLES)
    return stem if is_safe else naming.pseudonym(file.path)


def own_source(places: Sequence[Path], labels: str | None, outputs: Path) -> Source:
    """Every file of folders of any depth, of zip archives, and single ones.

    What is no film is refused later, with a reason.

    labels: a table of run lengths or a folder of mask images. outputs: the data set's folder, which holds its key.
    Raises MissingInput or BadInput.
    """
    files, naming = list_own(places), Naming(read_key(outputs / "pseudonyms.key"))
    film_ids = np.array([film_id(file, naming) for file in files], object)
    shared = pd.Series(film_ids).duplicated(keep=False).to_numpy()  # IM-0001.dcm in every folder
    film_ids[shared] = [naming.pseudonym(file.path) for file in files.take(shared)]
    options: tuple[str, ...] = ("--images", *map(str, places))
    annotations: dict[str, Annotation] = {}
    if labels is not None:
        path = Path(labels).absolute()
        options += ("--labels", str(path))
        annotations = own_annotations(path, files, film_ids)
    return Source(
        files=files,
        film_ids=film_ids,
        may_be_test=np.ones(len(files), bool),
        annotations=annotations,
        annotated_in=labels or "",
        sample=None,
        folds=None,
        folds_in="",
        patients=naming,
        options=options,
    )
