from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions

from programs import REPOSITORY

REQUIREMENTS = (REPOSITORY / "requirements.txt").read_text()
LOCK = (REPOSITORY / "requirements.lock").read_text()


def names(text: str) -> set[str]:
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    return {line.split("[")[0].split("=")[0].split(">")[0].split("<")[0].strip().lower() for line in lines}


def test_apex_is_not_required_since_the_package_of_that_name_is_another() -> None:
    assert "apex" not in names(REQUIREMENTS) | names(LOCK)


def test_every_requirement_is_locked_by_digest() -> None:
    assert names(REQUIREMENTS) <= names(LOCK)
    packages = [block for block in LOCK.split("\n") if block and not block.startswith(("#", " "))]
    assert all(line.rstrip().endswith("\\") for line in packages)
    assert LOCK.count("--hash=sha256:") >= len(packages)


def test_no_requirement_comes_from_an_index_or_address_of_its_own() -> None:
    for text in (REQUIREMENTS, LOCK):
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text


def test_nothing_with_a_licence_that_binds_the_user_is_required() -> None:
    assert not {"pylibjpeg-libjpeg", "albumentationsx"} & names(LOCK)


def test_every_requirement_says_what_it_is_for() -> None:
    lines = [line for line in REQUIREMENTS.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if "#" not in line] == []


def test_every_package_that_is_imported_is_locked() -> None:
    """The requirements of a published system lacked nibabel, boto3 and scikit-learn, all of which it imported."""
    scripts = REPOSITORY / "scripts"
    trees = [ast.parse(path.read_text()) for path in scripts.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    own = {"hounsfield", *(path.stem for path in scripts.glob("*.py"))}
    foreign = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) - own
    assert {"nibabel", "sklearn", "torch"} <= foreign
    distributions = packages_distributions()
    lacking = [
        name
        for name in foreign
        if not {one.lower().replace("_", "-") for one in distributions.get(name, [])} & names(LOCK)
    ]
    assert lacking == []
