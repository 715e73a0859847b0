from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.stages.command import check_name, parse, run, save_config, stage_parser
from hounsfield.hemorrhage.config import HemorrhageConfig


def parse_with(path: Path, *argv: str) -> HemorrhageConfig:
    parser = stage_parser(HemorrhageConfig, "test", default_config=path)
    return parse(parser, HemorrhageConfig, default_config=path, argv=argv).config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text("data_set: own\nclassifier: {epochs: 2, mean: [0, 0.5, 1]}\n")
    return path


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


def test_the_saved_configuration_reads_back_the_same(config: Path, tmp_path: Path) -> None:
    read = parse_with(config, "--sequence.epochs", "3")
    save_config(tmp_path / "again.yaml", read)
    assert parse_with(tmp_path / "again.yaml") == read


def test_every_published_configuration_is_valid() -> None:
    for path in sorted((Path(__file__).parents[3] / "configs" / "hemorrhage").glob("*.yaml")):
        assert parse_with(path, "--config", str(path)).data_set == yaml.safe_load(path.read_text())["data_set"]


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 65, "a..b", "semi;colon"])
def test_a_name_that_would_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(WrongUse, match="cannot name a folder"):
        check_name(name, "data_set")


def test_a_missing_input_ends_the_stage_with_code_2_and_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise MissingInput("slices.parquet is missing")

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: slices.parquet is missing\n"
