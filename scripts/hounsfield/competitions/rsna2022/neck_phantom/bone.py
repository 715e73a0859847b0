"""Bone: a dense rim around cancellous bone."""

from __future__ import annotations

from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.painting import blend, ramp


def bone_hu(surface: Array, soft: float, *, cancellous: Array | float, cortex: float, thickness: float) -> Array:
    """HU within a body of bone. surface: distance from it, negative inside, mm. soft: mm over which HU change."""
    return cancellous + (cortex - cancellous) * ramp(thickness + surface, max(soft, 0.9))


def blend_bone(
    image: Array, surface: Array, soft: float, *, cancellous: Array | float, cortex: float, thickness: float
) -> None:
    """Draw a body of bone into a slice's HU."""
    hu = bone_hu(surface, soft, cancellous=cancellous, cortex=cortex, thickness=thickness)
    blend(image, hu, ramp(-surface, soft))
