"""Header values that are converted directly are what pydicom makes of the same bytes, however odd."""

from __future__ import annotations

import math
from collections.abc import Callable, MutableSequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.tag import Tag

from hounsfield.core.dicom import header

REPRESENTATIONS = ["CS", "UI", "LO", "SH", "DS", "IS", "US", "SS", None, "UN", "PN", "ST", "UL", "FD", "AE", "SQ"]
ENCODINGS = [
    "iso8859", None, ["iso8859"], ["utf8"], ["shift_jis"], ["gb18030"], ["iso8859", "iso2022_jp"],
    ["iso2022_jp_2", "iso8859"], ["euc_kr"], ["nonsense"], ["latin_1"], ["rot13"],
]  # fmt: skip
BYTES = st.one_of(
    st.binary(max_size=24),
    st.text("0123456789+-.eE _\\ \0naifINF\t\n\x1b", max_size=24).map(str.encode),
    st.text(max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.floats() | st.integers(), max_size=6).map(lambda numbers: "\\".join(map(repr, numbers)).encode()),
)


def converted(convert: Callable[[], Any]) -> Any:
    """The value in plain types, or the word `unreadable` for any exception."""
    try:
        value = convert()
    except Exception:  # noqa: BLE001  (that it fails matters, and not how)
        return "unreadable"
    return [plain(item) for item in value] if isinstance(value, MutableSequence) else plain(value)


def plain(item: Any) -> Any:
    """A number or a text without pydicom's own type; NaN as a word, since it does not equal itself."""
    if isinstance(item, float) and math.isnan(item):
        return "not a number"
    for kind in (str, int, float):
        if isinstance(item, kind):
            return (kind.__name__, kind(item))
    return item


@pytest.mark.filterwarnings("ignore")
@example(0x00281053, "DS", b"1\\\\2", None, True)
@example(0x00281053, "DS", b"1_0", None, True)
@example(0x00281053, "DS", b"nan", None, True)
@example(0x00200013, "IS", b"12345678901234567890", None, True)
@example(0x00200013, "IS", b"1.5 ", None, True)
@example(0x0020000D, "UI", b" 1.2\t\\1.3 \0\0", None, True)
@example(0x00100020, "LO", "Müller\\".encode("latin_1"), ["utf8"], True)
@example(0x00280120, None, b"\x30\xf8", None, True)
@example(0x00280120, "SS", b"\xf8\x30", None, False)
@given(
    st.sampled_from(sorted(header._TAGS)), st.sampled_from(REPRESENTATIONS), BYTES, st.sampled_from(ENCODINGS),
    st.booleans(),
)  # fmt: skip
def test_a_value_is_what_pydicom_makes_of_the_same_bytes(
    tag: int, representation: str | None, value: bytes, encodings: Any, little_endian: bool
) -> None:
    implicit = representation is None
    element = RawDataElement(Tag(tag), representation, len(value), value, 0, implicit, little_endian)
    ours = converted(lambda: header._raw_value(element, encodings))
    assert ours == converted(lambda: convert_raw_data_element(element, encoding=encodings).value)


@pytest.mark.parametrize(
    ("representation", "value", "expected"),
    [
        ("CS", b"ORIGINAL\\AXIAL ", ["ORIGINAL", "AXIAL"]), ("UI", b"1.2.840\0", "1.2.840"), ("LO", b"ID_1 ", "ID_1"),
        ("DS", b"-1024 ", -1024.0), ("DS", b"1\\0.5", [1.0, 0.5]), ("IS", b"7 ", 7), ("US", b"\0\2", 512),
        ("SS", b"\x30\xf8", -2000),
    ],
)  # fmt: skip
def test_well_formed_values_need_no_pydicom(representation: str, value: bytes, expected: Any) -> None:
    element = RawDataElement(Tag(0x00281053), representation, len(value), value, 0, False, True)
    assert header._plain_value(element, "iso8859") == expected
