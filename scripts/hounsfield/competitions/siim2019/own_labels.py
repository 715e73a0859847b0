"""What a person knows of films: masks, as run lengths or images, or 0 and 1; and which films that is of."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from hounsfield.competitions.siim2019.masks import Annotation
from hounsfield.competitions.siim2019.rle_table import RUNS, RleRow, read_rle_table
from hounsfield.core.counts import count_of
from hounsfield.core.errors import MissingInput, WrongTable
from hounsfield.core.foreign_text import one_line
from hounsfield.core.intake.archives import FileList, SourceFile, list_files
from hounsfield.core.intake.identifiers import read_identifiers
from hounsfield.core.intake.label_cells import cells_of, text_of
from hounsfield.core.intake.label_matching import UID
from hounsfield.core.intake.label_tables import label_table
from hounsfield.core.intake.listings import composed, content_of, places_by_name
from hounsfield.core.storage.files import value_digest

DICOM_SUFFIX = re.compile(r"\.(dcm|dicom|ima)$", re.IGNORECASE)
LEFT_BY_SYSTEMS = ("thumbs.db", "desktop.ini")  # in any folder of images
PARQUET = b"PAR1"
TAKES = "--labels takes a table of run lengths or a folder of mask images"
SHOWN = 10


class OwnLabels(NamedTuple):
    """Labels to score by, under the names that films have there: masks of all, or of all whether one would be drawn."""

    source: str  # for messages
    masks: dict[str, Annotation]
    shown: dict[str, bool]

    def digest(self) -> str:
        """Changes with any label."""
        return value_digest([annotation_digest(self.masks), sorted(self.shown.items())])


class MatchedFilms(NamedTuple):
    """Which films names are of."""

    film_of: dict[str, str]  # film, by name
    lost: list[str]  # names of no film that is there
    doubtful: list[str]  # names that fit several films, or repeat another's


def read_own_labels(path: Path) -> OwnLabels:
    """Labels to score by: a table of run lengths, a folder of mask images, or a table of 0 and 1 with a column that
    names the film, and one of labels. Raises MissingInput or WrongTable.
    """
    source = one_line(path)
    if not path.exists():
        raise MissingInput(f"{source} does not exist; {TAKES}, or a table of 0 and 1")
    content = path.read_bytes() if path.is_file() else b""
    if path.is_dir() or (content[:4] != PARQUET and RUNS in text_of(content, source).partition("\n")[0]):
        return OwnLabels(source, read_masks(path), {})
    table = label_table(cells_of(content, source), source, options=False)
    if len(table.names) != 1 or table.key in ("series", "study"):
        raise WrongTable(f"{source} labels each {table.key} by {', '.join(table.names)}; of films a column `image` and "
                         "one of 0 and 1 are needed, or ImageId and EncodedPixels")  # fmt: skip
    known = zip(map(str, table.keys), table.values.iloc[:, 0], strict=True)
    return OwnLabels(source, {}, {name: bool(value) for name, value in known if not np.isnan(value)})


def own_annotations(labels: Path, files: FileList, film_ids: np.ndarray) -> dict[str, Annotation]:
    """The annotations of a table or of a folder, by film, named by path, file name, stem or SOPInstanceUID.

    Raises WrongTable where a name is not that of one film.
    """
    named = read_masks(labels)
    matched = match_films(named, files, film_ids)
    for fact, names in {
        "are of no film that is there": matched.lost,
        "fit several films or repeat another": matched.doubtful,
    }.items():
        if names:
            raise WrongTable(f"{one_line(labels)}: {count_of(len(names), f'masks {fact}')}; the first: "
                             f"{names[:SHOWN]}. Correct their names")  # fmt: skip
    return {film: named[name] for name, film in matched.film_of.items()}


def match_films(names: Iterable[str], files: FileList, film_ids: np.ndarray) -> MatchedFilms:
    """The films of names. film_ids: (N,) of the files."""
    names = list(names)
    known = places_by_name(files) | {name: place for place, name in enumerate(film_ids)}
    known |= {DICOM_SUFFIX.sub("", composed(file.path)): place for place, file in enumerate(files) if "/" in file.path}
    if all(map(UID.fullmatch, names)) and known.keys().isdisjoint(names):
        known = _places_by_sop_uid(files)
    found: dict[str, str] = {}
    taken: set[str] = set()
    matched = MatchedFilms(found, [], [])
    for name in names:
        place = known.get(composed(name), -1)
        film = None if place is None else str(film_ids[place])
        if place == -1:
            matched.lost.append(name)
        elif film is None or film in taken:
            matched.doubtful.append(name)
        else:
            found[name] = film
            taken.add(film)
    return matched


def read_masks(labels: Path) -> dict[str, Annotation]:
    """The masks of a table of run lengths, or of a folder of images, by name. Raises MissingInput or WrongTable."""
    if labels.is_file():
        return annotations_of(read_rle_table(labels.read_bytes(), one_line(labels)))
    if labels.is_dir():
        return _mask_images(labels)
    raise MissingInput(f"{one_line(labels)} does not exist; {TAKES}")


def annotations_of(rows: list[RleRow]) -> dict[str, Annotation]:
    """The rows of a table, film by film."""
    grouped: dict[str, list[RleRow]] = defaultdict(list)
    for row in rows:
        grouped[row.film].append(row)
    return {film: Annotation(tuple(found)) for film, found in grouped.items()}


def annotation_digest(annotations: Mapping[str, Annotation]) -> str:
    """Changes with any annotation."""
    return value_digest([[name, *map(_plain, annotations[name])] for name in sorted(annotations)])


def _plain(part: Any) -> list[str]:
    """What an annotation holds, for a digest: runs as text, or an image's name and the digest of its bytes."""
    if isinstance(part, SourceFile):
        return [part.label, hashlib.sha256(content_of(part)).hexdigest()]
    return [row.text for row in part or ()]


def _places_by_sop_uid(files: FileList) -> dict[str, int | None]:
    """The place of each film by its SOPInstanceUID, for which all are read; None where several have it."""
    known: dict[str, int | None] = {}
    uids = read_identifiers(files)["sop_uid"]
    for place, label in enumerate(files.labels.to_pylist()):
        if uid := uids.get(label, ""):
            known[uid] = None if uid in known else place
    return known


def _mask_images(folder: Path) -> dict[str, Annotation]:
    """The images of a folder by path without suffix; what a system leaves beside them does not count."""
    named: dict[str, list[SourceFile]] = defaultdict(list)
    for image in list_files(folder):
        name = PurePosixPath(image.path)
        if not name.name.startswith(".") and name.name.lower() not in LEFT_BY_SYSTEMS:
            named[str(name.with_suffix(""))].append(image)
    if not named:
        raise WrongTable(
            f"{one_line(folder)} holds no mask image; name the folder of images that have the films' names"
        )
    twice = [image.label for images in named.values() if len(images) > 1 for image in images]
    if twice:
        raise WrongTable(
            f"{one_line(folder)}: {len(twice)} images are of the same films: {twice[:SHOWN]}. Leave one each"
        )
    return {name: Annotation(image=images[0]) for name, images in named.items()}
