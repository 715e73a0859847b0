"""BodyPartExamined as one of DICOM's own terms, so that no free text of a header leaves the reader under this name."""

from __future__ import annotations

# DICOM PS3.16, Annex L, table L-1 (humans), and what scanners write beside it; without blanks, hyphens and underscores.
TERMS = frozenset({
    "ABDOMEN", "ABDOMENPELVIS", "ADRENAL", "ANKLE", "AORTA", "ARM", "AXILLA", "BACK", "BLADDER", "BRAIN", "BREAST",
    "BRONCHUS", "BUTTOCK", "CALCANEUS", "CALF", "CAROTID", "CEREBELLUM", "CERVIX", "CHEEK", "CHEST", "CHESTABDOMEN",
    "CHESTABDPELVIS", "CIRCLEOFWILLIS", "CLAVICLE", "COCCYX", "COLON", "CORNEA", "CORONARYARTERY", "CSPINE",
    "CTSPINE", "DUODENUM", "EAR", "ELBOW", "ESOPHAGUS", "EXTREMITY", "EYE", "EYELID", "FACE", "FEMUR", "FINGER",
    "FOOT", "FOREARM", "GALLBLADDER", "HAND", "HEAD", "HEADNECK", "HEART", "HIP", "HUMERUS", "IAC", "ILEUM", "ILIUM",
    "JAW", "JEJUNUM", "KIDNEY", "KNEE", "LARYNX", "LEG", "LIVER", "LOWERLEG", "LSPINE", "LSSPINE", "LUNG", "MANDIBLE",
    "MASTOID", "MAXILLA", "MEDIASTINUM", "MOUTH", "NECK", "NECKCHEST", "NECKCHESTABDOMEN", "NECKCHESTABDPELV", "NOSE",
    "ORBIT", "OVARY", "PANCREAS", "PAROTID", "PATELLA", "PELVIS", "PENIS", "PHARYNX", "PROSTATE", "RECTUM", "RIB",
    "SCALP", "SCAPULA", "SCLERA", "SCROTUM", "SHOULDER", "SINUS", "SKULL", "SPINE", "SPLEEN", "SSPINE", "STERNUM",
    "STOMACH", "SUBMANDIBULAR", "TESTIS", "THIGH", "THORAX", "THUMB", "THYROID", "TLSPINE", "TMJ", "TOE", "TRACHEA",
    "TSPINE", "UPPERARM", "URETER", "URETHRA", "UTERUS", "VAGINA", "VULVA", "WHOLEBODY", "WRIST", "ZYGOMA",
})  # fmt: skip
HEAD = frozenset({"HEAD", "BRAIN", "SKULL", "HEADNECK"})
_SEPARATORS = str.maketrans("", "", " _-")


def body_part_term(label: str) -> str:
    """The term that a BodyPartExamined stands for ("Head_Neck" is HEADNECK); "" where it is absent or none of TERMS."""
    term = label.upper().translate(_SEPARATORS)
    return term if term in TERMS else ""
