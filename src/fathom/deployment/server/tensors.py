"""Tensors of the Open Inference Protocol, version 2: as JSON, or as bytes behind it.

References
----------
KServe, Open Inference Protocol, ``specification/protocol/inference_rest.md``. NVIDIA Triton
Inference Server, ``docs/protocol/extension_binary_data.md``.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic_core import to_json

from fathom.data.cells import quoted
from fathom.deployment.server.refusals import refuse

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"), "UINT8": np.dtype("u1"), "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"), "UINT64": np.dtype("<u8"), "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"), "INT32": np.dtype("<i4"), "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"), "FP32": np.dtype("<f4"), "FP64": np.dtype("<f8"),
    "BF16": np.dtype("<u2"),
}  # fmt: skip
_WRITTEN: dict[str, tuple[str, set[type]]] = {
    "BYTES": ("text", {str}), "BOOL": ("true and false", {bool}),
}  # fmt: skip
_NUMBERS: tuple[str, set[type]] = ("numbers", {int, float})
DATATYPES = (*DTYPES, "BYTES")
MOST_DIMENSIONS = 8
MOST_INPUTS = 100_000


class TensorKind(NamedTuple):
    """A tensor that a model takes or gives; -1 in the shape for any number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Tensor(NamedTuple):
    """A tensor that came: its values in order, as an array or, of BYTES, as a list of str."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: np.ndarray | list[Any]


class WantedOutput(NamedTuple):
    """An output that is asked for, and whether as bytes."""

    name: str
    is_binary: bool


class Inference(NamedTuple):
    """A request as it came."""

    id: str | None
    inputs: dict[str, Tensor]
    outputs: tuple[WantedOutput, ...] | None
    is_binary: bool


def parse_inference(given: Any, tail: memoryview) -> Inference:
    """Return the tensors of a request.

    Parameters
    ----------
    given : object
        What its JSON says.
    tail : memoryview
        The bytes behind the JSON.

    Raises
    ------
    Refusal
        For anything that is not as the protocol has it.
    """
    if not isinstance(given, dict):
        refuse("a JSON object with inputs", got=_kind(given))
    identity = given.get("id")
    if identity is not None and not isinstance(identity, str):
        refuse("id as text", got=_kind(identity))
    every = given.get("inputs")
    if not isinstance(every, list) or not every:
        refuse("inputs as a list of tensors, one at least", got=_kind(every, "inputs"))
    inputs: dict[str, Tensor] = {}
    at = 0
    for place, one in enumerate(every):
        name, shape, datatype, parameters = _head(one, place)
        if name in inputs:
            refuse("every input once", got=f"{quoted(name)} twice")
        size = parameters.get("binary_data_size")
        if size is None:
            values = _from_json(name, datatype, shape, one.get("data"))
        else:
            if "data" in one:
                refuse(f"data or binary_data_size in input {quoted(name)}", got="both")
            if not _is_whole(size) or size > len(tail) - at:
                refuse(
                    f"as many bytes behind the JSON as binary_data_size of {quoted(name)} says",
                    got=f"binary_data_size {quoted(size)} and {len(tail) - at:,} bytes left",
                )
            values = _from_bytes(name, datatype, shape, tail[at : at + size])
            at += size
        inputs[name] = Tensor(name, datatype, shape, values)
    if at != len(tail):
        refuse("no bytes behind the last tensor", got=f"{len(tail) - at:,} bytes more")
    parameters = _parameters(given, "the request")
    is_binary = parameters.get("binary_data_output") is True
    return Inference(identity, inputs, _wanted(given.get("outputs"), is_binary), is_binary)


def _kind(value: Any, name: str = "") -> str:
    if value is None:
        return f"no {name}" if name else "null"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "an object" if isinstance(value, dict) else quoted(repr(value), 40)


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _parameters(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    found = given.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict):
        refuse(f"parameters of {where} as an object", got=_kind(found))
    if "shared_memory_region" in found:
        refuse("tensors in the request", got="a shared memory region", hint="send the data itself")
    return found


def _head(one: Any, place: int) -> tuple[str, tuple[int, ...], str, dict[str, Any]]:
    """Return name, shape, datatype and parameters of an input."""
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        refuse(f"a tensor with a name as input {place + 1}", got=_kind(one))
    name, shape, datatype = one["name"], one.get("shape"), one.get("datatype")
    what = f"input {quoted(name)}"
    if (
        not isinstance(shape, list)
        or not 0 < len(shape) <= MOST_DIMENSIONS
        or not all(map(_is_whole, shape))
    ):
        refuse(f"a shape of whole numbers of 0 or more in {what}", got=quoted(shape))
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        refuse(f"one of {', '.join(DATATYPES)} as datatype of {what}", got=quoted(datatype))
    return name, tuple(shape), datatype, _parameters(one, what)


def _from_json(
    name: str, datatype: str, shape: tuple[int, ...], data: Any
) -> np.ndarray | list[Any]:
    if not isinstance(data, list):
        refuse(f"data as a list in input {quoted(name)}", got=_kind(data, "data"))
    flat = _flatten(name, data, shape)
    n = math.prod(shape)
    if len(flat) != n:
        refuse(
            f"{n:,} values in input {quoted(name)}, as its shape {list(shape)} says",
            got=f"{len(flat):,}",
        )
    kinds = set(map(type, flat)) - {type(None)}
    what, allowed = _WRITTEN.get(datatype, _NUMBERS)
    if not kinds <= allowed:
        odd = next(value for value in flat if value is not None and type(value) not in allowed)
        refuse(f"{what} in input {quoted(name)} of {datatype}", got=quoted(repr(odd), 40))
    if datatype == "BYTES":
        return flat
    return _from_numbers(name, datatype, flat)


def _flatten(name: str, data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Return the values in order; lists in lists must have the lengths that the shape says."""
    if not data or not isinstance(data[0], list):
        if any(isinstance(value, list) for value in data):
            refuse(f"data of input {quoted(name)} either flat or as its shape", got="both")
        return data
    for size in shape[:-1]:
        if len(data) != size or not all(isinstance(part, list) for part in data):
            refuse(
                f"data of input {quoted(name)} as its shape {list(shape)} says", got="another shape"
            )
        data = [value for part in data for value in part]
        if not data or not isinstance(data[0], list):
            break
    if any(isinstance(value, list) for value in data):
        refuse(f"data of input {quoted(name)} as its shape {list(shape)} says", got="deeper lists")
    return data


def _from_numbers(name: str, datatype: str, flat: list[Any]) -> np.ndarray:
    """Return numbers as an array; null where a value is missing makes it one of floats."""
    dtype = np.dtype("<f4") if datatype == "BF16" else DTYPES[datatype]
    if None in flat:
        flat = [math.nan if value is None else value for value in flat]
        dtype = np.dtype(float)
    elif dtype.kind in "iu" and any(type(value) is float for value in flat):
        refuse(f"whole numbers in input {quoted(name)} of {datatype}", got="a fraction")
    elif dtype.kind == "f":
        dtype = np.dtype(float)  # no digit of what is written is lost
    try:
        found = np.array(flat, dtype)
    except (OverflowError, ValueError):
        refuse(f"numbers that {datatype} holds in input {quoted(name)}", got="one beyond it")
    if dtype.kind == "f" and np.isinf(found).any():
        refuse(f"finite numbers in input {quoted(name)}", got="infinity")
    return found


def _from_bytes(
    name: str, datatype: str, shape: tuple[int, ...], data: memoryview
) -> np.ndarray | list[Any]:
    n = math.prod(shape)
    if datatype == "BYTES":
        return _texts(name, n, data)
    dtype = DTYPES[datatype]
    if len(data) != n * dtype.itemsize:
        refuse(
            f"{n * dtype.itemsize:,} bytes in input {quoted(name)}, as {datatype} and its shape "
            f"{list(shape)} say",
            got=f"{len(data):,}",
        )
    found = np.frombuffer(data, np.uint8 if datatype == "BOOL" else dtype)
    if datatype == "BOOL":
        if found.size and found.max() > 1:
            refuse(f"0 and 1 in input {quoted(name)} of BOOL", got=f"{found.max()}")
        return found.astype(bool)
    if datatype == "BF16":
        found = (found.astype(np.uint32) << 16).view(np.float32)
    if found.dtype.kind == "f" and np.isinf(found).any():
        refuse(f"finite numbers in input {quoted(name)}", got="infinity")
    return found


def _texts(name: str, n: int, data: memoryview) -> list[Any]:
    found: list[Any] = []
    at = 0
    while at < len(data) and len(found) <= n:
        end = at + 4
        size = struct.unpack_from("<I", data, at)[0] if end <= len(data) else -1
        if size < 0 or end + size > len(data):
            refuse(
                f"whole texts, each after its length, in input {quoted(name)}", got="a part of one"
            )
        try:
            found.append(str(data[end : end + size], "utf-8"))
        except UnicodeDecodeError:
            refuse(f"UTF-8 in input {quoted(name)}", got=f"other bytes in text {len(found) + 1}")
        at = end + size
    if len(found) != n or at != len(data):
        refuse(f"{n:,} texts in input {quoted(name)}, as its shape says", got="more or fewer")
    return found


def _wanted(outputs: Any, is_binary: bool) -> tuple[WantedOutput, ...] | None:
    if outputs is None or outputs == []:
        return None
    if not isinstance(outputs, list):
        refuse("outputs as a list", got=_kind(outputs))
    found = []
    for one in outputs:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            refuse("a name in every output", got=_kind(one))
        parameters = _parameters(one, f"output {quoted(one['name'])}")
        if parameters.get("classification"):
            refuse("outputs as they are", got="classification", hint="ask for the probabilities")
        found.append(WantedOutput(one["name"], parameters.get("binary_data", is_binary) is True))
    if len({one.name for one in found}) < len(found):
        refuse("every output once", got="one of them twice")
    return tuple(found)


class Given(NamedTuple):
    """A tensor to be given: its values in rows, of numbers or text, as an array or list."""

    kind: TensorKind
    shape: tuple[int, ...]
    values: np.ndarray | Sequence[Any]


def write_inference(
    model: str, asked: Inference, given: Mapping[str, Given], notes: Sequence[str]
) -> tuple[bytes, int | None]:
    """Return the answer, and how long its JSON is where bytes follow.

    Raises
    ------
    Refusal
        For an output that there is not.
    """
    wanted = asked.outputs or tuple(WantedOutput(name, asked.is_binary) for name in given)
    outputs, tail = [], []
    for one in wanted:
        if one.name not in given:
            refuse(f"one of the outputs {', '.join(map(quoted, given))}", got=quoted(one.name))
        kind, shape, values = given[one.name]
        described: dict[str, Any] = {
            "name": kind.name, "datatype": kind.datatype, "shape": list(shape),
        }  # fmt: skip
        if one.is_binary:
            data = _to_bytes(kind.datatype, values)
            described["parameters"] = {"binary_data_size": len(data)}
            tail.append(data)
        else:
            is_array = isinstance(values, np.ndarray)
            described["data"] = values.reshape(-1).tolist() if is_array else list(values)  # type: ignore[union-attr]
        outputs.append(described)
    said: dict[str, Any] = {"model_name": model, "outputs": outputs}
    if asked.id is not None:
        said["id"] = asked.id
    if notes:
        said["parameters"] = {"notes": "; ".join(notes)}
    head = to_json(said)
    return (b"".join([head, *tail]), len(head)) if tail else (head, None)


def _to_bytes(datatype: str, values: np.ndarray | Sequence[Any]) -> bytes:
    if datatype != "BYTES":
        return np.asarray(values, DTYPES[datatype]).tobytes()
    texts = [str(value).encode() for value in values]
    return b"".join(part for text in texts for part in (struct.pack("<I", len(text)), text))
