"""Each rule of the architecture sees violations written on purpose, and lets the harmless pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from architecture import (
    LIBRARY,
    Rule,
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

VIOLATIONS: list[tuple[Rule, str, str]] = [
    (core_imports_something_else, "core/a.py", "from hounsfield.hemorrhage import config"),
    (core_imports_something_else, "core/a.py", "def f():\n    import hounsfield.competitions.rsna2019"),
    (core_imports_something_else, "core/a.py", "from hounsfield import spine"),
    (core_imports_something_else, "core/deep/a.py", "from ...stacking import folds"),
    (competitions_import_a_system, "competitions/rsna2019/a.py", "from hounsfield.hemorrhage.paths import x"),
    (system_imports_another_system, "spine/a.py", "import hounsfield.hemorrhage.paths as p"),
    (reader_imports_more_than_core, "viewer/a.py", "from hounsfield.competitions.rsna2019 import paths"),
    (program_knows_several_systems, "../b.py", "from hounsfield.spine import a\nfrom hounsfield.stacking import c"),
    (program_knows_several_systems, "../b.py", "from hounsfield.systems import SYSTEMS"),
    (system_imports_another_system, "spine/a.py", "from hounsfield.systems import SYSTEMS"),
    (core_knows_a_word_of_a_system, "core/a.py", "REMEDY = 'sh bin/run_12_train.sh'"),
    (core_knows_a_word_of_a_system, "core/a.py", "# as the hemorrhage system wants it"),
    (words_to_replace, "spine/a.py", "BLOCK = 64"),
    (words_to_replace, "spine/a.py", '"""Six rows a slice."""'),
    (files_too_long, "spine/a.py", "x = 1\n" * 301),
    (programs_too_long, "../b.py", "x = 1\n" * 131),
    (functions_too_long, "spine/a.py", "class A:\n    def f(self):\n" + "        x = 1\n" * 60),
    (lines_that_stand_twice, "spine/a.py", "\n".join(f"n += {i}" for i in range(6))),
    (systems_that_decode_files_themselves, "spine/a.py", "from pydicom import dcmread"),
    (library_imports_a_program, "spine/a.py", "from program import main"),
    (library_reads_arguments_or_environment, "core/a.py", "import sys\nprint(sys.argv[1])"),
    (library_reads_arguments_or_environment, "core/a.py", "from os import environ as e\ne.get('HOME')"),
    (library_reads_arguments_or_environment, "core/a.py", "import os\nos.getenv('HOME')"),
    (library_reads_arguments_or_environment, "spine/a.py", "import argparse\nargparse.ArgumentParser()"),
    (library_reads_arguments_or_environment, "spine/a.py", "from jsonargparse import ArgumentParser as P\nP()"),
    (unsafe_calls, "core/a.py", "eval('1')"),
    (unsafe_calls, "core/a.py", "import pickle as p\np.load(f)"),
    (unsafe_calls, "core/a.py", "from pickle import loads\nloads(b)"),
    (unsafe_calls, "core/a.py", "import torch\ntorch.load(f)"),
    (unsafe_calls, "core/a.py", "import torch\ntorch.load(f, weights_only=False)"),
    (unsafe_calls, "core/a.py", "import yaml\nyaml.load(f, Loader=yaml.Loader)"),
    (unsafe_calls, "core/a.py", "import numpy as np\nnp.load(f, allow_pickle=True)"),
    (unsafe_calls, "core/a.py", "import numpy as np\nnp.load(f, allow_pickle=yes)"),
    (large_libraries_imported_before_parsing, "../program.py", "import numpy"),
    (unsafe_calls, "../program.py", "import subprocess\nsubprocess.run(c, shell=True)"),
    (unsafe_calls, "../program.py", "from subprocess import getoutput\ngetoutput(c)"),
]


@pytest.mark.parametrize(("rule", "file", "content"), VIOLATIONS)
def test_each_rule_sees_its_violation(tmp_path: Path, rule: Rule, file: str, content: str) -> None:
    (tmp_path / "program.py").write_text("def f(n):\n" + "".join(f"    n += {i}\n\n" for i in range(6)))
    path = tmp_path / LIBRARY / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert len(rule(tmp_path)) == 1


HARMLESS: list[tuple[Rule, str, str]] = [
    (
        core_imports_something_else,
        "core/a.py",
        "import numpy\nfrom hounsfield.core.a import x\nfrom . import y",
    ),
    (competitions_import_a_system, "competitions/a.py", "from hounsfield.core import x\nfrom .b import y"),
    (system_imports_another_system, "spine/a.py", "from hounsfield.competitions.a import x\nimport hounsfield.spine.b"),
    (program_knows_several_systems, "../predict_study.py", "import hounsfield.spine.a\nimport hounsfield.stacking.b"),
    (program_knows_several_systems, "../predict_study.py", "from hounsfield.systems import SYSTEMS"),
    (core_knows_a_word_of_a_system, "core/a.py", '"""Source: RSNA 2019, 2nd place."""'),
    (words_to_replace, "spine/a.py", '"""Probabilities of a slice; a row per slice; BLOCKS = 3."""'),
    (files_too_long, "spine/a.py", "x = 1\n" * 300),
    (programs_too_long, "../b.py", "x = 1\n" * 130),
    (functions_too_long, "spine/a.py", "def f():\n" + "    x = 1\n" * 59),
    (library_reads_arguments_or_environment, "../program.py", "import sys\nsys.argv"),
    (library_reads_arguments_or_environment, "core/a.py", "from argparse import ArgumentParser as P\ndef f(p: P): ..."),
    (unsafe_calls, "core/a.py", "import torch\nmodel.eval()\ntorch.load(f, weights_only=True)\nyaml.safe_load(f)"),
    (unsafe_calls, "core/a.py", "import numpy as np\nnp.load(f, allow_pickle=False)\nnp.load(f)"),
]


@pytest.mark.parametrize(("rule", "file", "content"), HARMLESS)
def test_each_rule_lets_the_harmless_pass(tmp_path: Path, rule: Rule, file: str, content: str) -> None:
    path = tmp_path / LIBRARY / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert rule(tmp_path) == []
