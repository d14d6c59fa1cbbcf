from __future__ import annotations

import re
from html.parser import HTMLParser

from windlass.web.charts import Line, Marker, line_chart
from windlass.web.page import Column, Figure, Figures, Section, Table, Text, render_page

HOSTILE = """<script>alert("x")</script>'"><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;"""


class Seen(HTMLParser):
    """All tags and attributes, and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def page(text: str) -> str:
    chart = line_chart(
        labels=[text, text],
        lines=[Line(name=text, values=[1.0, 2.0])],
        markers=[Marker(position=1, kind="note", text=text)],
        y_title=text,
        caption=text,
    )
    table = Table(columns=[Column(name=text), Column(name="n", number=True)], rows=[[text, "1"], [[text, text], "2"]])
    figures = Figures(figures=[Figure(name=text, value=text, note=text)])
    empty = Table(columns=[Column(name="a")], rows=[], empty=text)
    return render_page(
        text, [Section(heading=text, blocks=[Text(text=text), figures, chart, table, empty])], subtitle=text
    )


def test_every_text_is_shown_and_none_is_run():
    seen = Seen(page(HOSTILE))
    assert "script" not in seen.tags
    assert "img" not in seen.tags
    assert not any(name.startswith("on") for name, _ in seen.attributes)
    assert seen.text.count(HOSTILE) >= 14
    assert ("aria-label", HOSTILE) in seen.attributes


def test_the_page_is_one_file_that_fetches_nothing():
    html = page("plain")
    seen = Seen(html)
    assert not {"script", "link", "iframe", "img", "object"} & set(seen.tags)
    assert not {"src", "href", "srcset"} & {name for name, _ in seen.attributes}
    assert not re.search(r"url\(|@import|https?://", html)
    assert "default-src 'none'" in html


def test_it_reads_in_light_and_in_dark():
    html = page("plain")
    assert "prefers-color-scheme: dark" in html
    used, light, dark = (set(re.findall(pattern, html)) for pattern in (r"var\(--(\w+)\)", r"--(\w+):", r"--(\w+):"))
    assert used <= light
    assert used <= dark


def test_tables_set_numbers_to_the_right_and_strong_rows_off():
    table = Table(
        columns=[Column(name="a"), Column(name="b", number=True)], rows=[["x", "1"], ["y", "2"]], strong=frozenset({1})
    )
    html = render_page("t", [Section(heading="h", blocks=[table])])
    assert '<td class="number">2</td>' in html
    assert html.count('<tr class="strong">') == 1


def test_a_stacked_table_is_named_as_one():
    columns = [Column(name="when", tight=True), Column(name="why")]
    for stacked in (True, False):
        table = Table(columns=columns, rows=[["now", "because"]], stacked=stacked)
        html = render_page("t", [Section(heading="h", blocks=[table])])
        assert ('<table class="stacked">' in html) == stacked
