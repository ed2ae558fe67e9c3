"""What the tests of the data sets share."""

import pytest
from pegboard_data import fields
from pegboard_data.compiled_fields import CompiledFields, FieldLoops
from pegboard_data.numpy_fields import NumpyFields


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test leaves anything in the user's cache, or finds anything there."""
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(params=["numpy", "compiled"])
def _either_fields(request, monkeypatch):
    """Runs a test twice: fields are read with NumPy, and with the loops that Numba compiles."""
    monkeypatch.setattr(fields, "_COMPILED_FROM", 2**62)
    if request.param == "compiled":
        loops = request.getfixturevalue("compiled_loops")(FieldLoops)

        def compiled(layout):
            return NumpyFields(layout) if layout.text == layout.label else CompiledFields(layout, loops)

        monkeypatch.setattr(fields, "NumpyFields", compiled)
