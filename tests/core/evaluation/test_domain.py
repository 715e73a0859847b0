"""What lies outside of what models were trained on, in words."""

from __future__ import annotations

from hounsfield.core.evaluation.domain import out_of_range


def test_a_value_out_of_range_is_told_in_numbers_that_a_person_reads() -> None:
    study, ranges = {"highest": 1719.6, "share": 0.0064612}, {"highest": (1400.0, 1411.2), "share": (0.18, 0.327)}
    words = {"highest": "highest HU", "share": "share of brain"}
    assert out_of_range(study, ranges, words) == [
        "highest HU 1720, trained on 1400 to 1411",
        "share of brain 0.00646, trained on 0.18 to 0.327",
    ]
