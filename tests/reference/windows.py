"""The three display windows of a slice, from the specification of the 2nd-place system, section 1, step 2.

    Three channels, each clipped then scaled:
    brain (centre 40, width 80) -> (v - 0) / 80; subdural (80, 200) -> (v + 20) / 200;
    soft/bone (40, 380) -> (v + 150) / 380.
    Then, per channel, the smallest value in the image is subtracted, times 255, truncated to uint8.
    Array order is [row, column, channel] with channels brain, subdural, bone.

By hand, for a picture of one row, 20, 50, 90 and 300 HU, the last above all windows:

    brain     20/80 = .25   50/80 = .625  80/80 = 1       1   less .25      x 255  0  95.6  191.2  191.2
    subdural  40/200 = .20  70/200 = .35  110/200 = .55   1   less .20      x 255  0  38.2   89.2  204.0
    bone      170/380       200/380       240/380         1   less 170/380  x 255  0  20.1   46.9  140.9

>>> three_windows(np.array([[20, 50, 90, 300]])).tolist()
[[[0, 0, 0], [95, 38, 20], [191, 89, 46], [191, 204, 140]]]

Below all windows, 0 is subtracted: 30 HU are 30/80 = .375, 50/200 = .25 and 180/380 x 255 = 120.8.

>>> three_windows(np.array([[-200, 30]])).tolist()
[[[0, 0, 0], [95, 63, 120]]]
"""

from __future__ import annotations

import numpy as np


def three_windows(hu: np.ndarray) -> np.ndarray:
    """hu: (rows, columns) Hounsfield units. Returns (rows, columns, 3) uint8: brain, subdural, bone."""
    brain = (np.clip(hu, 0, 80) - 0) / 80
    subdural = (np.clip(hu, -20, 180) + 20) / 200
    bone = (np.clip(hu, -150, 230) + 150) / 380
    brain = (brain - brain.min()) * 255
    subdural = (subdural - subdural.min()) * 255
    bone = (bone - bone.min()) * 255
    return np.stack([brain.astype(np.uint8), subdural.astype(np.uint8), bone.astype(np.uint8)], axis=-1)
