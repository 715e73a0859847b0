"""What a person is told who has mistyped something on a command line or in a YAML: one line, exit code 2, at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.stages.mistakes import OneLineParser, other_system
from programs import REPOSITORY, run_program

CONFIGS = REPOSITORY / "configs"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "WORK", "DATA_SET", "FOLDS"):
        monkeypatch.delenv(name, raising=False)


def refusal(program: str, *arguments: object) -> str:
    with pytest.raises(WrongUse) as refused:
        run_program(program, *arguments)
    assert refused.value.exit_code == 2
    return str(refused.value)


WRONG_VALUES = [
    ("rsna2019_prepare", "prepare.fold_count", "0"),
    ("rsna2019_prepare", "prepare.fold_count", "-1"),
    ("rsna2019_prepare", "prepare.bad_share", "1.5"),
    ("hemorrhage_train_classifier", "classifier.size", "0"),
    ("hemorrhage_train_classifier", "classifier.epochs", "0"),
    ("hemorrhage_train_classifier", "classifier.batch_size", "-4"),
    ("hemorrhage_train_classifier", "classifier.learning_rate", "0"),
    ("hemorrhage_train_classifier", "classifier.workers", "-1"),
    ("hemorrhage_train_classifier", "classifier.steps_per_epoch", "0"),
    ("hemorrhage_train_classifier", "threads", "0"),
    ("hemorrhage_extract_embeddings", "embedding.epochs", "[0, -1]"),
    ("hemorrhage_extract_embeddings", "embedding.batch_size", "0"),
    ("hemorrhage_train_sequence", "sequence.hidden_units", "0"),
    ("stacking_data", "data.fold_count", "0"),
    ("stacking_train", "training.batch_size", "0"),
    ("stacking_predict", "prediction.passes", "0"),
    ("stacking_second_level", "second_level.lightgbm.rounds", "0"),
    ("stacking_second_level", "second_level.lightgbm.num_leaves", "1"),
    ("stacking_second_level", "second_level.catboost.depth", "0"),
    ("stacking_train", "training.learning_rate_steps", "[0]"),
    ("siim2019_prepare", "prepare.bad_share", "-1"),
    ("siim2019_prepare", "prepare.fold_seed", "-1"),
    ("hemorrhage_train_classifier", "seed", "-1"),
    ("hemorrhage_train_classifier", "threads", "9999999"),
    ("hemorrhage_train_classifier", "classifier.workers", "1025"),
    ("hemorrhage_train_classifier", "classifier.batch_size", "99999999999999999999"),
    ("stacking_train", "threads", "1025"),
    ("spine_boxes", "threads", "1025"),
    ("pneumothorax_train", "training.workers", "1025"),
]


@pytest.mark.parametrize(("program", "field", "value"), WRONG_VALUES)
def test_a_value_out_of_its_range_is_refused_in_a_line_that_names_it(program: str, field: str, value: str) -> None:
    said = refusal(program, f"--{field}", value)
    assert field in said and "give a number" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("field", "value"), [("classifier.batch_size", "1.5"), ("classifier.epochs", "nan"), ("threads", "x")]
)
def test_a_value_that_is_no_whole_number_is_refused_in_a_line_that_names_where_it_stands(
    tmp_path: Path, field: str, value: str
) -> None:
    path = tmp_path / "mine.yaml"
    part, _, name = field.rpartition(".")
    path.write_text(f"{part}: {{{name}: {value}}}\n" if part else f"{name}: {value}\n")
    fact = f"{field} {value}: give a whole number"
    assert refusal("hemorrhage_train_classifier", f"--{field}={value}") == f"--{fact}"
    assert refusal("hemorrhage_train_classifier", "--config", path) == f"{path}: {fact}"


def test_a_value_out_of_its_range_is_refused_in_a_list_of_networks(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    network = "{name: a, backbone: test_resnet, size: 0, seed: 1, hu_noise: 0, hu_noise_predicting: 0}"
    path.write_text(f"networks: [{network}]\n")
    assert "networks.size 0: give a number from 1" in refusal("stacking_train", "--config", path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--classifier.epochz", "1"), ("--classifier.epochz", "--classifier.epochs")),
        (("--jobs", "2"), ("--jobs", "no such option")),
        (("--classifier.epochs", "many"), ("classifier.epochs", "many")),
        (("--embedding.epochs", "[x]"), ("embedding.epochs", "x")),
    ],
)
def test_a_mistyped_option_is_one_line_with_the_nearest_name(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said = refusal("hemorrhage_train_classifier", *arguments)
    assert all(word in said for word in words)
    assert "\n" not in said


def test_a_mistyped_key_of_a_yaml_is_one_line_with_the_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("clasifier: {epochs: 2}\n")
    said = refusal("hemorrhage_train_classifier", "--config", path)
    assert str(path) in said and "classifier.epochs" in said and "\n" not in said


@pytest.mark.parametrize("system", ["hemorrhage", "stacking"])
def test_a_configuration_of_another_system_is_named_with_its_stages(system: str) -> None:
    program = {"stacking": "hemorrhage_train_classifier", "hemorrhage": "stacking_train"}[system]
    stages = {"stacking": "run_41_stacking_data.sh", "hemorrhage": "run_12_trainfull_imgclassifier.sh"}[system]
    for path in sorted((CONFIGS / system).glob("*.yaml")):
        said = refusal(program, "--config", path)
        assert f"a configuration of the {system} system" in said and stages in said


def test_a_persons_own_configuration_of_another_system_is_known_by_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data_set: own\nsecond_level: {neighbours: 3}\n")
    assert "a configuration of the stacking system" in refusal("hemorrhage_train_classifier", "--config", path)
    path.write_text("data_set: own\n")
    assert other_system(path, "hemorrhage", REPOSITORY) == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"- a\n", b"a: [\n", b"data_set: caf\xe9\n", b"just words\n"],
    ids=["empty", "list", "cut", "latin-1", "words"],
)
def test_a_file_that_is_no_configuration_is_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    said = refusal("hemorrhage_train_classifier", "--config", path)
    assert str(path) in said and "\n" not in said


@pytest.mark.parametrize(
    ("program", "words"),
    [("hemorrhage_train_classifier", []), ("predict_study", ["ward"]), ("report", []), ("view_study", ["ward"])],
)
def test_a_folder_in_the_place_of_a_configuration_is_called_one(program: str, words: list[str]) -> None:
    said = refusal(program, *words, "--config", CONFIGS / "hemorrhage")
    assert f"{CONFIGS / 'hemorrhage'}: is a folder" in said


@pytest.mark.parametrize(
    ("program", "words", "fact"),
    [
        ("view_study", ["--run", "checkpoints/hemorrhage/one"], "the following arguments are required: study"),
        ("report", ["--mistyped"], "unrecognized arguments: --mistyped"),
        ("ledger", [], "the following arguments are required: run"),
        ("predict_study", ["ward", "--run"], "expected one argument"),
        ("bagged_submission", ["--weights", "much"], "invalid float value: 'much'"),
    ],
)
def test_a_program_without_a_configuration_of_its_own_says_a_mistake_in_a_line(
    program: str, words: list[str], fact: str
) -> None:
    said = refusal(program, *words)
    assert fact in said and "\n" not in said and "usage" not in said


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml", "mine"])
def test_a_configuration_may_have_any_suffix_a_byte_order_mark_and_windows_line_ends(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbfdata_set: own\r\nclassifier: {epochs: 2}\r\n")
    with pytest.raises(SystemExit) as shown:
        run_program("hemorrhage_train_classifier", "--config", path, "--help")
    assert shown.value.code == 0


def test_a_misspelt_backbone_is_refused_before_any_data_are_read_with_the_nearest_and_how_to_list_them() -> None:
    said = refusal("hemorrhage_train_classifier", "--work", "/nowhere", "--classifier.backbone", "resnext101_32x8")
    assert "nearest by spelling: resnext101_32x8d" in said and "--list-backbones" in said


def test_a_backbone_of_one_size_alone_is_refused_at_another(capsys: pytest.CaptureFixture[str]) -> None:
    vit = ("--work", "/nowhere", "--classifier.backbone", "vit_base_patch16_224")
    assert "takes 224 x 224 pixels alone, and size is 480" in refusal("hemorrhage_train_classifier", *vit)
    with pytest.raises(MissingInput):  # it goes on to the data
        run_program("hemorrhage_train_classifier", *vit, "--classifier.size", "224")


@pytest.mark.parametrize("program", ["hemorrhage_train_classifier", "stacking_train"])
def test_backbones_are_listed_by_a_pattern(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_program(program, "--list-backbones", "test_res*")
    assert capsys.readouterr().out.split() == ["test_resnet"]
    assert "timm has no such network" in refusal(program, "--list-backbones", "nothing_like_it")


def test_a_typo_costs_a_second_and_not_seven() -> None:
    """By the processor's time, which other work on the machine does not change; the clock is only held to be sane."""
    program = REPOSITORY / "scripts" / "hemorrhage_train_classifier.py"
    code = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(done.returncode, used.ru_utime + used.ru_stime)"
    )
    command = [sys.executable, str(program), "--classifier.epochz", "1"]
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    status, seconds = done.stdout.split()
    assert status == "2"
    assert float(seconds) < 1.5
    assert time.monotonic() - begin < 60


@pytest.mark.parametrize("words", [["--run", "a", "--run", "b"], ["--run=a", "--run", "a"]])
def test_an_option_of_one_value_that_is_given_twice_is_refused(words: list[str]) -> None:
    parser = OneLineParser()
    parser.add_argument("--run")
    parser.add_argument("--many", action="append")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("paths", nargs="*")
    with pytest.raises(WrongUse, match=r"^--run is given twice"):
        parser.parse_args(words)
    found = parser.parse_args(["--many", "a", "--many", "b", "--force", "--force", "--run", "c", "--", "--run"])
    assert (found.many, found.run, found.paths) == (["a", "b"], "c", ["--run"])
