"""Where the files lie that a data set was prepared from."""

from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.competitions.rsna2019.paths import ARCHIVE_NAME
from hounsfield.competitions.rsna2019.prepared_files import prepared_source
from hounsfield.core.errors import MissingInput
from hounsfield.core.stages.upstream import Upstream


def test_what_has_gone_since_is_named_with_the_options_that_tell_where_it_is_now(tmp_path: Path) -> None:
    here, gone = tmp_path / "here", tmp_path / "gone"
    here.mkdir()
    record = {"facts": {"source": ["--images", str(here), str(gone)]}}
    data = Upstream(tmp_path / "data" / "mine", tmp_path, record, "")
    with pytest.raises(MissingInput, match=r"gone is not there any more, which mine was prepared from.*--images"):
        prepared_source(tmp_path, data)
    gone.mkdir()
    assert prepared_source(tmp_path, data) == [here, gone]


def test_an_archive_that_was_moved_to_its_usual_place_is_found_there(tmp_path: Path) -> None:
    usual = tmp_path / "data" / "raw" / "mine" / ARCHIVE_NAME
    usual.parent.mkdir(parents=True)
    usual.touch()
    record = {"facts": {"source": ["--archive", str(tmp_path / "gone.zip")]}}
    assert prepared_source(tmp_path, Upstream(tmp_path / "data" / "mine", tmp_path, record, "")) == [usual]
