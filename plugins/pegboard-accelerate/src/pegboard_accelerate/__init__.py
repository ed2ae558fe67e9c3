"""The trainer `accelerate`: one loop for a laptop's processor, a GPU, and several of either."""

from __future__ import annotations

from collections.abc import Iterator

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_trainers() -> Iterator[ComponentSpec]:
    """The trainer that a recipe gets when it names none."""
    yield ComponentSpec(
        name="accelerate",
        factory="pegboard_accelerate.trainer:AccelerateTrainer",
        summary="AdamW on Hugging Face Accelerate; resumes exactly, bf16/fp16, several processes",
        options="pegboard_accelerate.options:AccelerateOptions",
        requires=("accelerate>=1.0", "torch>=2.4"),
        default=True,
    )
