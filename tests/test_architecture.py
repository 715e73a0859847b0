"""The architecture, held by tests: the rules of architecture.py, on this repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from architecture import (
    REPOSITORY,
    SCRIPTS,
    TESTS,
    competitions_import_a_system,
    core_imports_something_else,
    core_knows_a_word_of_a_system,
    files_too_long,
    functions_too_long,
    large_libraries_imported_before_parsing,
    library_imports_a_program,
    library_reads_arguments_or_environment,
    lines_that_stand_twice,
    program_knows_several_systems,
    programs_too_long,
    reader_imports_more_than_core,
    system_imports_another_system,
    systems_that_decode_files_themselves,
    unsafe_calls,
    words_to_replace,
)


def test_core_imports_no_system_and_no_competition() -> None:
    assert core_imports_something_else(SCRIPTS) == []


def test_competitions_import_no_system() -> None:
    assert competitions_import_a_system(SCRIPTS) == []


def test_no_system_imports_another_system() -> None:
    assert system_imports_another_system(SCRIPTS) == []


def test_report_and_viewer_import_core_alone() -> None:
    assert reader_imports_more_than_core(SCRIPTS) == []


def test_only_the_programs_for_every_system_know_several() -> None:
    assert program_knows_several_systems(SCRIPTS) == []


def test_core_knows_no_word_of_a_system() -> None:
    assert core_knows_a_word_of_a_system(SCRIPTS) == []


def test_words_are_those_of_the_field() -> None:
    assert words_to_replace(SCRIPTS) == []


def test_a_program_is_one_page() -> None:
    assert programs_too_long(SCRIPTS) == []


@pytest.mark.parametrize("folder", [SCRIPTS, TESTS], ids=lambda folder: folder.name)
def test_a_file_is_one_room_and_a_function_can_be_taken_in_at_a_glance(folder: Path) -> None:
    assert files_too_long(folder) == []
    assert functions_too_long(folder) == []


def test_no_six_lines_stand_twice() -> None:
    assert lines_that_stand_twice(SCRIPTS) == []


def test_no_library_module_imports_a_program() -> None:
    assert library_imports_a_program(SCRIPTS) == []


def test_only_programs_read_arguments_and_the_environment() -> None:
    assert library_reads_arguments_or_environment(SCRIPTS) == []


def test_nothing_runs_code_from_data_or_through_a_shell() -> None:
    assert unsafe_calls(SCRIPTS) == []


def test_files_are_decoded_in_one_place_and_nothing_is_a_link_to_another_module() -> None:
    """Each published data set had a copy of the windowing and of the reader of its own, and a link to a link."""
    assert systems_that_decode_files_themselves(SCRIPTS) == []
    assert [path for path in SCRIPTS.rglob("*") if path.is_symlink()] == []


def test_a_mistyped_option_waits_for_no_large_library() -> None:
    assert large_libraries_imported_before_parsing(SCRIPTS) == []


@pytest.mark.skipif(shutil.which("dash") is None, reason="dash is not installed")
@pytest.mark.parametrize("stage", sorted((REPOSITORY / "bin").rglob("*.s[hb]*")), ids=lambda path: path.name)
def test_every_stage_is_posix_shell(stage: Path) -> None:
    checked = subprocess.run(["dash", "-n", str(stage)], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
