"""The architecture, held by tests: which way imports run, who reads arguments, and which calls nobody may make.

Each rule is a function of a folder laid out like scripts/, so that violations written on purpose show that it works.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = REPOSITORY / "scripts"
LIBRARY = "hounsfield"
ENTRY = Path(LIBRARY, "core", "stages", "command.py")  # parses for every program
Rule = Callable[[Path], list[str]]

# Calls that run code from data or from a shell.
FORBIDDEN = {
    "eval", "exec", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
    "marshal.load", "marshal.loads", "shelve.open",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cloudpickle.load", "cloudpickle.loads", "joblib.load",
    "dill.load", "dill.loads", "pandas.read_pickle", "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load",
}  # fmt: skip
# Calls that are allowed with this argument only, or forbidden with it.
REQUIRED_ARGUMENT = {"torch.load": ("weights_only", True)}
FORBIDDEN_ARGUMENTS = ("allow_pickle", "shell")
# What tells a program from the rest: arguments and the environment.
READS_ARGUMENTS = {
    "sys.argv", "os.environ", "os.environb", "os.getenv",
    "argparse.ArgumentParser", "jsonargparse.ArgumentParser", "jsonargparse.CLI", "jsonargparse.auto_cli",
}  # fmt: skip


def modules(scripts: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file below `scripts`, by its path there."""
    for path in sorted(scripts.rglob("*.py")):
        yield path.relative_to(scripts), ast.parse(path.read_text(), filename=str(path))


def imports(module: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that a module imports; relative imports are resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = list(module.parts[: len(module.parts) - node.level]) if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def layer(dotted: str) -> str:
    """The part of the library that a dotted name belongs to: core, competitions, a system; "" outside the library."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == LIBRARY and len(parts) > 1 else ""


def names_used(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every name or attribute that is used, under the full name by which it was imported."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.module:
            known.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            yield node, known.get(first, first) + dot + rest


def forbidden_imports(scripts: Path, forbidden: Callable[[str, str], bool]) -> list[str]:
    """Imports between parts of the library that `forbidden(part, imported part)` does not allow."""
    found = []
    for module, tree in modules(scripts):
        own = layer(".".join(module.with_suffix("").parts))
        for line, name in imports(module, tree):
            if own and layer(name) and forbidden(own, layer(name)):
                found.append(f"{module}:{line}: {own} imports {name}")
    return found


def core_imports_something_else(scripts: Path) -> list[str]:
    return forbidden_imports(scripts, lambda own, other: own == "core" and other != "core")


def competitions_import_a_system(scripts: Path) -> list[str]:
    return forbidden_imports(scripts, lambda own, other: own == "competitions" and other not in ("core", own))


def system_imports_another_system(scripts: Path) -> list[str]:
    parts = ("core", "competitions")
    return forbidden_imports(scripts, lambda own, other: own not in parts and other not in (*parts, own))


def library_imports_a_program(scripts: Path) -> list[str]:
    programs = {path.stem for path in scripts.glob("*.py")}
    return [
        f"{module}:{line}: imports the program {name.split('.')[0]}"
        for module, tree in modules(scripts)
        if len(module.parts) > 1
        for line, name in imports(module, tree)
        if name.split(".")[0] in programs
    ]


def library_reads_arguments_or_environment(scripts: Path) -> list[str]:
    found = []
    for module, tree in modules(scripts):
        if len(module.parts) == 1 or module == ENTRY:
            continue
        called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node, name in names_used(tree):
            # a parser may be handed over to be added to, so only making one counts
            if name in READS_ARGUMENTS and (node in called or not name.endswith("ArgumentParser")):
                found.append(f"{module}:{node.lineno}: uses {name}")
    return found


def unsafe_calls(scripts: Path) -> list[str]:
    found = []
    for module, tree in modules(scripts):
        names = dict(names_used(tree))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = names.get(node.func, "")
            values = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            required, value = REQUIRED_ARGUMENT.get(name, ("", None))
            forbidden = [word for word in FORBIDDEN_ARGUMENTS if values.get(word, False) is not False]
            if name in FORBIDDEN or forbidden or (required and values.get(required) is not value):
                found.append(f"{module}:{node.lineno}: {ast.unparse(node)[:80]}")
    return found


def test_core_imports_no_system_and_no_competition() -> None:
    assert core_imports_something_else(SCRIPTS) == []


def test_competitions_import_no_system() -> None:
    assert competitions_import_a_system(SCRIPTS) == []


def test_no_system_imports_another_system() -> None:
    assert system_imports_another_system(SCRIPTS) == []


def test_no_library_module_imports_a_program() -> None:
    assert library_imports_a_program(SCRIPTS) == []


def test_only_programs_read_arguments_and_the_environment() -> None:
    assert library_reads_arguments_or_environment(SCRIPTS) == []


def test_nothing_runs_code_from_data_or_through_a_shell() -> None:
    assert unsafe_calls(SCRIPTS) == []


@pytest.mark.skipif(shutil.which("dash") is None, reason="dash is not installed")
@pytest.mark.parametrize("stage", sorted((REPOSITORY / "bin").rglob("*.s[hb]*")), ids=lambda path: path.name)
def test_every_stage_is_posix_shell(stage: Path) -> None:
    checked = subprocess.run(["dash", "-n", str(stage)], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


VIOLATIONS: list[tuple[Rule, str, str]] = [
    (core_imports_something_else, "core/a.py", "from hounsfield.hemorrhage import config"),
    (core_imports_something_else, "core/a.py", "def f():\n    import hounsfield.competitions.rsna2019"),
    (core_imports_something_else, "core/a.py", "from hounsfield import spine"),
    (core_imports_something_else, "core/deep/a.py", "from ...stacking import folds"),
    (competitions_import_a_system, "competitions/rsna2019/a.py", "from hounsfield.hemorrhage.paths import x"),
    (system_imports_another_system, "spine/a.py", "import hounsfield.hemorrhage.paths as p"),
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
    (unsafe_calls, "../program.py", "import subprocess\nsubprocess.run(c, shell=True)"),
    (unsafe_calls, "../program.py", "from subprocess import getoutput\ngetoutput(c)"),
]


@pytest.mark.parametrize(("rule", "file", "content"), VIOLATIONS)
def test_each_rule_sees_its_violation(tmp_path: Path, rule: Rule, file: str, content: str) -> None:
    (tmp_path / "program.py").write_text("")
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
