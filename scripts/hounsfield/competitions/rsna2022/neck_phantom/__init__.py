"""Drawn neck CT in the shape of the competition, for runs and tests without its data.

solids: distances to simple bodies; vertebrae: their shapes; spine: where each stands; fractures: what breaks them;
soft_tissue, airway, skull, shoulders: everything around; plans: what a study has; studies: its slices;
dicom_files, segmentation, archive: the files.
"""
