"""What the tests of the data sets share."""

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test leaves anything in the user's cache, or finds anything there."""
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path_factory.mktemp("cache")))
