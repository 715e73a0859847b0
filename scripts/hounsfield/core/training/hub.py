"""Is timm's hub there? Asked before its own client is, which tries for minutes where there is no network."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path

import timm
from huggingface_hub import constants, try_to_load_from_cache

from hounsfield.core.errors import MissingInput

PATIENCE = 4.0  # seconds


def check_hub(backbone: str) -> None:
    """Raise MissingInput where a timm network's weights are not on this machine, and their hub is out of reach."""
    if _here(backbone) or reachable(constants.ENDPOINT):
        return
    raise MissingInput(
        f"weights of {backbone}: the hub {constants.ENDPOINT} cannot be reached, and they were not downloaded before. "
        "Download them where there is a network and name their file as `weights`, or start at random with "
        "`download: false`"
    )


def reachable(address: str) -> bool:
    """True when anything answers at an address, by way of the proxies that the environment names, within seconds."""
    answers: list[bool] = []

    def ask() -> None:
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310  (the hub's own, or the person's)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310
                answers.append(True)
        except urllib.error.HTTPError:
            answers.append(True)  # it is there, and does not like the question
        except (OSError, ValueError):
            answers.append(False)

    asking = threading.Thread(target=ask, daemon=True)  # a name server that is silent holds up longer than any timeout
    asking.start()
    asking.join(PATIENCE)
    return True in answers


def _here(backbone: str) -> bool:
    """True when the network's weights were downloaded before."""
    facts = timm.models.get_pretrained_cfg(backbone)
    if facts is None or not facts.hf_hub_id:
        return False
    name = facts.hf_hub_filename or "model.safetensors"
    found = try_to_load_from_cache(facts.hf_hub_id, name)
    return isinstance(found, str) and Path(found).exists()
