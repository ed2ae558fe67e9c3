"""Where a checkpoint's files are: in a folder, in an installed package, or on the Hub; or a tokenizer's single file.

Only files that are data are ever asked for: JSON, vocabularies and safetensors.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from pathlib import Path
from typing import Any, Protocol

import pegboard
from pegboard import ArtifactError, ComponentError, PegboardWarning, RecipeError

__all__ = ["Checkpoint", "open_checkpoint", "read_json"]

_PACKAGE = "package:"
_JSON_BYTES = 32 * 2**20
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


class Checkpoint(Protocol):
    """A set of named files."""

    reference: str

    def find(self, name: str, *, optional: bool = False) -> Path | None:
        """The file of that name on this machine, downloaded first where need be; `None` if there is none.

        Args:
            name: the file's name.
            optional: whether to go on, with a warning, where the Hub can't be asked if it has the file.

        Raises:
            RecipeError: there is no such repository or revision.
            ComponentError: the file is not in the cache, and the Hub can't be asked.
        """
        ...


def open_checkpoint(reference: str, revision: str | None, *, where: str) -> Checkpoint:
    """The checkpoint that a reference means.

    Args:
        reference: `package:NAME/sub/folder`, a folder, or a Hub id (`owner/name` or `name`). As everywhere in the
            Hugging Face libraries, a folder of that name comes before a Hub id. A file whose name ends in `.json`, on
            its own or in a package, is a checkpoint of nothing but a `tokenizer.json`.
        revision: branch, tag or commit on the Hub.
        where: the option that holds the reference, for messages: `encoder.pretrained`.

    Raises:
        RecipeError: the reference has none of the forms, or names a folder that does not exist.
        ComponentError: the package is not installed, or has no such folder.

    Example:
        >>> checkpoint = open_checkpoint("google-bert/bert-base-uncased", None, where="encoder.pretrained")
        >>> checkpoint.find("config.json")
    """
    if reference.startswith(_PACKAGE):
        local: Path | None = _in_package(reference, where)
    else:
        path = Path(reference).expanduser()
        local = path if _is_checkpoint(path) else None
    if local is not None:
        if revision is not None:
            raise RecipeError(
                f"a revision belongs to a checkpoint on the Hub, and {reference!r} is on this machine",
                where=where.replace("pretrained", "revision"),
            )
        return _Folder(reference, local) if local.is_dir() else _TokenizerFile(reference, local)
    if not _HUB_ID.fullmatch(reference) or ".." in reference or "--" in reference:
        looks_like_path = reference.startswith((".", "/", "~")) or reference.count("/") > 1 or "\\" in reference
        raise RecipeError(
            f"there is no folder {reference!r}" if looks_like_path else f"{reference!r} names no checkpoint",
            where=where,
            hint="give a folder, a Hub id such as google-bert/bert-base-uncased, package:NAME/sub/folder, "
            "or for a tokenizer alone its tokenizer.json",
        )
    return _OnHub(reference, revision, where)


def read_json(file: Path, where: str) -> dict[str, Any]:
    """The object in a checkpoint's JSON file.

    Raises:
        RecipeError: it is not a JSON object.
    """
    try:
        content = pegboard.read_json(file.resolve(), most_bytes=_JSON_BYTES)
    except ArtifactError as error:
        raise RecipeError(f"{file.name} of the checkpoint {error.what}", where=where) from None
    if not isinstance(content, dict):
        raise RecipeError(f"{file.name} of the checkpoint is not a JSON object", where=where)
    return content


class _Folder:
    def __init__(self, reference: str, folder: Path) -> None:
        self.reference = reference
        self._folder = folder
        own = folder.resolve()
        # The Hub's cache keeps a repository's files in one place, and links to them in its snapshots.
        self._within = own.parent.parent if own.parent.name == "snapshots" else own

    def find(self, name: str, *, optional: bool = False) -> Path | None:
        file = self._folder / name
        if not file.is_file():
            return None
        if not file.resolve().is_relative_to(self._within):
            raise RecipeError(
                f"{name} is a link that leads out of the checkpoint",
                where=str(file),
                hint="copy the files themselves, as `cp -rL` does",
            )
        return file


class _TokenizerFile:
    def __init__(self, reference: str, file: Path) -> None:
        self.reference = reference
        self._file = file

    def find(self, name: str, *, optional: bool = False) -> Path | None:
        return self._file if name == "tokenizer.json" else None


class _OnHub:
    """A repository on the Hub; its files come through huggingface_hub and stay in its cache."""

    def __init__(self, reference: str, revision: str | None, where: str) -> None:
        from huggingface_hub import constants

        self.reference = reference
        self._revision = revision
        self._where = where
        self._out_of_reach = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else ""

    def find(self, name: str, *, optional: bool = False) -> Path | None:
        if self._out_of_reach:
            return self._from_cache(name, optional)
        from huggingface_hub import errors, hf_hub_download

        try:
            file = Path(hf_hub_download(self.reference, name, revision=self._revision))
        except errors.GatedRepoError:
            raise RecipeError(
                f"access to {self.reference!r} has to be asked for on the Hub",
                where=self._where,
                hint=f"open https://huggingface.co/{self.reference}, accept its terms, then `hf auth login`",
            ) from None
        except errors.RevisionNotFoundError:
            raise RecipeError(
                f"{self.reference!r} has no revision {self._revision!r}",
                where=self._where.replace("pretrained", "revision"),
            ) from None
        except (errors.RepositoryNotFoundError, errors.HFValidationError):
            raise RecipeError(
                f"there is neither a folder nor a repository on the Hub with the name {self.reference!r}",
                where=self._where,
                hint="check the spelling; a private one needs `hf auth login`",
            ) from None
        except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, OSError) as error:
            if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
                return None
            self._out_of_reach = _first_line(error.__cause__ or error)
            return self._from_cache(name, optional)
        # What comes next is taken from the same commit, even if the branch moves meanwhile.
        self._revision = file.parent.name
        return file

    def _from_cache(self, name: str, optional: bool) -> Path | None:
        """The file as it was when the Hub was last asked; `None` where there was none."""
        from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

        known: object = try_to_load_from_cache(self.reference, name, revision=self._revision)
        if isinstance(known, str):
            return Path(known)
        if known is _CACHED_NO_EXIST:
            return None
        if optional and isinstance(try_to_load_from_cache(self.reference, "config.json", revision=self._revision), str):
            # Whoever filled the cache may have had no reason to ask for it.
            warnings.warn(f"{name} of {self.reference!r} is not in the cache: going on without", PegboardWarning, 2)
            return None
        raise ComponentError(
            f"{name} of {self.reference!r} is not in the cache, and the Hub can't be asked: {self._out_of_reach}",
            where=self._where,
            hint="go online once, or give a folder or package:NAME that holds the checkpoint",
        )


def _is_checkpoint(path: Path) -> bool:
    return path.is_dir() or (path.suffix == ".json" and path.is_file())


def _in_package(reference: str, where: str) -> Path:
    """The folder or file that `package:NAME/sub/folder` means; the package is looked up but not imported."""
    name, _, inside = reference.removeprefix(_PACKAGE).partition("/")
    if not name.isidentifier() or "\\" in inside:  # looking up a dotted name would import its parent
        raise RecipeError(
            f"{reference!r} must read package:NAME or package:NAME/sub/folder",
            where=where,
            hint="NAME is the name by which Python imports the package, without dots",
        )
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ComponentError(
            f"there is no installed package {name!r}" if spec is None else f"{name!r} is a module, not a package",
            where=where,
            hint=f"check the spelling, or install it: pip install {name.replace('_', '-')}",
        )
    for root in map(Path, spec.submodule_search_locations):
        path = (root / inside).resolve()
        if not path.is_relative_to(root.resolve()):
            raise RecipeError(f"{inside!r} leads out of the package {name!r}", where=where)
        if _is_checkpoint(path):
            return path
    raise ComponentError(
        f"the package {name!r} has no folder {inside!r}",
        where=where,
        hint=_folders_hint(Path(next(iter(spec.submodule_search_locations)))),
    )


def _folders_hint(root: Path) -> str:
    folders = sorted(config.parent.relative_to(root).as_posix() for config in root.rglob("config.json"))
    return f"it has a config.json in {', '.join(folders[:3])}" if folders else "it holds no checkpoint"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
