"""The audit's page: whole, safe whatever the data are called, small, and the same every time."""

import copy
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rote.errors import InputError
from rote.report import audit_page

SECTIONS = [
    "verdict", "suspects", "curves", "coherence", "layers",
    "circuit",
    "map", "calibration", "remedies", "coverage", "reproduce",
]  # fmt: skip
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Outline(HTMLParser):
    """What a browser would build: tags with their attributes, well nested, and the text outside styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self._open = [], [], []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.words.append(data)

    @property
    def skeleton(self):
        return [(tag, *attributes) for tag, attributes in self.tags]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page)


@pytest.fixture(scope="module")
def small(made_up):
    return made_up.record(suspects=2, seeds=1, layers=2, examples=12)


def awkward(made_up):
    """Name, record, images: audits that are anything but typical."""
    empty = made_up.record(suspects=0, noise="")
    empty |= {"suspects_total": 0, "known": None, "remedies": [], "coverage": []}
    bare = copy.deepcopy(empty)
    bare |= {"curves": {"real": [], "control": []}, "coherence": {"m": 0, "real": [], "control": []}}
    bare["circuit"] = None
    bare["map"] = {"confidence": [], "variability": [], "score": [], "of": 0}
    bare["calibration"] = {"planted_share": None, "kinds": [], "weights": {}, "sentences": []}
    names = [
        made_up.HOSTILE,
        *(f"a class whose name is long enough to matter, number {i}" for i in range(199)),
    ]
    crowd = made_up.record(suspects=50, classes=names, layers=40)
    empty["circuit"] = {"why_not": "It has a layer without gates."}
    return {
        "no suspects": (empty, None),
        "nothing measured": (bare, None),
        "no number known": (made_up.blank(made_up.record(suspects=5)), made_up.images(5)),
        "nothing measured, no number known": (made_up.blank(bare), None),
        "table": (made_up.table(suspects=5), None),
        "200 classes, 40 layers": (crowd, None),
        "one seed": (made_up.record(suspects=5, seeds=1), made_up.images(5, (3, 32, 32))),
    }


AWKWARD = [
    "no suspects", "nothing measured", "no number known", "nothing measured, no number known",
    "table", "200 classes, 40 layers", "one seed",
]  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD)
def test_every_audit_gets_every_section_in_order(made_up, name):
    outline = Outline(audit_page(*awkward(made_up)[name]))
    assert [a["id"] for a in outline.all("section")] == SECTIONS
    assert [a["href"] for a in outline.all("a")] == [f"#{section}" for section in SECTIONS[1:]]
    assert not re.search(r"\b(nan|None|inf|undefined)\b", outline.text)
    assert not any(
        re.search(r"\b(nan|None|inf)\b", value or "") for _, a in outline.tags for value in a.values()
    )


def test_what_the_page_says(outline, made_up):
    record = made_up.record()
    for sentence in (
        record["verdict"]["headline"],
        *record["verdict"]["evidence"],
        record["verdict"]["rule"],
        *record["calibration"]["sentences"],
        *record["known"]["sentences"],
        record["remedies"][1]["command"],
        record["reproduce"]["command"],
        record["reproduce"]["data_sha256"],
        record["suspects"][47]["id"],
        "492 more stand in suspects.csv",
        "76\u202f% (74–78)",
        "0.2\u202f% (0.0–0.6)",
        "+1.2 points (−0.3 to +2.7)",
        "3 min 34 s",
        "m = 500",
        "not tried",
    ):
        assert " ".join(sentence.split()) in outline.text
    assert len(outline.all("img")) == 48
    assert record["suspects"][48]["id"] not in outline.text


def test_the_best_of_each_column_is_marked(small):
    record = copy.deepcopy(small)
    methods = [
        {"name": "score", "auroc": 0.9, "precision": 0.4},
        {"name": "loss", "auroc": 0.8, "precision": None},
    ]
    record["calibration"]["kinds"] = [{"kind": "pair", "planted": 7, "methods": methods}]
    record["known"] = None
    page = audit_page(record, None)
    assert [re.match(r"[\d.]+", cell).group() for cell in re.findall("<b>(0[^/]*)<", page)] == [
        "0.900",
        "0.400",
    ]


def test_methods_are_compared_by_name(small):
    record = copy.deepcopy(small)
    one, two = (
        {"name": "score", "auroc": 0.75, "precision": 0.5},
        {"name": "loss", "auroc": 0.625, "precision": 0.25},
    )
    kinds = [("pair", [one, two]), ("uniform", [two, one]), ("instance", [one])]
    record["calibration"]["kinds"] = [{"kind": k, "planted": 7, "methods": m} for k, m in kinds]
    table = audit_page(record, None).partition('class="methods"')[2].partition("</tbody>")[0]
    rows = [re.findall(r"<td[^>]*>(?:<b>)?([^<]*)", row) for row in table.split("</tr>")]
    assert [row for row in rows if row] == [
        ["0.750", "0.500", "0.750", "0.500", "0.750", "0.500"],
        ["0.625", "0.250", "0.625", "0.250", "–", "–"],
    ]


def test_nothing_is_loaded_and_nothing_runs(page, outline):
    assert ("default-src 'none'; style-src 'unsafe-inline'; img-src data:") in [
        a.get("content") for a in outline.all("meta")
    ]
    assert not {tag for tag, _ in outline.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    }
    names = {name for _, attributes in outline.tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in {"srcset", "xlink:href", "action"}}
    assert all(a["href"].startswith("#") for a in outline.all("a"))
    assert all(a["src"].startswith("data:image/png;base64,") for a in outline.all("img"))
    assert set(re.findall(r"url\([^)]*\)", page)) == {"url(#hatch)"}
    assert not re.search(r"https?:|@import", page)


def test_readable_without_eyes(outline):
    assert outline.all("html")[0]["lang"] == "en"
    assert outline.all("title")
    assert all(a["alt"] for a in outline.all("img"))
    assert all(a.get("scope") in {"row", "col", "colgroup"} for a in outline.all("th"))
    assert len(outline.all("caption")) == len(outline.all("table"))
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    drawings = [a for a in outline.all("svg") if "aria-hidden" not in a]
    assert all(a["role"] == "img" and len(a["aria-label"]) > 20 for a in drawings)
    assert len(drawings) == 2 + 4 + 1 + 2 + 2 + 1  # bars, curves, coherence, layers, circuit, map


def renamed(value, words):
    """The record with every string replaced, layers' names included."""
    if isinstance(value, dict):
        layers = (
            [{f"{words}{i}": inner for i, inner in enumerate(value["layers"].values())}]
            if "layers" in value
            else []
        )
        return {k: renamed(v, words) for k, v in value.items()} | ({"layers": layers[0]} if layers else {})
    if isinstance(value, list):
        return [renamed(inner, words) for inner in value]
    return words if isinstance(value, str) else value


@settings(max_examples=12, deadline=None)
@given(words=st.text(min_size=1, max_size=30) | st.sampled_from(["\udcff", "a\x00b", "\u202egnp.exe"]))
def test_no_name_changes_what_the_page_is(small, words):
    hostile, tame = (audit_page(renamed(small, w), None) for w in (words, "x" * len(words)))
    assert Outline(hostile).skeleton == Outline(tame).skeleton
    hostile.encode()


@pytest.mark.parametrize(
    "words",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "</style></title><script>",
        "{{ 7 * 7 }}{% include 'x' %}",
        "<!--",
        "]]>&lt;b&gt;",
        "javascript:alert(1)",
    ],
)
def test_hostile_names_are_only_text(small, words):
    hostile = renamed(small, words)
    hostile["suspects"][0]["values"] = {words: words}
    tame = renamed(small, "x" * len(words))
    tame["suspects"][0]["values"] = {"x": "x"}
    page = audit_page(hostile, None)
    assert Outline(page).skeleton == Outline(audit_page(tame, None)).skeleton
    assert "49" not in re.sub(r"<[^>]*>", "", page.partition("</header>")[0].partition("<h1>")[2])


def test_the_same_record_gives_the_same_bytes(made_up, page):
    assert audit_page(made_up.record(), made_up.images()) == page


def test_the_record_is_not_changed(small):
    before = copy.deepcopy(small)
    audit_page(small, None)
    assert small == before


def test_only_the_clock_depends_on_the_clock(small):
    later = copy.deepcopy(small)
    later["cost"] |= {"seconds": 9999.5, "sentence": "It took much longer."}
    pages = [audit_page(record, None) for record in (small, later)]
    assert pages[0] != pages[1]
    scrubbed = [re.sub(r'(class="clock">)[^<]*<', r"\1<", page) for page in pages]
    assert scrubbed[0] == scrubbed[1]


def test_large_audits_stay_small(made_up):
    names = [f"class {i} {'of many words ' * 20}" for i in range(200)]
    record = made_up.record(suspects=48, seeds=2, layers=150, classes=names, examples=6000)
    noise = np.random.default_rng(0).integers(0, 256, (48, 3, 96, 96), np.uint8)
    for suspect in record["suspects"]:
        suspect["values"] = {f"{i} {'column ' * 30}": "word " * 1000 for i in range(300)}
        suspect["why"] = "why " * 5000
    page = audit_page(record, noise)
    assert len(page.encode()) < 2_000_000
    assert "276 more columns" in page
    assert "90 layers with the smallest gradients" in page


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((3, 1, 4, 4), np.uint8), "shape [3, 1, 4, 4]"),
        (np.zeros((2, 4, 4), np.uint8), "shape [2, 4, 4]"),
        (np.zeros((2, 1, 4, 4), np.float32), "float32"),
        (np.zeros((2, 1, 0, 4), np.uint8), "shape [2, 1, 0, 4]"),
    ],
)
def test_images_that_do_not_fit(small, images, said):
    with pytest.raises(InputError, match=r"`images` must be uint8 .* each of the 2 suspects") as caught:
        audit_page(small, images)
    assert said in str(caught.value)


@pytest.mark.parametrize("schema", [None, 2, "1"])
def test_other_schemas(small, schema):
    with pytest.raises(InputError, match="`record` must have schema 1"):
        audit_page(small | {"schema": schema}, None)
