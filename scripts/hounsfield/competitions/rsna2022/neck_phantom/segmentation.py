"""A study's segmentation as a NIfTI file, oriented as the competition's.

Its axes run to the patient's left, front and head, whichever way the files are numbered. So, without a look at the
affine: transposed to (slice, row, column), rows reversed, and slices reversed where the files' numbers rise towards the
feet, entry k is the slice of the k-th file.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from .dicom_files import geometry
from .plans import StudyPlan


def affine(plan: StudyPlan) -> NDArray[np.float64]:
    """From a voxel's three numbers to mm to the right, to the front and to the head; (4, 4)."""
    lowest = geometry(plan, int(plan.numbers[-1]))
    x, y, z = lowest["ImagePositionPatient"]
    pixel = lowest["PixelSpacing"][0]
    found = np.diag([-pixel, pixel, float(-np.diff(plan.heights).mean()), 1.0])
    found[:3, 3] = -x, -(y + pixel * (plan.size - 1)), z  # DICOM counts to the left and to the back
    return found


def nifti_bytes(plan: StudyPlan, labels: NDArray[np.uint8]) -> bytes:
    """The file. labels: (slices, rows, columns) from head to feet."""
    voxels = labels[::-1, ::-1].transpose(2, 1, 0)
    return bytes(nib.Nifti1Image(voxels, affine(plan), dtype=np.uint8).to_bytes())
