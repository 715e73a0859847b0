"""The rules of the architecture: which way imports run, who reads arguments, which calls nobody may make.

Each is a function of a folder laid out like scripts/, and returns what breaks it there.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS, TESTS = REPOSITORY / "scripts", REPOSITORY / "tests"
LIBRARY = "hounsfield"
# what parses for every program, what ends it, and what joins the processes that torchrun started
ENTRIES = {
    Path(LIBRARY, "core", name)
    for name in ("stages/command.py", "stages/variables.py", "stages/exits.py", "training/devices.py")
}
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
        yield path.relative_to(scripts), parsed(path.read_text(), str(path))


@cache
def parsed(source: str, name: str) -> ast.Module:
    """A file's tree, which the rules read one after another and leave as it is."""
    return ast.parse(source, filename=name)


@cache
def nodes_of(tree: ast.Module) -> list[ast.AST]:
    """All nodes of a file, walked once for all rules."""
    return list(ast.walk(tree))


def imports(module: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that a module imports; relative imports are resolved."""
    for node in nodes_of(tree):
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
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            known.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.module:
            known.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in nodes_of(tree):
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


# The programs that know several systems.
KNOW_SEVERAL = {"predict_study.py", "view_study.py", "report.py", "bagged_submission.py"}
ALL_SYSTEMS = "systems"  # the module that names each
# Finished files are all that these read.
READERS = ("report", "viewer")
# Names of systems and competitions, of stages, and of their options, none of which core may know.
# (In capitals, SPINE is DICOM's name of a body part.)
WORDS_OF_SYSTEMS = re.compile(
    r"hemorrhage|stacking|pneumothorax|(?-i:\b[Ss]pine\b)|rsna2019|rsna2022|siim2019|run_\d\d|--classifier|--archive"
    r"|--images",
    re.IGNORECASE,
)
# Words that a reader had to read twice, and what stands instead of them.
WORDS = {
    r"written_whole": "atomic_write",
    r"neutralised": "escape_cell",
    r"refuse_deadly": "refusal_of_killed_file",
    r"\bvouch": "a file with a recorded result",
    r"hold out nothing": "trains on every patient",
    r"only the first speaks": "only rank 0 reports it",
    r"comes next is not begun": "the next fold is not started",
    r"to overwhelm": "looks like a zip bomb; refused",
    r"\bPASSING\b": "RETRYABLE",
    r"\bSEE\b": "VIEW_TRANSFORMS",
    r"\bPLACING\b": "ORDERING_COLUMNS",
    r"class (Recipe|Case|Run)\b": "Provenance, SecondLevelData, SequenceRun or BoosterRun",
    r"^BLOCK\b": "the unit in the name: ROWS_PER_READ",
    r"\b(row|slice|image|model|probabilitie|file|one|process|line)s? an? "
    r"(second|slice|image|study|class|fold|node|core|gpu|run|patient|file|line|row)\b": "per",
}
LONGEST_FILE, LONGEST_PROGRAM, LONGEST_FUNCTION = 300, 130, 60  # lines
LINES_TWICE = 6  # in a row, in two files: something that wants a place of its own


def program_knows_several_systems(scripts: Path) -> list[str]:
    found = []
    for module, tree in modules(scripts):
        systems = {layer(name) for _, name in imports(module, tree)} - {"", "core", "competitions", *READERS}
        several = len(systems) > 1 or ALL_SYSTEMS in systems
        if len(module.parts) == 1 and module.name not in KNOW_SEVERAL and several:
            found.append(f"{module}: knows {', '.join(sorted(systems))}")
    return found


def reader_imports_more_than_core(scripts: Path) -> list[str]:
    return forbidden_imports(scripts, lambda own, other: own in READERS and other not in ("core", own))


def core_knows_a_word_of_a_system(scripts: Path) -> list[str]:
    return [
        f"{path.relative_to(scripts)}:{number}: {line.strip()}"
        for path in sorted((scripts / LIBRARY / "core").rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if WORDS_OF_SYSTEMS.search(line)
    ]


def words_to_replace(scripts: Path) -> list[str]:
    return [
        f"{path.relative_to(scripts)}:{number}: {instead!r} instead of: {line.strip()}"
        for path in sorted(scripts.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for word, instead in WORDS.items()
        if re.search(word, line)
    ]


def longer_than(limit: int, paths: Iterable[Path]) -> list[str]:
    lines = {path: len(path.read_text().splitlines()) for path in sorted(paths)}
    return [f"{path}: {count} lines" for path, count in lines.items() if count > limit]


def files_too_long(folder: Path) -> list[str]:
    return longer_than(LONGEST_FILE, folder.rglob("*.py"))


def programs_too_long(scripts: Path) -> list[str]:
    return longer_than(LONGEST_PROGRAM, scripts.glob("*.py"))


def functions_too_long(folder: Path) -> list[str]:
    return [
        f"{module}:{node.lineno}: {node.name}, {lines} lines"
        for module, tree in modules(folder)
        for node in nodes_of(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := node.end_lineno - node.lineno + 1) > LONGEST_FUNCTION
    ]


def lines_that_stand_twice(scripts: Path) -> list[str]:
    """Runs of lines in two files, other than imports and the openings of programs."""
    found, first = [], {}
    for module, tree in modules(scripts):
        skipped = [node for node in nodes_of(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        if len(module.parts) == 1:
            skipped += [node for node in tree.body if getattr(node, "name", "") == "main" or not hasattr(node, "body")]
        outside = {line for node in skipped for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
        text = (scripts / module).read_text().splitlines()
        kept = [(n, line.strip()) for n, line in enumerate(text, 1) if line.strip() and n not in outside]
        for start in range(len(kept) - LINES_TWICE + 1):
            run = kept[start : start + LINES_TWICE]
            other = first.setdefault(tuple(line for _, line in run), f"{module}:{run[0][0]}")
            if other.rpartition(":")[0] != str(module):
                found.append(f"{module}:{run[0][0]} as {other}")
    return found


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
        if len(module.parts) == 1 or module in ENTRIES:
            continue
        called = {node.func for node in nodes_of(tree) if isinstance(node, ast.Call)}
        for node, name in names_used(tree):
            # a parser may be handed over to be added to, so only making one counts
            if name in READS_ARGUMENTS and (node in called or not name.endswith("ArgumentParser")):
                found.append(f"{module}:{node.lineno}: uses {name}")
    return found


def unsafe_calls(scripts: Path) -> list[str]:
    found = []
    for module, tree in modules(scripts):
        names = dict(names_used(tree))
        for node in nodes_of(tree):
            if not isinstance(node, ast.Call):
                continue
            name = names.get(node.func, "")
            values = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            required, value = REQUIRED_ARGUMENT.get(name, ("", None))
            forbidden = [word for word in FORBIDDEN_ARGUMENTS if values.get(word, False) is not False]
            if name in FORBIDDEN or forbidden or (required and values.get(required) is not value):
                found.append(f"{module}:{node.lineno}: {ast.unparse(node)[:80]}")
    return found


DECODERS = {"pydicom", "gdcm", "openjpeg", "nibabel"}
DECODE = ("core/dicom/", "core/intake/directories.py", "core/phantom_kit/", "competitions/")  # and phantoms write


def systems_that_decode_files_themselves(scripts: Path) -> list[str]:
    return [
        f"{module}:{line}: imports {name}"
        for module, tree in modules(scripts)
        for line, name in imports(module, tree)
        if name.split(".")[0] in DECODERS and not module.as_posix().removeprefix(f"{LIBRARY}/").startswith(DECODE)
    ]


# A program reads its command line first; what it then does lies in the library, imported by its `main` after parsing.
LARGE_LIBRARIES = "albumentations cv2 joblib numpy pandas pyarrow pydicom scipy sklearn tensorboard timm torch"
IMPORTED_BY_PROGRAMS = """
import importlib.util, sys
large = set(sys.argv[1].split())
for path in sys.argv[2:]:
    before = set(sys.modules)
    specification = importlib.util.spec_from_file_location("program", path)
    specification.loader.exec_module(importlib.util.module_from_spec(specification))
    found = sorted(large & (set(sys.modules) - before))
    if found:
        print(path, "imports", ", ".join(found))
"""


def large_libraries_imported_before_parsing(scripts: Path) -> list[str]:
    programs = [str(path) for path in sorted(scripts.glob("*.py"))]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED_BY_PROGRAMS, LARGE_LIBRARIES, *programs],
        env={"PYTHONPATH": str(scripts)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
