"""Foreign pickles, read as inert data: nothing in them is ever imported, constructed or called.

A pickle is a program. This reader follows its steps, but where the program would fetch a class or call it, an `Inert`
takes its place that only notes the name, the arguments and the state. Numbers, text, bytes, lists, tuples, sets and
dictionaries are made as they are. So reading can at worst fail, or take long, and `frame_column` can still find a
column of a pandas table in what was noted (seen to work with pandas 0.25 of 2019, 1.1, 1.3 and 2.2).
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hounsfield.core.errors import BadInput, MissingInput

MAX_BYTES = 2**29  # a loader over a million slices pickles to some 60 MB
TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # torch.save before 1.6: this, a version, facts of the system, then the object
TORCH_PREAMBLE = 3
# what a damaged or hostile sequence of steps can raise
DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
RECONSTRUCTORS = ("copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__")
# how numpy and pandas have called, in pickles, the parts of a table
ARRAYS = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
MAX_COLUMNS = 10_000


@dataclass(eq=False)
class Inert:
    """What stands in for a class, a function, or an object of one."""

    name: str  # module.qualified_name
    args: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)  # what was appended to it

    def append(self, item: Any) -> None:
        """Take an element, as an object does that pickles like a list."""
        self.items.append(item)

    add = append

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))


def read_inert(path: Path) -> Any:
    """Read a pickle, or what torch.save wrote (its zip form, or the older sequence of pickles).

    Raises MissingInput, or BadInput when it is damaged or too large.
    """
    if not path.is_file():
        raise MissingInput(f"{path} is missing")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1) if not zipfile.is_zipfile(path) else _torch_member(path)
        if len(content) > MAX_BYTES:
            raise BadInput(f"{path} is larger than {MAX_BYTES} bytes; a row order is not")
        stream = io.BytesIO(content)
        value = _InertUnpickler(stream).load()
        if value == TORCH_MAGIC:
            for _ in range(TORCH_PREAMBLE):
                value = _InertUnpickler(stream).load()
    except DAMAGED as error:
        raise BadInput(f"{path} is no readable pickle ({type(error).__name__})") from error
    return value


def _torch_member(path: Path) -> bytes:
    """The pickle within torch's zip form; at most one byte more than the limit is read."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(names) != 1:
            raise BadInput(f"{path} is a zip without one data.pkl; torch.save did not write it")
        with archive.open(names[0]) as member:
            return member.read(MAX_BYTES + 1)


# The reader in Python and not the one in C: a pickle of ten bytes can make the latter's memo fill all memory.
class _InertUnpickler(pickle._Unpickler):
    """Every step that would import or call something notes it instead."""

    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="latin1")  # Python 2 wrote raw bytes as text

    def find_class(self, module: str, name: str) -> Any:
        return Inert(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return Inert("persistent", (pid,))

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError(f"extension {code}")

    def load_reduce(self) -> None:
        """Instead of calling a function with its arguments."""
        args = self.stack.pop()
        self.stack[-1] = _noted_call(self.stack[-1], args)

    def load_newobj_ex(self) -> None:
        """Instead of making an object with arguments by name."""
        named = self.stack.pop()
        args = self.stack.pop()
        self.stack[-1] = _noted_call(self.stack[-1], (*args, named))

    def _instantiate(self, klass: Any, args: Any) -> None:
        """Instead of making an object, in the oldest protocols."""
        self.append(_noted_call(klass, tuple(args)))

    def load_build(self) -> None:
        """Instead of handing an object its state."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Inert):
            raise pickle.UnpicklingError("a state for what has none")
        self.stack[-1].state = state

    def load_bytearray8(self) -> None:
        """Take no memory before the bytes are there."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(size))

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_reduce,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }


def _noted_call(called: Any, args: Any) -> Any:
    if not isinstance(called, Inert) or not isinstance(args, tuple):
        raise pickle.UnpicklingError("a call of what is no function")
    if called.name == "_codecs.encode" and len(args) == 2 and isinstance(args[0], str) and args[1] == "latin1":
        return args[0].encode("latin1")  # how protocol 2 writes bytes
    if called.name in RECONSTRUCTORS and args and isinstance(args[0], Inert):
        return Inert(args[0].name, args[1:])
    return Inert(called.name, args)


def frame_column(frame: Any, column: str) -> list[str]:
    """The texts of one column of a pickled pandas table, where texts are an object array (before pandas 3).

    Raises BadInput when `frame` is no such table, or the column holds anything but texts.
    """
    try:
        blocks, columns = _blocks_and_columns(frame)
        names = _objects(columns, 1) or []
        if column not in names:
            listing = [name for name in names if isinstance(name, str)][:10]
            raise BadInput(f"a pickled table has no column {column}; it has {listing}")
        wanted = names.index(column)
        for values, places in blocks:
            positions = _positions(places)
            if wanted in positions:
                elements = _objects(values, 2)
                rows = len(elements or ()) // len(positions)
                texts = None if elements is None else elements[positions.index(wanted) * rows :][:rows]
                if texts is not None and all(isinstance(text, str) for text in texts):
                    return texts
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise BadInput(f"no pickled table of a pandas version that is known ({type(error).__name__})") from error
    raise BadInput(f"the column {column} of a pickled table is not plain text")


def _blocks_and_columns(frame: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """The blocks of a table, as (values, positions of their columns), and the array of column names."""
    manager = frame.state.get("_mgr") or frame.state["_data"]  # since pandas 1.1, and before
    if manager.state is not None:  # until pandas 1.2
        inner = manager.state[3]["0.14.1"]
        blocks = [(block["values"], block["mgr_locs"]) for block in inner["blocks"]]
        index = inner["axes"][0]
    else:
        blocks = [(block.args[0], block.args[1]) for block in manager.args[0]]
        index = manager.args[1][0]
    return blocks, index.args[1]["data"]


def _objects(array: Any, dimensions: int) -> list[Any] | None:
    """The elements of a pickled object array, row by row; None for an array of numbers."""
    if not isinstance(array, Inert) or array.name not in ARRAYS:
        raise ValueError
    _, shape, _, _, elements = array.state
    if not isinstance(elements, list):
        return None
    if len(shape) != dimensions or len(elements) != math.prod(shape):
        raise ValueError
    return elements


def _positions(places: Any) -> list[int]:
    """Which columns a block holds: a slice, or an array of 64-bit integers."""
    if places.name.endswith(".slice"):
        start, stop, step = places.args
        return list(range(start, min(stop, start + MAX_COLUMNS * step), step))
    buffer = places.state[4] if places.name in ARRAYS else places.args[0]
    return [int(place) for place in np.frombuffer(buffer, "<i8")[:MAX_COLUMNS]]
