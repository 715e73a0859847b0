"""Given studies of this competition's kind, in the order of the steps."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hounsfield.competitions.rsna2019 import predict_given as module
from hounsfield.competitions.rsna2019.predict_given import Steps, predict_given
from hounsfield.core.errors import UnusableSource


def test_where_the_files_are_refused_the_imports_beside_them_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that goes on importing while the program ends fails with a traceback."""
    loaded: list[bool] = []

    def load() -> None:
        time.sleep(0.2)
        loaded.append(True)

    def refuse(*_: Any) -> None:
        raise UnusableSource("no zip archive")

    monkeypatch.setattr(module, "prepare_given", refuse)
    steps = Steps(lambda _: [], refuse, {}, load, refuse, refuse)  # type: ignore[arg-type]
    command: Any = SimpleNamespace(arguments=SimpleNamespace(labels=None))
    with pytest.raises(UnusableSource):
        predict_given(command, [str(tmp_path)], steps)
    assert loaded == [True]
