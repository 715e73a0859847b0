"""SIIM-ACR Pneumothorax Segmentation (2019)."""
