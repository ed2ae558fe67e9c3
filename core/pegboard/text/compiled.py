"""The loops of `kernels.py` as machine code, where Numba is installed: `pip install "pegboard[fast]"`.

They are compiled once, when a large split is first encoded, and kept in the cache as an object file that refers to
nothing outside of itself. To load it takes llvmlite alone, some milliseconds, and no pickle.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any, Protocol

import numpy as np

__all__ = ["SIGNATURES", "UNLIMITED", "Kernels", "address_of", "compile_loops", "kernels", "why_not"]

_POINTERS = {
    "u8": "uint8",
    "u32": "uint32",
    "u64": "uint64",
    "i32": "int32",
    "i64": "int64",
    "f64": "float64",
    "bool": "uint8",
}
_SLOTS = "u64* i64 u64*"
_AROUND = "i32* i64 i32* i64"
SIGNATURES = {
    "find": f"u8* i64* i64 i64 i64 i64 u32* i64 u8* i64* u64* u64* {_SLOTS} u8* i64* i64* bool* i64 i32* i64*",
    "fill_slots": "u64* i64 u64* i64",
    "lengths": "i32* i64* i64 i64* i64 i64 i64* i64*",
    "fill": f"i64* i64* i64 i32* i64 {_AROUND} i64* i32*",
    "characters": f"u8* i64* i64 i64 i32* i64 i64 {_AROUND} bool* i64* i32* i64*",
    "word_pieces": f"u8* i64* i64 i64 i64 {_SLOTS} i32* i32* i64* bool*",
    "merged_pairs": f"u8* i64* i64 i64 i32* {_SLOTS} i32* i32* i64* bool*",
    "best_paths": f"u8* i64* i64 i64 i64 {_SLOTS} i32* f64* i64* f64* i32* i64* bool*",
}
"""The types of the arguments of each loop, `*` for a pointer. Each returns an int64."""

_FILE = "kernels.o"

UNLIMITED = 2**62
"""more than there ever is"""


class _Loop(Protocol):
    def __call__(self, *arguments: Any) -> int: ...


class Kernels:
    """The loops; what each does and how much room it needs, `kernels.py` says.

    An argument is an integer or a contiguous array, of which the address is passed. Other threads run meanwhile.
    """

    find: _Loop
    fill_slots: _Loop
    lengths: _Loop
    fill: _Loop
    characters: _Loop
    word_pieces: _Loop
    merged_pairs: _Loop
    best_paths: _Loop

    def __init__(self, code: bytes, names: Iterable[str] = SIGNATURES) -> None:
        import llvmlite.binding as llvm

        machine = _machine()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        for name in names:
            kinds = [ctypes.c_void_p if kind.endswith("*") else ctypes.c_int64 for kind in SIGNATURES[name].split()]
            address = self._engine.get_function_address(_symbol(name))
            if not address:
                raise LookupError(f"the compiled code has no {name}")
            setattr(self, name, partial(_call, ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(address)))


_lock = Lock()
_loaded: Kernels | None = None
_problem: str | None = None


def kernels() -> Kernels | None:
    """The compiled loops; `None` where there are none, which `why_not` explains."""
    global _loaded, _problem
    with _lock:
        if _loaded is None and _problem is None:
            try:
                _loaded = _load()
            except Exception as error:  # whatever is wrong with Numba or LLVM, NumPy does the same work
                _problem = f"{type(error).__name__}: {error}"
        return _loaded


def address_of(buffer: Any) -> int:
    """Where the bytes of an Arrow buffer are; a loop reads none of them where there is no buffer."""
    return 0 if buffer is None else int(buffer.address)


def why_not() -> str | None:
    """Why there are no compiled loops."""
    kernels()
    return _problem


def _load() -> Kernels:
    if find_spec("numba") is None:
        raise ImportError('Numba is not installed (pip install "pegboard[fast]")')
    from pegboard.cache import Cache, cache_folder

    cache = Cache.open()
    if cache.root != cache_folder():
        raise OSError("there is no lasting cache to keep the compiled code in")
    folder = cache.folder("code", _key(), "compiled loops of the tokenizers", _build)
    return Kernels(_own_bytes(folder / _FILE))


def _key() -> dict[str, str]:
    """All that the machine code depends on; versions of Numba go together with those of llvmlite."""
    import llvmlite
    import llvmlite.binding as llvm

    source = Path(__file__).with_name("kernels.py").read_bytes() + repr(SIGNATURES).encode()
    return {
        "source": hashlib.sha256(source).hexdigest(),
        "llvmlite": llvmlite.__version__,
        "processor": f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()}",
        "features": llvm.get_host_cpu_features().flatten(),
    }


def _own_bytes(file: Path) -> bytes:
    """The content of a file that nobody but this user can have written.

    Raises:
        PermissionError: somebody else may have.
    """
    with file.open("rb") as stream:
        status = os.fstat(stream.fileno())
        if not hasattr(os, "getuid"):
            private = "PEGBOARD_CACHE" not in os.environ  # the system's own folder for caches is the user's alone
        else:
            private = status.st_uid == os.getuid() and not status.st_mode & 0o022
        if not private:
            raise PermissionError(f"{file} may have been written by somebody else")
        return stream.read()


def _build(folder: Path) -> None:
    from pegboard.text import kernels as source

    file = folder / _FILE
    file.touch(0o600)
    file.write_bytes(compile_loops(source, SIGNATURES))


def compile_loops(source: ModuleType, signatures: Mapping[str, str]) -> bytes:
    """Some loops of a module as one object file; functions whose names begin with an underscore are parts of them.

    Numba gives a function with the plain calling convention of C around each loop. What that does with Python in case
    of an error falls away once the loop, which raises none, is a part of it.
    """
    import llvmlite.binding as llvm
    from numba import cfunc, njit

    for name, function in list(vars(source).items()):
        if isinstance(function, FunctionType) and name.startswith("_"):
            setattr(source, name, njit(error_model="numpy")(function))
    machine = _machine()
    module = llvm.parse_assembly("")
    for name, signature in signatures.items():
        compiled = cfunc(_numba_signature(signature), error_model="numpy")(getattr(source, name))
        part = llvm.parse_assembly(compiled.inspect_llvm())
        for function in part.functions:
            if function.name == compiled.native_name:
                function.name = _symbol(name)
            elif not function.is_declaration:
                function.linkage = "internal"
        module.link_in(part)
    module.triple = llvm.get_process_triple()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    module.verify()
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if outside:
        raise RuntimeError(f"the compiled code refers to {outside[0]}")
    code: bytes = machine.emit_object(module)
    return code


def _machine() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        codemodel="jitdefault",
        jit=True,
    )


def _symbol(name: str) -> str:
    return f"pegboard_{name}"


def _numba_signature(signature: str) -> str:
    kinds = [f"CPointer({_POINTERS[kind[:-1]]})" if kind.endswith("*") else "int64" for kind in signature.split()]
    return f"int64({', '.join(kinds)})"


def _call(function: Any, *arguments: Any) -> int:
    result: int = function(*(a.__array_interface__["data"][0] if isinstance(a, np.ndarray) else a for a in arguments))
    return result
