"""Options of the recurrent encoder."""

from __future__ import annotations

from typing import Literal

from pegboard import Options
from pydantic import Field, model_validator

__all__ = ["RnnOptions"]


class RnnOptions(Options):
    """What the recurrent encoder can be told."""

    cell: Literal["gru", "lstm", "rnn"] = "gru"
    """what makes the next state from a token's vector and the previous state; rnn is the plain cell, for teaching"""
    embedding_size: int = Field(128, ge=1)
    """size of a token's vector"""
    hidden_size: int = Field(128, ge=1)
    """size of the hidden state, of each direction"""
    layers: int = Field(1, ge=1)
    """recurrent layers; each reads the states of the one below"""
    bidirectional: bool = True
    """also read the text from its end; the two directions' states are put side by side"""
    dropout: float = Field(0.3, ge=0, lt=1)
    """share of the token vectors, of the states between layers and of the pooled vector that is zeroed in training"""
    pooling: Literal["last", "mean", "max", "attention"] = "max"
    """how a text's states become one vector"""
    implementation: Literal["fused", "loop"] = "fused"
    """fused is the fast one; loop is the same computation step by step, slow and readable"""
    downsample: int = Field(1, ge=1)
    """positions that a convolution merges into one before the recurrent layers, for characters; 1 leaves it out"""
    kernel_size: int = Field(7, ge=1)
    """positions that the convolution sees at once; odd, and at least `downsample`"""
    channels: int = Field(256, ge=1)
    """size of the convolution's output"""

    @model_validator(mode="after")
    def _kernel_fits(self) -> RnnOptions:
        if self.downsample > 1 and (self.kernel_size % 2 == 0 or self.kernel_size < self.downsample):
            raise ValueError(
                f"kernel_size must be odd and at least downsample ({self.downsample}), so that no position is skipped"
            )
        return self
