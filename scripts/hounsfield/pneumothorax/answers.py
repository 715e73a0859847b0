"""The answers for films of one's own: a row per film with what the rule says, what that was worth, what is odd.

N films.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.domain import outside
from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.evaluation.findings import refused_lines
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD
from hounsfield.core.evaluation.score_table import aligned, read_scores
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.files import json_values
from hounsfield.pneumothorax.config import SubmissionConfig, Triplet
from hounsfield.pneumothorax.mapped_films import MappedFilms
from hounsfield.pneumothorax.results import FINDINGS, SCORES, SUBMISSION
from hounsfield.pneumothorax.rules import in_words as rule_in_words
from hounsfield.pneumothorax.scores import GIVEN_RULE, NESTED_RULE

PICTURES = "pictures"  # a folder
MANY_FILMS = 40  # more are not printed one by one
LONGEST_PATH = 60  # characters of a path that is printed
TEXTS = ("path", "view_position", "flags", "rule", "scored_on", "calibration", "trained_on", "warnings")


class Worth(NamedTuple):
    """How often a rule was right on films that were held out."""

    sensitivity: float  # NaN: not scored
    specificity: float
    scored_on: str  # in words


def worth_of(run: Upstream | None, config: SubmissionConfig) -> Worth:
    """What the rule was worth out of fold. run: the finished stage 65 on the training set."""
    unscored = Worth(np.nan, np.nan, "the run holds no out-of-fold scores of this rule")
    if run is None or run.record["settings"]["submission"] != json_values(plain(config)):
        return unscored
    table, name = read_scores(run.file(SCORES)), NESTED_RULE if config.triplet is None else GIVEN_RULE
    rows = table[table["system"] == name].to_dict("records")
    if not rows:
        return unscored
    row = rows[-1]  # of a blend, whose experiments stand before it
    leak = "" if row["ledger"] == OUT_OF_FOLD else f" ({row['ledger']})"
    words = f"{count_of(row['films'], 'out-of-fold films')} of {count_of(row['patients'], 'patients')}{leak}"
    return Worth(float(row["sensitivity"]), float(row["specificity"]), words)


def answer_table(predicted: pd.DataFrame, films: MappedFilms, rule: Triplet, worth: Worth) -> pd.DataFrame:
    """One row per film, N: what was predicted, what is odd about it, and what the answer rests on.

    predicted: as `results.predict_test_films`.
    """
    facts = films.maps.output.record["facts"].get("trained_on")
    own = films.films.iloc[films.test]
    return predicted.assign(
        threshold=rule.top,
        view_position=own["view_position"].fillna("").to_numpy(),
        flags=own["flags"].fillna("").to_numpy(),
        rule=rule_in_words(rule),
        **worth._asdict(),
        trained_on=in_words(facts, "what the networks learnt from"),
        warnings=outside(own, facts),
    )


def printed(folder: Path) -> str:
    """What was written to `folder`, for a terminal: a line per film, a star where the rule sees a pneumothorax."""
    table = pd.read_csv(folder / FINDINGS, dtype=dict.fromkeys(TEXTS, str)).fillna(dict.fromkeys(TEXTS, ""))
    first = table.iloc[0]
    lines = [f"From maps to masks: {first['rule']}; {first['scored_on']}."]
    if not np.isnan(first["sensitivity"]):
        worth = f"{first['sensitivity']:.2f} / {first['specificity']:.2f}"
        lines.append(f"* a pneumothorax by this rule; sensitivity / specificity there: {worth}")
    lines += [f"Networks trained on: {first['trained_on']}", ""]
    rows = [["film", "probability", "share of the film", "view", "flags"]]
    for row in table.head(MANY_FILMS).to_dict("records"):
        star = "*" if row["pneumothorax"] else ""
        share = f"{100 * row['share']:.2f} %" if row["pneumothorax"] else ""
        path = row["path"]
        path = path if len(path) <= LONGEST_PATH else f"...{path[3 - LONGEST_PATH :]}"
        rows.append([path, f"{row['probability']:.3f}{star}", share, row["view_position"], row["flags"]])
    lines += aligned(rows)
    if len(table) > MANY_FILMS:
        lines.append(f"and {count_of(len(table) - MANY_FILMS, 'more films')} in {FINDINGS}")
    for warning, count in table["warnings"][table["warnings"] != ""].value_counts().items():
        lines.append(f"warning, {count} of {len(table)} films: {warning}")
    lines += refused_lines(folder)
    places = {"findings": FINDINGS, "run lengths": SUBMISSION, "pictures": PICTURES}
    return "\n".join([*lines, "", *(f"{name}: {folder / place}" for name, place in places.items())])
