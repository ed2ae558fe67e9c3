"""What counts as the code of a component: versions of what was installed, sources of what is edited in place."""

import importlib

from pegboard.plugins.code import code_version


def test_packages_of_another_environment_are_known_by_version(tmp_path, monkeypatch):
    """As in a virtual environment that sees the packages of another; torch alone is 40 MB of source."""
    modules = {
        "site-packages/far_away": "__version__ = '3.1'\n",
        "checkout/edited_here": "import far_away\nclass Edited: pass\n",
    }
    for path, text in modules.items():
        file = tmp_path / f"{path}.py"
        file.parent.mkdir()
        file.write_text(text)
        monkeypatch.syspath_prepend(file.parent)
    versions = code_version(importlib.import_module("edited_here").Edited)
    assert versions.pop("edited_here").startswith("source ")
    assert versions == {"far_away": "3.1"}
