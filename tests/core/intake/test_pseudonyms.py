from __future__ import annotations

import hashlib
import hmac
import pickle
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.pseudonyms import Naming, read_key

OWN = Naming(b"key")
COMPETITION = Naming(given=re.compile(r"ID_[0-9a-f]{6,16}"))


def file(name: str) -> SourceFile:
    return SourceFile(name, "container", 0, 0)


def test_a_pseudonym_is_the_keyed_digest_of_the_identifier() -> None:
    digest = hmac.new(b"key", b"00007041776", hashlib.sha256).hexdigest()
    assert OWN.pseudonym("00007041776") == f"ID_{digest[:12]}"
    assert OWN.number("00007041776") == int(digest[:12], 16)
    assert OWN.number("") == 0


@given(st.text())
def test_with_another_key_every_identifier_has_another_pseudonym(value: str) -> None:
    assert Naming(b"another key").pseudonym(value) != OWN.pseudonym(value)


def test_only_a_competition_s_own_pseudonyms_are_kept() -> None:
    assert COMPETITION.pseudonym("ID_0123456789ab") == "ID_0123456789ab"
    for other in ("ID_0123456789ab\n", "ID_12345", "00007041776", "../../x", ""):
        assert re.fullmatch("ID_[0-9a-f]{12}", COMPETITION.pseudonym(other))
        assert COMPETITION.pseudonym(other) != other
    assert OWN.pseudonym("ID_0123456789ab") != "ID_0123456789ab"


def test_a_competition_s_file_is_named_by_its_stem_and_one_of_ones_own_by_its_whole_path() -> None:
    assert COMPETITION.image_id(file("train/ID_0123456789ab.dcm")) == "ID_0123456789ab"
    assert OWN.image_id(file("a/1.dcm")) == OWN.pseudonym("a/1.dcm") != OWN.image_id(file("b/1.dcm"))


def test_a_name_that_is_no_text_has_a_pseudonym() -> None:
    assert re.fullmatch("ID_[0-9a-f]{12}", OWN.image_id(file("M\udcfcller.dcm")))


def test_a_naming_goes_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(COMPETITION)) == COMPETITION


def test_a_key_is_made_once_and_differs_between_data_sets(tmp_path: Path) -> None:
    first = read_key(tmp_path / "first.key")
    assert len(first) == 32
    assert read_key(tmp_path / "first.key") == first
    assert read_key(tmp_path / "second.key") != first
