"""Label files as people have them, and what becomes of each: `FILES` is meant to be read aloud."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from hounsfield.core.errors import BadInput, HounsfieldError, MissingInput, WrongUse
from hounsfield.core.intake import label_tables as module
from hounsfield.core.intake.label_cells import cells_of, read_cells
from hounsfield.core.intake.label_tables import LabelTable, label_table

UID = "1.2.840.1.77"
PLAIN = "image,stroke,mass\na.dcm,1,0\nb.dcm,0,1\n"


class File(NamedTuple):
    """A label file, how it is read, and what it is read as (key, names and rows) or refused with."""

    what: str
    content: str | bytes
    options: dict[str, Any]
    key: str | type[HounsfieldError]  # what a row is of; or the error
    rows: dict[str, list[float | None]] | str  # labels by key; or a part of the message


def parquet(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


TWO: dict[str, list[float | None]] = {"a.dcm": [1, 0], "b.dcm": [0, 1]}
FILES = [
    # ---- read
    File("commas", PLAIN, {}, "file", TWO),
    File("a byte-order mark and Windows' line ends", "\ufeff" + PLAIN.replace("\n", "\r\n"), {}, "file", TWO),
    File("old Macintosh line ends", PLAIN.replace("\n", "\r"), {}, "file", TWO),
    File("semicolons, as Excel writes in half of Europe", PLAIN.replace(",", ";"), {}, "file", TWO),
    File("tabs", PLAIN.replace(",", "\t"), {}, "file", TWO),
    File("with the numbers of rows that pandas writes", ",image,stroke\n0,a.dcm,1\n1,b.dcm,0\n", {}, "file",
         {"a.dcm": [1], "b.dcm": [0]}),
    File("Excel's Unicode text", PLAIN.replace(",", "\t").encode("utf-16"), {}, "file", TWO),
    File("a first line that tells Excel the delimiter", "sep=;\n" + PLAIN.replace(",", ";"), {}, "file", TWO),
    File("quotes around everything", '"image","stroke","mass"\n"a.dcm","1","0"\n"b.dcm","0","1"\n', {}, "file", TWO),
    File("a quoted name with a comma", 'image,stroke\n"a, b.dcm",1\n', {}, "file", {"a, b.dcm": [1]}),
    File("identifiers kept as text by a formula", f'SOPInstanceUID,stroke\n="{UID}",1\n', {}, "instance", {UID: [1]}),
    File("Parquet of whole numbers", parquet(path=["a.dcm", "b.dcm"], stroke=[1, 0], mass=[0, 1]), {}, "file", TWO),
    File("Parquet of truth and nothing", parquet(path=["a", "b"], stroke=[True, None]), {}, "file",
         {"a": [1], "b": [None]}),
    File("true and false in any case", "file,stroke\na,TRUE\nb,False\n", {}, "file", {"a": [1], "b": [0]}),
    File("yes and no", "file name,stroke\na,yes\nb,No\n", {}, "file", {"a": [1], "b": [0]}),
    File("1.0 and 0.0", "image,stroke\na,1.0\nb,0.0\n", {}, "file", {"a": [1], "b": [0]}),
    File("blanks are unknown", "image,stroke,mass\na,1,\nb,,0\n", {}, "file", {"a": [1, None], "b": [None, 0]}),
    File("probabilities, where soft labels are asked for", "image,stroke\na,0.8\nb,0\n", {"soft": True}, "file",
         {"a": [0.8], "b": [0]}),
    File("probabilities with a decimal comma", "image;stroke\na;0,8\nb;0\n", {"soft": True}, "file",
         {"a": [0.8], "b": [0]}),
    File("series by their UID", f"SeriesInstanceUID,stroke\n{UID},1\n", {}, "series", {UID: [1]}),
    File("studies by their UID, spelt otherwise", f"study_instance_uid,stroke\n{UID},1\n", {}, "study", {UID: [1]}),
    File("the most exact of several names counts", f"StudyInstanceUID,image,stroke\n{UID},a,1\n", {}, "file",
         {"a": [1]}),
    File("one class alone", "image,any\na,1\nb,0\n", {}, "file", {"a": [1], "b": [0]}),
    File("columns that are no labels, left out by --classes", "image,age,stroke\na,63,1\n", {"classes": ["stroke"]},
         "file", {"a": [1]}),
    File("rows that repeat count once", PLAIN + "a.dcm,1,0\n", {}, "file", TWO),
    File("empty rows and empty columns at the end", "image,stroke,,\na,1,,\n,,,\n\n", {}, "file", {"a": [1]}),
    File("a class without a positive row, said in the log", "image,stroke,mass\na,1,0\n", {}, "file", {"a": [1, 0]}),
    # ---- refused
    File("no file", b"", {}, BadInput, "nothing in it"),
    File("a header alone", "image,stroke\n", {}, BadInput, "no rows"),
    File("no column that says what a row is of", "name,stroke\na,1\n", {}, BadInput, "no column says"),
    File("labels by patient", "PatientID,stroke\n7,1\n", {}, BadInput, "by patient say of no slice"),
    File("two columns that name files", "image,path,stroke\na,a,1\n", {}, BadInput, "image, path all name the file"),
    File("no class", "image\na\n", {}, BadInput, "only column"),
    File("a column that is no label", "image,age,stroke\na,63,1\n", {}, BadInput, "--classes"),
    File("a word that is no label", "image,stroke\na,1\nb,maybe\n", {}, BadInput, "line 3."),
    File("minus one for uncertain", "image,stroke\na,1\nb,-1\n", {}, BadInput, "line 3."),
    File("probabilities unasked for", "image,stroke\na,0.8\n", {}, BadInput, "--soft-labels"),
    File("the same name with two labels", PLAIN + "a.dcm,0,0\n", {}, BadInput, "lines 2, 4."),
    File("any = 0 beside a positive class", "image,stroke,any\na,1,0\nb,1,1\n", {}, BadInput, "line 2 (a)."),
    File("the same by another name for any", "image,stroke,bleed\na,1,0\nb,1,1\n", {"any_of": "bleed"}, BadInput,
         "line 2 (a)."),
    File("no positive row at all", "image,stroke\na,0\nb,0\n", {}, BadInput, "no row is positive"),
    File("a row without a name", "image,stroke\na,1\n,0\n", {}, BadInput, "line 3."),
    File("cells beyond the header", "image,stroke\na,1,1\n", {}, BadInput, "more cells"),
    File("a column twice", "image,stroke,stroke\na,1,0\n", {}, BadInput, "stand twice: stroke"),
    File("a class that cannot name a column", "image,../x\na,1\n", {}, BadInput, "cannot name a class"),
    File("a class called like a column of the slices", "image,fold\na,1\n", {"reserved": {"fold"}}, BadInput,
         "'fold' cannot name a class"),
    File("--classes that are not there", PLAIN, {"classes": ["tumour"]}, WrongUse, "no column tumour"),
    File("--any-of that is not there", PLAIN, {"any_of": "tumour"}, WrongUse, "tumour"),
    File("a quote that never ends", 'image,stroke\n"a,1\n', {}, BadInput, "line 2"),
    File("an Excel workbook", b"PK\x03\x04 and more", {}, BadInput, "Excel workbook"),
    File("a table packed with gzip", gzip.compress(PLAIN.encode()), {}, BadInput, "gzip"),
    File("text in an old code page", "image,stroke\nSch\xe4del,1\n".encode("latin-1"), {}, BadInput, "UTF-8"),
    File("a picture", b"image,stroke\n\0\0\0,1\n", {}, BadInput, "zero bytes"),
    File("a damaged Parquet file", parquet(path=["a"], stroke=[1])[:60], {}, BadInput, "Parquet"),
]  # fmt: skip


def table_in(path: Path, **options: Any) -> LabelTable:
    return label_table(read_cells(path), str(path), **options)


@pytest.mark.parametrize("file", FILES, ids=[file.what for file in FILES])
def test_a_label_file_is_read_as_it_is_meant_or_refused_with_the_reason(file: File, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(file.content if isinstance(file.content, bytes) else file.content.encode())
    if isinstance(file.rows, str):
        assert isinstance(file.key, type)
        with pytest.raises(file.key) as caught:
            table_in(path, **file.options)
        assert caught.value.exit_code == 2
        assert str(path) in str(caught.value)
        assert file.rows in str(caught.value)
        return
    table = table_in(path, **file.options)
    assert table.key == file.key
    found = dict(zip(table.keys.tolist(), table.values.to_numpy(), strict=True))
    assert found.keys() == file.rows.keys()
    for name, labels in file.rows.items():
        np.testing.assert_array_equal(found[name], np.array(labels, np.float64))


def test_at_least_twenty_five_label_files_are_tried_and_both_kinds_are_among_them() -> None:
    kinds = [isinstance(file.rows, str) for file in FILES]
    assert len(kinds) >= 25
    assert kinds.count(True) >= 10 <= kinds.count(False)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"none\.csv"):
        table_in(tmp_path / "none.csv")


def test_only_the_first_ten_bad_rows_are_listed_and_no_identifier_is_told(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("SOPInstanceUID,stroke\n" + "".join(f"{UID}.{n},x\n" for n in range(30)))
    with pytest.raises(BadInput, match=r"30 values .* 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\. ") as caught:
        table_in(path)
    assert UID not in str(caught.value)


def test_the_same_table_in_another_form_has_the_same_digest_and_another_label_another_one(tmp_path: Path) -> None:
    digests = []
    for number, text in enumerate((PLAIN, PLAIN.replace(",", ";"), PLAIN.replace("b.dcm,0", "b.dcm,1"))):
        path = tmp_path / f"{number}.csv"
        path.write_text(text)
        digests.append(table_in(path).digest())
    assert digests[0] == digests[1] != digests[2]


def test_of_several_columns_that_say_what_a_row_is_of_the_one_that_is_used_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module.logger, "info", lambda form, *facts: said.append(form % facts))
    cells = cells_of(b"StudyInstanceUID,SeriesInstanceUID,stroke\n1.2,1.2.3,1\n", "t.csv")
    assert label_table(cells, "t.csv").key == "series"
    assert said == ["t.csv: each row is of the series in column SeriesInstanceUID; not used: StudyInstanceUID"]
