"""One page in one file: a template with everything that it needs inlined, which asks nothing of a network or a server.

Every value is escaped, controls of the writing direction are shown as escapes, a value that is missing is an error, and
the page's own policy forbids the browser to load anything or to run a script that was not written into it here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hounsfield.core.foreign_text import DIRECTIONAL, visible
from hounsfield.core.pages.colours import CLASS_COLOURS

DIRECTIONS = re.compile(f"[{DIRECTIONAL}]")
PIECES = Path(__file__).parent
BLACK = "#000000"  # is white where the page is dark
# What JSON may hold within a text, and what would end the element around it, or a line of script.
ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def page(
    title: str,
    template: Path,
    *,
    styles: Sequence[Path] = (),
    scripts: Sequence[Path] = (),
    data: Mapping[str, Any] | None = None,
    **values: Any,
) -> str:
    """The whole HTML of a page.

    template: its body's, which may `{% from "pieces.html" import table %}` and what lies beside it; all of `values`
    are known there. styles, scripts: files to be inlined, in order. data: by element id, JSON values that a script
    reads with `JSON.parse(document.getElementById(id).textContent)`.
    Raises jinja2.UndefinedError where the template asks for a value that is not given, and ValueError where `data`
    holds NaN or infinity.
    """
    sources = [path.read_text(encoding="utf-8") for path in scripts]
    return (
        _environment(template.parent)
        .get_template("base.html")
        .render(
            title=title,
            body=template.name,
            policy=_policy(sources),
            colours=["var(--ink)" if colour == BLACK else colour for colour in CLASS_COLOURS],
            styles=[path.read_text(encoding="utf-8") for path in (PIECES / "base.css", *styles)],
            scripts=sources,
            data={name: script_json(value) for name, value in (data or {}).items()},
            **values,
        )
    )


def script_json(value: Any) -> str:
    """JSON that may stand within a script element: no text in it ends the element, opens a comment, or turns a line.

    Raises ValueError for NaN and infinity, which JSON has not.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return DIRECTIONS.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text).translate(ESCAPES)


def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, PIECES]),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """A value of the page; what is marked as safe is the page's own."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _policy(scripts: Sequence[str]) -> str:
    """The Content-Security-Policy: no request at all, and no script but these.

    Styles may stand anywhere, as those of figures in SVG do; pictures may be inlined.
    Source: W3C Content Security Policy Level 3, 6.6.2.2 (hashes of inline scripts).
    """
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
