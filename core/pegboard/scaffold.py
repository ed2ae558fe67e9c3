"""Write a new plugin package that is complete: it installs, passes its own tests and trains at once."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from string import Template

from pegboard.errors import UsageError
from pegboard.files import atomic_folder
from pegboard.version import __version__

__all__ = ["LICENSES", "new_plugin"]

LICENSES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause", "none": None}
"""What can be chosen, and its SPDX name."""

_TEMPLATES = Path(__file__).with_name("templates")
_COMMON = {
    "pyproject.toml": "common/pyproject.toml.txt",
    "README.md": "common/README.md.txt",
    ".gitignore": "common/gitignore.txt",
    ".github/workflows/test.yml": "common/workflow.yml.txt",
    "tests/test_$name_.py": "common/test.py.txt",
}
_OF_KIND = {
    "tokenizer": ("__init__.py",),
    "encoder": ("__init__.py", "options.py", "encoder.py"),
    "dataset": ("__init__.py", "train.csv"),
    "trainer": ("__init__.py", "options.py", "trainer.py"),
}
_DEPENDENCIES = {"tokenizer": (), "encoder": ("torch>=2.4",), "dataset": ("datasets>=3.0",), "trainer": ("torch>=2.4",)}
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


def new_plugin(name: str, kind: str, folder: Path, *, license_name: str = "apache-2.0", author: str = "") -> Path:
    """Write a package with one component.

    Args:
        name: the component's name; the distribution is `pegboard-<name>`.
        kind: `tokenizer`, `encoder`, `dataset` or `trainer`.
        folder: the package's folder appears in it.
        license_name: a key of `LICENSES`.
        author: the copyright holder for licences that name one.

    Returns:
        The package's folder.

    Raises:
        UsageError: the name is no name, or the folder is there already.
        RunError: it can't be written.

    Example:
        >>> new_plugin("vowels", "tokenizer", Path("."))
        PosixPath('pegboard-vowels')
    """
    name = name.removeprefix("pegboard-")
    if not _NAME.fullmatch(name):
        raise UsageError("a name is lower case letters and digits, with '-' or '_' between", where=name)
    target = folder / f"pegboard-{name.replace('_', '-')}"
    if target.exists():
        raise UsageError("is there already", where=str(target), hint="choose another name or --dir")
    values = _values(name, kind, license_name, author)
    files = {path.replace("$name_", values["name_"]): source for path, source in _COMMON.items()}
    files |= {f"src/{values['module']}/{file}": f"{kind}/{file}.txt" for file in _OF_KIND[kind]}
    if LICENSES[license_name]:
        files["LICENSE"] = f"licenses/{license_name}.txt"
    with atomic_folder(target) as new:
        for path, source in files.items():
            _write(new / path, Template((_TEMPLATES / source).read_text(encoding="utf-8")).safe_substitute(values))
        _write(new / "src" / values["module"] / "py.typed", "")
    return target


def _values(name: str, kind: str, license_name: str, author: str) -> dict[str, str]:
    """What stands in the templates' places."""
    spdx = LICENSES[license_name]
    major, minor = __version__.split(".")[:2]
    needs = [f"pegboard>={major}.{minor},<{major}.{int(minor) + 1}", *_DEPENDENCIES[kind]]
    name_ = name.replace("-", "_")
    return {
        "name": name,
        "name_": name_,
        "kind": kind,
        "Kind": kind.capitalize(),
        "Class": "".join(part.capitalize() for part in name_.split("_")) + kind.capitalize(),
        "module": f"pegboard_{name_}",
        "distribution": f"pegboard-{name.replace('_', '-')}",
        "summary": f"the {kind} {name}",
        "main_file": f"{kind}.py" if f"{kind}.py" in _OF_KIND[kind] else "__init__.py",
        "dependencies": ", ".join(f'"{need}"' for need in needs),
        "package_data": '"py.typed", "*.csv"' if kind == "dataset" else '"py.typed"',
        "license_lines": f'license = "{spdx}"\nlicense-files = ["LICENSE"]' if spdx else "",
        "year": str(datetime.date.today().year),
        "author": author or f"the authors of pegboard-{name}",
    }


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
