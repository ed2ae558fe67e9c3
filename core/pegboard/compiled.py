"""Loops over bytes and arrays as machine code, where Numba is installed: `pip install "pegboard[fast]"`.

They are compiled once, when something large needs them first, and kept in the cache as an object file that refers to
nothing outside of itself. To load it takes llvmlite alone, some milliseconds, and no pickle.
"""

from __future__ import annotations

import ast
import ctypes
import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CompiledLoops", "compile_loops"]

_POINTERS = {
    "u8": "uint8",
    "u32": "uint32",
    "u64": "uint64",
    "i32": "int32",
    "i64": "int64",
    "f64": "float64",
    "bool": "uint8",
}
_MAY_IMPORT = {"__future__", "collections", "numpy", "typing"}
"""Nothing that could change while the file of the loops, by which their machine code is found, stays the same."""

_FILE = "kernels.o"


class CompiledLoops:
    """The loops of a module of Python, compiled; a subclass says which.

    An argument is an integer or a contiguous array, of which the address is passed: nothing checks an index. Instead of
    an array there may be an address. A loop raises no error and returns an integer. Other threads run meanwhile.

    Args:
        code: what `compile_loops` gave.

    Attributes:
        source: the name of the module, which is one file and imports NumPy at most; functions there whose names begin
            with an underscore are parts of the loops.
        signatures: by the name of each loop the types of its arguments, such as `i64 f64*`, with `*` for an array. The
            types are u8, u32, u64, i32, i64, f64 and bool; what is no array is an i64.

    Example:
        >>> class Sums(CompiledLoops):
        ...     source = "sums.loops"  # def total(numbers, count): ...
        ...     signatures: ClassVar = {"total": "i64* i64"}
        ...     total: Callable[..., int]
        >>> sums = Sums.load()  # doctest: +SKIP
        >>> sums.total(np.arange(5, dtype=np.int64), 5) if sums is not None else 10  # doctest: +SKIP
        10
    """

    source: ClassVar[str]
    signatures: ClassVar[Mapping[str, str]]

    def __init__(self, code: bytes) -> None:
        import llvmlite.binding as llvm

        machine = _machine()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        for name, signature in self.signatures.items():
            kinds = signature.split()
            address = self._engine.get_function_address(_symbol(name))
            if not address:
                raise LookupError(f"the compiled code has no {name}")
            passed = [ctypes.c_void_p if kind.endswith("*") else ctypes.c_int64 for kind in kinds]
            function = ctypes.CFUNCTYPE(ctypes.c_int64, *passed)(address)
            setattr(self, name, partial(_call, function, [_dtype(kind) for kind in kinds]))

    @classmethod
    def load(cls) -> Self | None:
        """The loops, compiled now or earlier; `None` where there are none, which `why_not` explains."""
        found = cls._once()
        return found if isinstance(found, cls) else None

    @classmethod
    def why_not(cls) -> str | None:
        """Why there are no compiled loops."""
        found = cls._once()
        return found if isinstance(found, str) else None

    @classmethod
    def _once(cls) -> CompiledLoops | str:
        with _lock:
            if cls not in _loaded:
                try:
                    _loaded[cls] = cls(_code_of(cls))
                except Exception as error:  # whatever is wrong with Numba or LLVM, NumPy does the same work
                    _loaded[cls] = f"{type(error).__name__}: {error}"
            return _loaded[cls]


_lock = Lock()
_loaded: dict[type[CompiledLoops], CompiledLoops | str] = {}
"""The loops that this process has loaded, or why it has not."""


def _code_of(loops: type[CompiledLoops]) -> bytes:
    if find_spec("numba") is None:
        raise ImportError('Numba is not installed (pip install "pegboard[fast]")')
    from pegboard.cache import Cache, cache_folder

    cache = Cache.open()
    if cache.root != cache_folder():
        raise OSError("there is no lasting cache to keep the compiled code in")

    def build(folder: Path) -> None:
        _refuse_imports(loops.source, _file_of(loops))
        file = folder / _FILE
        file.touch(0o600)
        file.write_bytes(compile_loops(import_module(loops.source), loops.signatures))

    folder = cache.folder("code", _key(loops), f"compiled loops of {loops.source}", build)
    return _own_bytes(folder / _FILE)


def _file_of(loops: type[CompiledLoops]) -> Path:
    place = find_spec(loops.source)
    if place is None or place.origin is None:
        raise ImportError(f"there is no module {loops.source}")
    return Path(place.origin)


def _key(loops: type[CompiledLoops]) -> dict[str, str]:
    """All that the machine code depends on; versions of Numba go together with those of llvmlite."""
    import llvmlite
    import llvmlite.binding as llvm

    source = _file_of(loops).read_bytes() + repr(dict(loops.signatures)).encode() + Path(__file__).read_bytes()
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


def _refuse_imports(module: str, file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        if others := [name for name in names if name.split(".")[0] not in _MAY_IMPORT]:
            raise ImportError(f"{module} imports {others[0]}: put all that its loops need into its own file")


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


def _dtype(kind: str) -> np.dtype[Any] | None:
    """Of what type an array must be; `None` where there is no array."""
    return np.dtype(np.bool_ if kind == "bool*" else _POINTERS[kind[:-1]]) if kind.endswith("*") else None


def _call(function: Any, dtypes: Sequence[np.dtype[Any] | None], *arguments: Any) -> int:
    result: int = function(*map(_passed, dtypes, arguments))
    return result


def _passed(dtype: np.dtype[Any] | None, argument: Any) -> Any:
    """An integer, or the address of an array.

    Raises:
        TypeError: the array is of another type, or there are gaps in it.
    """
    if not isinstance(argument, np.ndarray):
        return argument
    if argument.dtype != dtype or not argument.flags.c_contiguous:
        raise TypeError(f"a compiled loop was given an array of {argument.dtype}, and needs one of {dtype}, contiguous")
    return argument.__array_interface__["data"][0]
