"""Cervical spine fracture: RSNA 2022, 3rd place."""
