"""Pneumothorax on chest films: U-Nets, sliding sample rate, triplet thresholds (SIIM-ACR 2019, 1st place)."""
