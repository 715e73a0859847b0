"""Maps from a raw probability to a calibrated one: none of them changes which of two rows is the higher.

n probabilities of one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from hounsfield.core.errors import BadInput

Method = Literal["none", "temperature", "isotonic"]
METHODS: tuple[Method, ...] = get_args(Method)  # of equally good ones the first is taken


@dataclass(frozen=True)
class Calibrator:
    """One fitted map. `none` leaves every probability as it is."""

    method: Method = "none"
    temperature: float = 1.0  # the logit is divided by it; above 1 for a model that is too sure
    raw: tuple[float, ...] = ()  # ascending probabilities, of `isotonic`; between them it is linear, beyond constant
    calibrated: tuple[float, ...] = ()  # and what they become, not descending

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities: (n,) -> (n,) float64. NaN stays NaN."""
        values = probabilities.astype(np.float64)
        if self.method == "temperature":
            return _tempered(values, self.temperature)
        return np.interp(values, self.raw, self.calibrated) if self.method == "isotonic" else values

    def as_json(self) -> dict[str, Any]:
        """As plain values: what the method needs, and nothing of the others."""
        if self.method == "temperature":
            return {"method": self.method, "temperature": self.temperature}
        if self.method == "isotonic":
            return {"method": self.method, "raw": list(self.raw), "calibrated": list(self.calibrated)}
        return {"method": self.method}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Calibrator:
        """What `as_json` wrote. Raises BadInput where it is of another method, which a newer release may know."""
        if found["method"] not in METHODS:
            raise BadInput(f"calibration by {str(found['method'])!r} is not known here; it is one of {list(METHODS)}")
        raw, calibrated = (tuple(map(float, found.get(name, ()))) for name in ("raw", "calibrated"))
        return cls(found["method"], float(found.get("temperature", 1.0)), raw, calibrated)


def _tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The logistic function of the logit divided by the temperature; 0, 1 and NaN stay what they are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(probabilities) - np.log1p(-probabilities)
        return np.asarray(np.exp(-np.logaddexp(0, -logits / temperature)))
