"""Films at their own size, read again from the files that they were prepared from, where these are still there."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from hounsfield.competitions.siim2019.source import LISTS
from hounsfield.core.dicom.films import read_film
from hounsfield.core.errors import Refused
from hounsfield.core.intake.archives import FileList
from hounsfield.core.intake.listings import given_options
from hounsfield.core.intake.sources import list_sources
from hounsfield.core.stages.upstream import Upstream


class OriginalFilms:
    """The files of a data set; they are listed when the first one is asked for."""

    def __init__(self, data: Upstream) -> None:
        known = given_options(data.record["facts"].get("source", ()), LISTS)
        places = [Path(one) for one in known.get("images") or known.get("archive") or ()]
        self._places = [place for place in places if place.exists()]

    @cached_property
    def _files(self) -> FileList | None:
        return list_sources(self._places) if self._places else None

    def grey(self, path: str, pixel_digest: str) -> np.ndarray | None:
        """One film's grey levels, (rows, columns) uint8; None where its file has gone or holds another picture.

        path, pixel_digest: as the table of films has them.
        """
        if self._files is None or (place := pc.index(self._files.labels, path).as_py()) < 0:
            return None
        try:
            film = read_film(self._files[place].read())
        except Refused:
            return None
        return film.grey if film.pixel_digest == pixel_digest else None
