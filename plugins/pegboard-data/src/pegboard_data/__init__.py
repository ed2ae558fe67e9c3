"""Data sets for Pegboard: `moods` is built in, `files` reads your own, `hub` loads from the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterable

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_datasets() -> Iterable[ComponentSpec]:
    """The data sets of this package."""
    yield ComponentSpec(
        name="moods",
        factory="pegboard_data.moods:MoodsDataset",
        options="pegboard:DatasetOptions",
        summary="7,171 short English texts in six moods; built in, needs no network",
        default=True,
    )
    yield ComponentSpec(
        name="files",
        factory="pegboard_data.files:FilesDataset",
        options="pegboard_data.options:FilesOptions",
        summary="your own texts: .csv, .tsv, .jsonl, .parquet, .txt, also .gz, or a folder of them",
        schemes=("path",),
    )
    yield ComponentSpec(
        name="hub",
        factory="pegboard_data.hub:HubDataset",
        options="pegboard_data.hub_options:HubOptions",
        summary="a data set of the Hugging Face Hub, as hub:owner/name",
        schemes=("hub",),
    )
