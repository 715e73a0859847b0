"""The header of a file: what it must say before anything else is read, and what a hostile one may not ask for."""

from __future__ import annotations

import struct

import pytest

import dicom_files as files
from dicom_files import refusal
from hounsfield.core.dicom import header
from hounsfield.core.dicom.reader import read_slice


def test_what_is_not_dicom_is_refused() -> None:
    plain = files.ct_file()
    assert refusal(b"").code == "empty_file"
    assert refusal(b"\x89PNG\r\n").code == "not_dicom"
    assert refusal(bytes(1000)).code == "not_dicom"
    assert refusal(plain[files.data_set_start(plain) :]).code == "no_file_meta"
    assert refusal(files.with_meta_replaced(plain, b"")).code == "no_file_meta"
    assert refusal(plain[:132]).code == "no_file_meta"


def test_a_file_that_does_not_name_its_transfer_syntax_is_refused() -> None:
    meta = files.meta_element(0x02, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0")
    assert refusal(files.with_meta_replaced(files.ct_file(), meta)).code == "no_transfer_syntax"


def test_a_dicomdir_is_refused_by_name() -> None:
    meta = files.meta_element(0x02, b"UI", b"1.2.840.10008.1.3.10") + files.meta_element(
        0x10, b"UI", b"1.2.840.10008.1.2.1\0"
    )
    refused = refusal(files.with_meta_replaced(files.ct_file(), meta))
    assert (refused.code, "DICOMDIR" in refused.message) == ("dicomdir", True)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.102"])
def test_an_unsupported_transfer_syntax_is_named(syntax: str) -> None:
    refused = refusal(files.with_meta_replaced(files.ct_file(), files.meta_element(0x10, b"UI", syntax.encode())))
    assert refused.code == "transfer_syntax"
    assert syntax in refused.message


def test_a_deflate_bomb_is_refused_above_the_limit() -> None:
    bomb = files.deflated_file(bytes(header.INFLATED_LIMIT + 1))
    assert len(bomb) < 200_000
    assert refusal(bomb).code == "inflated_size"


def test_a_deflated_file_that_was_cut_is_refused() -> None:
    assert refusal(files.ct_file(syntax=files.DEFLATED)[:-40]).code == "inflated_size"


@pytest.mark.parametrize("depth", [500, 50_000])
def test_sequences_nested_too_deeply_are_refused(depth: int) -> None:
    data = files.ct_file()
    start = files.data_set_start(data)
    assert refusal(data[:start] + files.nested_sequences(depth) + data[start:]).code == "nested_sequences"


def test_sequences_nested_moderately_are_read() -> None:
    data = files.ct_file()
    start = files.data_set_start(data)
    assert read_slice(data[:start] + files.nested_sequences(20) + data[start:]).flags == ()


def test_a_header_of_endless_items_is_refused() -> None:
    data = files.ct_file()
    start = files.data_set_start(data)
    items = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * 200_000
    assert refusal(data[:start] + items + data[start:]).code == "header_size"


def test_a_character_set_of_endless_length_is_refused() -> None:
    data = files.ct_file()
    start = files.data_set_start(data)
    element = b"\x08\x00\x05\x00UT\x00\x00" + struct.pack("<L", 100_000) + b"\\" * 100_000
    assert refusal(data[:start] + element + data[start:]).code == "header_size"
