"""Stacking (RSNA 2019, 11th place): two SE-ResNeXt classifiers, then gradient boosting over a study's predictions."""
