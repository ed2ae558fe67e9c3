"""Labels as arrays: integers [rows] where a row has one, bool [rows, labels] where it has any number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_arrow", "indicators", "labels_of", "occurring", "rows_with", "stratified"]

Rows = npt.NDArray[np.int64]
Labels = npt.NDArray[Any]


def labels_of(columns: Iterable[pa.Array], count: int, split: str) -> Labels:
    """The labels in a column of numbers, or of lists of numbers.

    Args:
        columns: the column `label`, in consecutive parts.
        count: how many labels there are.
        split: the name of the split, for errors.

    Returns:
        Integers [rows], as small ones as the number of labels allows, since there may be very many rows; or bool
        [rows, labels].

    Raises:
        DataError: a row has no label or list, a number stands for none of the labels, or a list has it twice.
    """
    parts: list[Labels] = []
    first = 0
    for column in columns:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        if missing.any():
            raise DataError("the label is missing", where=f"{split}, row {first + missing.argmax()}")
        if hasattr(column.type, "value_type"):
            parts.append(_from_lists(column, count, split, first))
        else:
            numbers = column.to_numpy()
            _refuse_unnamed(numbers, first + np.arange(len(numbers)), count, split)
            parts.append(numbers.astype(np.min_scalar_type(-count)))
        first += len(column)
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _from_lists(column: pa.Array, count: int, split: str, first: int) -> npt.NDArray[np.bool_]:
    rows, flat = _flat(column)
    empty = flat.is_null().to_numpy(zero_copy_only=False)
    if empty.any():
        where = f"{split}, row {first + rows[empty.argmax()]}"
        raise DataError("a label in the list is missing", where=where, hint="no label: an empty list")
    numbers = flat.to_numpy().astype(np.int64)
    _refuse_unnamed(numbers, first + rows, count, split)
    pairs = rows * count + numbers
    distinct, kept = np.unique(pairs, return_index=True)
    if len(distinct) < len(pairs):
        row = int(rows[np.delete(np.arange(len(pairs)), kept)].min())
        raise DataError("the list has a label twice", where=f"{split}, row {first + row}")
    return indicators(rows, numbers, len(column), count)


def indicators(rows: Rows, labels: Rows, row_count: int, label_count: int) -> npt.NDArray[np.bool_]:
    """Bool [rows, labels] from the pairs of rows and labels that belong together."""
    result = np.zeros((row_count, label_count), np.bool_)
    result[rows, labels] = True
    return result


def _flat(column: pa.Array) -> tuple[Rows, pa.Array]:
    """The row of each element of a column of lists, and the elements."""
    import pyarrow.compute as pc

    sizes = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.repeat(np.arange(len(column)), sizes), pc.list_flatten(column)


def _refuse_unnamed(labels: Rows, rows: Rows, count: int, split: str) -> None:
    outside = (labels < 0) | (labels >= count)
    if outside.any():
        place = int(outside.argmax())
        hint = "-1 often stands for a label kept secret: leave that split out" if labels[place] == -1 else None
        raise DataError(f"label {labels[place]} has no name", where=f"{split}, row {rows[place]}", hint=hint)


def occurring(labels: Labels) -> list[int]:
    """The numbers of the labels that a row has, ascending."""
    found = np.flatnonzero(labels.any(axis=0)) if labels.ndim == 2 else np.unique(labels)
    return [int(label) for label in found]


def rows_with(labels: Labels, label: int) -> Rows:
    """The rows that have a label, ascending."""
    return np.flatnonzero(labels[:, label] if labels.ndim == 2 else labels == label)


def as_arrow(labels: Labels, names: Sequence[str] | None = None) -> pa.Array:
    """Labels as a column: numbers or names, or lists of them in the order of the labels.

    Args:
        labels: integers [rows] or bool [rows, labels].
        names: the labels' names; without them the column has numbers (int64).
    """
    import pyarrow as pa

    flat = np.nonzero(labels)[1] if labels.ndim == 2 else labels
    values = pa.array(flat, pa.int64()) if names is None else pa.array(names, pa.string()).take(pa.array(flat))
    if labels.ndim == 1:
        return values
    ends = np.cumsum(labels.sum(axis=1), dtype=np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), ends])
    if offsets[-1] < 2**31:
        return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)


def stratified(labels: Labels, shares: Mapping[str, float], seed: int) -> dict[str, Rows]:
    """Row numbers for train and each share, ascending; every label keeps its proportion, and stays in train.

    Args:
        labels: int64 [rows] or bool [rows, labels].
        shares: the share of the rows for each split that is to be cut.
        seed: decides which rows those are.
    """
    generator = np.random.default_rng(seed)
    if labels.ndim == 2:
        return _iteratively_stratified(labels, shares, generator)
    taken: dict[str, list[Rows]] = {"train": [], **{name: [] for name in shares}}
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        for name, share in shares.items():
            count = min(round(share * int((labels == label).sum())), max(0, len(rows) - 1))
            taken[name].append(rows[:count])
            rows = rows[count:]
        taken["train"].append(rows)
    return {name: np.sort(np.concatenate(rows)).astype(np.int64) for name, rows in taken.items()}


def _iteratively_stratified(
    labels: npt.NDArray[np.bool_], shares: Mapping[str, float], generator: np.random.Generator
) -> dict[str, Rows]:
    """As `stratified`, for rows with any number of labels.

    After Sechidis, Tsoumakas and Vlahavas (2011), "On the stratification of multi-label data": the label with the
    fewest rows that are left is dealt out first, and what its rows bring along of other labels counts for those.
    Rows without a label come last. Where a label is owed part of a row, chance decides.
    """
    count = len(labels)
    part_of = np.full(count, -1)  # 0 = train, then the shares in their order
    totals = labels.sum(axis=0)
    owed = {name: share * totals for name, share in shares.items()}
    left = totals.copy()
    free = np.ones(count, np.bool_)
    while left.any():
        label = int(np.where(left > 0, left, count + 1).argmin())
        rows = generator.permutation(np.flatnonzero(free & labels[:, label]))
        for part, name in enumerate(shares, 1):
            wanted = int(np.floor(max(0.0, float(owed[name][label])) + generator.random()))
            taken, rows = rows[:wanted], rows[wanted:]
            part_of[taken] = part
            brought = labels[taken].sum(axis=0)
            owed[name] = owed[name] - brought
            left -= brought
            free[taken] = False
        part_of[rows] = 0
        left -= labels[rows].sum(axis=0)
        free[rows] = False
    rows = generator.permutation(np.flatnonzero(free))
    start = 0
    for part, share in enumerate(shares.values(), 1):
        # What the others lack or have too much of, these make up for.
        wanted = round(share * count) - int((part_of == part).sum())
        end = start + min(max(0, wanted), round(2 * share * len(rows)))
        part_of[rows[start:end]] = part
        start = end
    part_of[rows[start:]] = 0
    for one in np.flatnonzero(totals):
        rows = np.flatnonzero(labels[:, one])
        if (part_of[rows] != 0).all():
            part_of[rows[0]] = 0
    return {name: np.flatnonzero(part_of == part) for part, name in enumerate(["train", *shares])}
