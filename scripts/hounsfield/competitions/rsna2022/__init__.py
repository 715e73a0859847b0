"""RSNA Cervical Spine Fracture Detection (2022)."""
