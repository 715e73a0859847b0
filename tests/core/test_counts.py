from __future__ import annotations

import pytest

from hounsfield.core.counts import count_of


@pytest.mark.parametrize(
    ("things", "one"),
    [
        ("studies", "1 study"),
        ("series", "1 series"),
        ("test slices", "1 test slice"),
        ("films in the table", "1 film in the table"),
        ("out-of-fold slices of patients", "1 out-of-fold slice of patients"),
        ("boxes", "1 box"),
        ("classes", "1 class"),
        ("passes", "1 pass"),
        ("matches", "1 match"),
        ("other files", "1 other file"),
        ("positive", "1 positive"),
        ("rows hold no probability", "1 row holds no probability"),
        ("values of C2 that are no label", "1 value of C2 that is no label"),
        ("names fit several files", "1 name fits several files"),
    ],
)
def test_one_thing_is_told_in_the_singular_and_any_other_number_in_the_plural(things: str, one: str) -> None:
    assert count_of(1, things) == one
    assert [count_of(count, things) for count in (0, 2)] == [f"0 {things}", f"2 {things}"]
