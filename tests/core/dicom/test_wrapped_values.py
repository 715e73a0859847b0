from __future__ import annotations

import numpy as np

from hounsfield.core.dicom.values import _is_wrapped


def wrapped(hu: np.ndarray) -> np.ndarray:
    """Hounsfield units as the archive's wrapped series store them."""
    return (hu.astype(np.int64) % 4096).astype(np.uint16)


def test_the_cap_of_a_skull_alone_in_air_is_known_as_wrapped_and_lost_offsets_are_not() -> None:
    hu = np.full((64, 64), -990)
    hu[28:36, 28:36] = 900  # bone, at whose edge pixels are half air
    hu[27, 28:36] = 420
    assert _is_wrapped(wrapped(hu))
    hu[:] = -990
    hu[8:56, 8:56] = 40
    assert _is_wrapped(wrapped(hu))
    assert not _is_wrapped((hu + 1024).astype(np.uint16))
