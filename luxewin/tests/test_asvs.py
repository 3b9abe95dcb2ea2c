"""The table against OWASP ASVS 5.0 in docs/asvs.md: whole, and every test that the pages on security name exists."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| (.+) \| ?(.*) \|$", re.MULTILINE)
# How many requirements of levels 1 and 2 each section has; those of level 3 come after them in every one of these.
SECTIONS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2,
    "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1,
    "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4,
    "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
    "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1,
    "9.1": 3, "9.2": 4,
}  # fmt: skip
ROWS = ROW.findall((ROOT / "docs/asvs.md").read_text())


def test_every_requirement_of_these_chapters_is_in_the_table_once():
    asked = [f"{section}.{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)]
    assert [requirement for requirement, _, _, _ in ROWS] == asked


@pytest.mark.parametrize(("requirement", "level", "how", "shown"), ROWS, ids=[row[0] for row in ROWS])
def test_each_is_met_with_a_test_that_exists_or_says_why_it_does_not_apply(requirement, level, how, shown):
    if how.startswith("n/a: "):
        assert not shown
        return
    named = re.findall(r"`([^`]+)`", shown)
    assert named
    for each in named:
        path, _, test = each.partition("::")
        if path != "make lint":
            text = (ROOT / path).read_text()
            assert f"def {test}(" in text if test else "def test_" in text, each


@pytest.mark.parametrize("document", ["docs/asvs.md", "docs/security.md", "docs/security-tests.md"])
def test_every_other_test_that_the_document_names_exists_too(document):
    text = (ROOT / document).read_text()
    paths = {str(path.relative_to(ROOT)) for path in ROOT.glob("*/tests/**/test_*.py")}
    names = Counter(path.rpartition("/")[2] for path in paths)
    for path, test in re.findall(r"`([\w/]*test_\w+\.py)(?:::(\w+))?`", text):
        found = [each for each in paths if each == path or each.endswith(f"/{path}")]
        assert found, path
        assert "/" in path or names[path] == 1, f"{path} is in several apps"
        assert not test or any(f"def {test}(" in (ROOT / each).read_text() for each in found), (path, test)
