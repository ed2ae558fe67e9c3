"""`pegboard cache`: what is kept between runs, and how to free it."""

from __future__ import annotations

from datetime import datetime

import click

from pegboard.cli.common import print_json, table
from pegboard.cli.lazy import Command, Group

__all__ = ["cache"]


@click.group(cls=Group)
def cache() -> None:
    """Show and free what is kept between runs: data as Arrow, trained tokenizers, and texts as ids.

    Everything in it is made again when it is needed. It lies where PEGBOARD_CACHE says, or in the system's folder for
    caches.
    """


@cache.command("list", cls=Command)
@click.option("--kind", help="Entries of one kind only: data, tokenizer, tokens.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(kind: str | None, as_json: bool) -> None:
    """List what the cache holds, with sizes."""
    from pegboard.cache import Cache, cache_folder

    root = cache_folder()
    entries = [entry for entry in Cache(root).entries() if kind in (None, entry.kind)]
    total = sum(entry.size for entry in entries)
    if as_json:
        listed = [
            {
                "kind": entry.kind,
                "digest": entry.digest,
                "description": entry.description,
                "bytes": entry.size,
                "used": datetime.fromtimestamp(entry.used).astimezone().isoformat(timespec="seconds"),
                "folder": str(entry.folder),
            }
            for entry in entries
        ]
        print_json({"folder": str(root), "bytes": total, "entries": listed})
        return
    if entries:
        rows = [
            [
                entry.kind,
                entry.digest[:12],
                in_units(entry.size),
                f"{datetime.fromtimestamp(entry.used):%Y-%m-%d %H:%M}",
                entry.description,
            ]
            for entry in entries
        ]
        click.echo(table(rows, header=("kind", "entry", "size", "last used", "what")) + "\n")
    number = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
    click.echo(f"{number}, {in_units(total)} in {root}")


@cache.command(cls=Command)
@click.option("--kind", help="Remove entries of one kind only: data, tokenizer, tokens.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; implies --yes.")
def clear(kind: str | None, yes: bool, as_json: bool) -> None:
    """Remove what the cache holds; it is made again when it is needed."""
    from pegboard.cache import Cache, cache_folder

    root = cache_folder()
    entries = [entry for entry in Cache(root).entries() if kind in (None, entry.kind)]
    if entries and not (yes or as_json):
        size = in_units(sum(entry.size for entry in entries))
        click.confirm(f"Remove {len(entries)} entries, {size}, from {root}?", abort=True, err=True)
    removed, freed = Cache(root).clear(kind)
    if as_json:
        print_json({"folder": str(root), "removed": removed, "bytes": freed})
    else:
        click.echo(f"{removed} removed, {in_units(freed)} freed")


def in_units(size: int) -> str:
    """Bytes as a person reads them.

    Example:
        >>> in_units(1234567)
        '1.2 MB'
    """
    shown = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if shown < 1000 or unit == "GB":
            break
        shown /= 1000
    return f"{shown:,.0f} {unit}" if unit == "B" else f"{shown:,.1f} {unit}"
