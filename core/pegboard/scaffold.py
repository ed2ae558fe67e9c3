"""Write a new plugin package that is complete: it installs, passes its own tests and trains at once."""

from __future__ import annotations

import datetime
import json
import os
import re
from pathlib import Path
from string import Template

from pegboard.errors import UsageError
from pegboard.files import atomic_folder
from pegboard.plugins.catalogue import packages_with, published_packages
from pegboard.version import __version__

__all__ = ["LICENSES", "PLACES_TO_EDIT", "new_plugin"]

LICENSES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause", "none": None}
"""What can be chosen, and its SPDX name."""

PLACES_TO_EDIT = {
    "tokenizer": ("__init__.py", "split"),
    "encoder": ("encoder.py", "forward"),
    "dataset": ("__init__.py", "load"),
    "trainer": ("trainer.py", "fit"),
}
"""The file and the method in which an author begins."""

_TEMPLATES = Path(__file__).with_name("templates")
_COMMON = {
    "pyproject.toml": "common/pyproject.toml.txt",
    "README.md": "common/README.md.txt",
    ".gitignore": "common/gitignore.txt",
    ".github/workflows/test.yml": "common/workflow.yml.txt",
}
_OF_KIND = {
    "tokenizer": ("__init__.py",),
    "encoder": ("__init__.py", "options.py", "encoder.py"),
    "dataset": ("__init__.py", "train.csv"),
    "trainer": ("__init__.py", "options.py", "trainer.py"),
}
_DEPENDENCIES = {"tokenizer": (), "encoder": ("torch>=2.4",), "dataset": ("datasets>=3.0",), "trainer": ("torch>=2.4",)}
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_LONGEST_NAME = 60


def new_plugin(name: str, kind: str, folder: Path, *, license_name: str = "apache-2.0", author: str = "") -> Path:
    """Write a package with one component.

    Args:
        name: the component's name; the distribution is `pegboard-<name>`.
        kind: `tokenizer`, `encoder`, `dataset` or `trainer`.
        folder: the package's folder appears in it.
        license_name: a key of `LICENSES`.
        author: who wrote it; stands in the metadata, and as copyright holder in licences that name one.

    Returns:
        The package's folder.

    Raises:
        UsageError: the name is no name or is taken, or the folder is there already.
        RunError: it can't be written.

    Example:
        >>> new_plugin("vowels", "tokenizer", Path("."))
        PosixPath('pegboard-vowels')
    """
    name = name.removeprefix("pegboard-").removeprefix("pegboard_")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UsageError(
            "a name is lower case letters and digits, with '-' or '_' between, and begins with a letter",
            where=repr(name),
            hint="for example: my-words",
        )
    if not author.isprintable():
        raise UsageError("a name must be one line of text", where="--author")
    distribution = f"pegboard-{name.replace('_', '-')}"
    taken = packages_with(kind, name) or sorted({distribution} & published_packages())
    if taken:
        raise UsageError(f"is taken by the published package {taken[0]}", where=repr(name), hint="choose another name")
    target = folder / distribution
    if os.path.lexists(target):
        raise UsageError("is there already", where=str(target), hint="choose another name or --dir")
    values = _values(name, kind, license_name, author)
    with atomic_folder(target) as new:
        for path, source in _files(values, kind, license_name).items():
            text = Template((_TEMPLATES / source).read_text(encoding="utf-8")).substitute(values) if source else ""
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_text(text, encoding="utf-8")
    return target


def _files(values: dict[str, str], kind: str, license_name: str) -> dict[str, str]:
    """The files of a package, and the template of each; an empty file has none."""
    package = f"src/{values['module']}"
    files = {**_COMMON, f"tests/test_{values['name_']}.py": f"{kind}/test.py.txt", f"{package}/py.typed": ""}
    files |= {f"{package}/{file}": f"{kind}/{file}.txt" for file in _OF_KIND[kind]}
    if LICENSES[license_name]:
        files["LICENSE"] = f"licenses/{license_name}.txt"
    return files


def _values(name: str, kind: str, license_name: str, author: str) -> dict[str, str]:
    """What stands in the templates' places."""
    major, minor = __version__.split(".")[:2]
    needs = [f"pegboard>={major}.{minor},<{major}.{int(minor) + 1}", *_DEPENDENCIES[kind]]
    name_ = name.replace("-", "_")
    options_file = "options.py" in _OF_KIND[kind]
    return {
        "name": name,
        "name_": name_,
        "kind": kind,
        "Class": "".join(part.capitalize() for part in [*name_.removesuffix(f"_{kind}").split("_"), kind]),
        "module": f"pegboard_{name_}",
        "distribution": f"pegboard-{name.replace('_', '-')}",
        "summary": f"the {kind} {name}",
        "Summary": f"The {kind} {name}",
        "main_file": PLACES_TO_EDIT[kind][0],
        "main_method": PLACES_TO_EDIT[kind][1],
        "options_text": "They stand in `options.py`." if options_file else f"Those that every {kind} has.",
        "dependencies": ", ".join(f'"{need}"' for need in needs),
        "package_data": '"py.typed", "*.csv"' if kind == "dataset" else '"py.typed"',
        "more_metadata": _metadata(license_name, author),
        "license_text": f"{LICENSES[license_name]}, see LICENSE."
        if LICENSES[license_name]
        else "None has been chosen.",
        "year": str(datetime.date.today().year),
        "author": author or f"the authors of pegboard-{name.replace('_', '-')}",
    }


def _metadata(license_name: str, author: str) -> str:
    """Lines of pyproject.toml on licence and author; without a licence an index refuses the package."""
    spdx = LICENSES[license_name]
    lines = ['classifiers = ["Private :: Do Not Upload"]']
    if spdx:
        lines = [f'license = "{spdx}"', 'license-files = ["LICENSE"]']
    if author:
        lines.append(f"authors = [{{ name = {json.dumps(author, ensure_ascii=False)} }}]")
    return "\n".join(lines)
