from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest

from hounsfield.core.pages.page import page, script_json

HOSTILE = "</script><script>alert(1)</script> \"quotes\" 'and' <!-- =cmd|' /C calc'!A0 &amp; \u2028"


class Elements(HTMLParser):
    """Start tags with their attributes, and the text within script elements, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}", {}))


def write(folder: Path, body: str, script: str = "") -> tuple[Path, Path]:
    (folder / "body.html").write_text(body)
    (folder / "script.js").write_text(script)
    return folder / "body.html", folder / "script.js"


def test_a_page_is_whole_and_says_that_it_is_no_medical_device(tmp_path: Path) -> None:
    template, _ = write(tmp_path, "<h1>{{ heading }}</h1>")
    html = page("A study", template, heading="Head")
    assert html.startswith("<!DOCTYPE html>")
    assert "<title>A study</title>" in html
    assert "<h1>Head</h1>" in html
    assert "Research use only, not a medical device" in html


def test_hostile_texts_are_shown_and_not_run(tmp_path: Path) -> None:
    template, script = write(tmp_path, "<p title='{{ text }}'>{{ text }}</p>", "let own = 1;\n")
    elements = Elements(page(HOSTILE, template, scripts=[script], data={"study": {"name": HOSTILE}}, text=HOSTILE))
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 2
    assert tags.count("p") == 2  # its own and the footer's
    assert ("p", {"title": HOSTILE}) in elements.found
    assert HOSTILE in elements.text
    assert json.loads(elements.scripts[0]) == {"name": HOSTILE}


@pytest.mark.parametrize("sign", [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"])
def test_a_control_of_writing_direction_is_shown_and_turns_no_line(tmp_path: Path, sign: str) -> None:
    name, shown = f"exam{sign}gpj.exe", f"exam\\u{ord(sign):04x}gpj.exe"
    template = tmp_path / "t.html"
    template.write_text(
        '{% from "pieces.html" import table %}<p title="{{ text }}">{{ table(text, [(text, text)], [[text]]) }}</p>'
    )
    made = page(name, template, data={"study": {"name": name}}, text=name)
    assert sign not in made
    elements = Elements(made)
    assert ("p", {"title": shown}) in elements.found
    assert json.loads(elements.scripts[0]) == {"name": shown}


def test_the_policy_forbids_requests_and_every_script_but_those_inlined(tmp_path: Path) -> None:
    template, script = write(tmp_path, "<p></p>", "let own = '<b>';\n")
    elements = Elements(page("Title", template, scripts=[script]))
    policy = next(given["content"] for tag, given in elements.found if tag == "meta" and "http-equiv" in given)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    digest = base64.b64encode(hashlib.sha256(elements.scripts[0].encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert "connect-src" not in rules  # so that the default holds
    loads = [given for _, given in elements.found if {"src", "href"} & set(given)]
    assert all(str(given.get("href", "")).startswith("#") and "src" not in given for given in loads)


def test_a_page_without_scripts_allows_none(tmp_path: Path) -> None:
    assert "script-src &#39;none&#39;" in page("Title", write(tmp_path, "")[0])


def test_a_value_that_is_not_given_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="heading"):
        page("Title", write(tmp_path, "{{ heading }}")[0])


def test_json_of_a_page_reads_back_and_holds_no_markup() -> None:
    value = {"text": HOSTILE, "numbers": [1, 2.5, None, True], "name": "ß 漢"}
    text = script_json(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)
    with pytest.raises(ValueError, match="JSON"):
        script_json(float("nan"))


def test_every_column_of_a_table_is_explained_in_place_and_below(tmp_path: Path) -> None:
    body = '{% from "pieces.html" import table %}{{ table("Runs", columns, rows) }}'
    html = page("Title", write(tmp_path, body)[0], columns=[("loss", "log loss, lower is better")], rows=[["<b>"]])
    elements = Elements(html)
    assert ("th", {"scope": "col", "title": "log loss, lower is better"}) in elements.found
    assert "<dd>log loss, lower is better</dd>" in html
    assert '<th scope="row">&lt;b&gt;</th>' in html
