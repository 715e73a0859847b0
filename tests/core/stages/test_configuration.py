"""Configurations: read, overridden, saved, and refused where they are mistyped, mean two things or name code."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from trial_commands import parse_with, without_variables, write_trial

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.configuration import save_config


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    without_variables(monkeypatch)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_trial(tmp_path / "trial.yaml")


def test_every_field_can_be_overridden_on_the_command_line(config: Path) -> None:
    read = parse_with(config, "--classifier.epochs", "7", "--sequence.packed", "false")
    assert (read.data_set, read.classifier.epochs, read.sequence.packed) == ("own", 7, False)
    assert read.classifier.mean == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("classifier: {epoch: 2}", "epoch"),
        ("clasifier: {epochs: 2}", "clasifier"),
        ("classifier: {epochs: many}", "classifier.epochs"),
        ("classifier: {precision: fp8}", "classifier.precision"),
        ("embedding: {views: [vflip]}", "embedding.views"),
    ],
)
def test_an_unknown_or_mistyped_key_is_an_error_naming_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(WrongUse, match=rf"wrong\.yaml(.|\n)*{key}"):
        parse_with(path)


@pytest.mark.parametrize(
    "text",
    [
        'classifier: !!python/object/apply:os.system ["touch TOUCHED"]',
        "classifier: {class_path: pathlib.Path.touch, init_args: {self: TOUCHED}}",
        "class_path: subprocess.Popen",
    ],
)
def test_a_configuration_cannot_name_code_to_run(tmp_path: Path, text: str) -> None:
    path, touched = tmp_path / "evil.yaml", tmp_path / "touched"
    path.write_text(text.replace("TOUCHED", str(touched)))
    with pytest.raises(WrongUse, match="evil"):
        parse_with(path)
    assert not touched.exists()


NINE_FOLD = "".join(f"x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 9)}]\n" for level in range(1, 12))


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (f"x0: &x0 [1]\n{NINE_FOLD}".encode(), r"line 2: the reference \*x0 is not followed"),
        (b"data_set: own\nx: &x {y: *x}\n", r"line 2: the reference \*x is not followed"),
        (b"data_set: own\nseed: 1\ndata_set: other\n", "data_set stands twice, in lines 1 and 3; leave one"),
        (b"classifier: {epochs: 2, size: 64, epochs: 3}\n", "epochs stands twice, in lines 1 and 1"),
        (b"folds: [{a: 1, a: 2}]\n", "a stands twice"),
        (b"classifier:\n\tepochs: 2\n", r"indent with blanks, not with tabs, line 2"),
        (b"data_set: own\n---\ndata_set: other\n", "another document, line 2"),
        (b"data_set: [own\n", "is not readable YAML"),
        (b"# a comment\n", "holds nothing; write lines such as"),
        (b"just words\n", "holds no names with values"),
        (b"data_set: \xff\n", r"no text in UTF-8 \(byte 10\)"),
        (b"classifier: " + b"[" * 20_000, "is nested too deeply"),
        (b"data_set: own\n#" + b"x" * 1_000_000, "has 1000015 bytes"),
        (
            b'data_set: own\nseed: !!python/object/apply:os.system ["true"]\n',
            "line 2: python/object.* is no plain value",
        ),
        (b"data_set: own\n!!python/none x: 1\n", "line 2: python/none is no plain value"),
        (b"data_set: !mine own\n", "line 1: !mine is no plain value"),
        (b"data_set: 2019-11-12\n", "line 1: timestamp is no plain value; .* quotes"),
        (b"classifier: {learning_rate: .nan}\n", "line 1: .nan is no number to compute with"),
        (b"classifier: {learning_rate: -.INF}\n", "line 1: -.INF is no number to compute with"),
    ],
)
def test_yaml_that_would_hang_or_mean_something_else_is_refused_at_once_with_its_line(
    tmp_path: Path, content: bytes, fact: str
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(WrongUse, match=rf"odd\.yaml.*({fact})"):
        parse_with(path)


def test_yaml_as_an_editor_for_windows_writes_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbfdata_set: own\r\nclassifier: {epochs: 2}\r\n")
    assert parse_with(path).classifier.epochs == 2


def test_the_saved_configuration_reads_back_the_same(config: Path, tmp_path: Path) -> None:
    read = parse_with(config, "--sequence.epochs", "3")
    save_config(tmp_path / "again.yaml", read)
    assert parse_with(tmp_path / "again.yaml") == read


def test_every_published_configuration_is_valid() -> None:
    for path in sorted((Path(__file__).parents[3] / "configs" / "hemorrhage").glob("*.yaml")):
        assert parse_with(path, "--config", str(path)).data_set == yaml.safe_load(path.read_text())["data_set"]
