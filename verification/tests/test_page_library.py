"""The one library of the page is what its pinned packages give, to the byte."""

import subprocess

import pytest

from verification.browser import build


def test_the_bundled_library_is_what_the_pinned_packages_give() -> None:
    try:
        fresh = build.bundle()
    except subprocess.CalledProcessError as error:
        pytest.fail(f"npm or esbuild failed: {error.stderr[-500:]}")
    assert fresh == build.BUNDLE.read_text()
