from __future__ import annotations

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
