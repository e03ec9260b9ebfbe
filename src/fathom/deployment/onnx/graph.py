"""A graph of ONNX nodes, written as arithmetic on terms."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET, ML_OPSET = 17, 3  # of ai.onnx and ai.onnx.ml: old enough for runtimes of 2022
IR_VERSION = 8
ML = "ai.onnx.ml"
BATCH = "batch"  # the axis that is free
MOST_BYTES = 2**31 - 2**20  # of one protobuf message
FLOAT, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
INTEGER, TRUTH, WORD = np.dtype(np.int64), np.dtype(np.bool_), np.dtype(np.object_)
Operand: TypeAlias = "Term | np.ndarray | float"
_INNER = "fathom/"  # which no name of a column is taken to begin with
_COMPARISONS = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "IsNaN")


@dataclass(frozen=True, eq=False)
class Term:
    """A tensor of the graph; arithmetic on it adds nodes.

    Attributes
    ----------
    graph : Graph
        Where it is.
    name : str
        What it is called there.
    dtype : numpy.dtype
        Its type; numbers it is combined with take the same.
    """

    graph: "Graph"
    name: str
    dtype: np.dtype[Any]

    def __add__(self, other: Operand) -> "Term":
        return self.graph.add("Add", self, other)

    def __sub__(self, other: Operand) -> "Term":
        return self.graph.add("Sub", self, other)

    def __rsub__(self, other: float) -> "Term":
        return self.graph.add("Sub", self.graph.constant(other, self.dtype), self)

    def __mul__(self, other: Operand) -> "Term":
        return self.graph.add("Mul", self, other)

    def __truediv__(self, other: Operand) -> "Term":
        return self.graph.add("Div", self, other)

    def is_below(self, other: Operand) -> "Term":
        """Return where it is below another."""
        return self.graph.add("Less", self, other)

    def is_at_most(self, other: Operand) -> "Term":
        """Return where it is at most another."""
        return self.graph.add("LessOrEqual", self, other)

    def is_above(self, other: Operand) -> "Term":
        """Return where it is above another."""
        return self.graph.add("Greater", self, other)

    def is_at_least(self, other: Operand) -> "Term":
        """Return where it is at least another."""
        return self.graph.add("GreaterOrEqual", self, other)

    def to(self, dtype: np.dtype[Any]) -> "Term":
        """Return it in another type."""
        if dtype == self.dtype:
            return self
        code = helper.np_dtype_to_tensor_dtype(dtype)
        return self.graph.add("Cast", self, dtype=dtype, to=code)

    def clip(self, low: Operand, high: Operand) -> "Term":
        """Return it drawn in to a range."""
        return self.graph.add("Min", self.graph.add("Max", self, low), high)

    def reshape(self, *shape: int) -> "Term":
        """Return it in another shape; one part may be -1."""
        return self.graph.add("Reshape", self, np.array(shape, np.int64))

    def expand(self, axis: int) -> "Term":
        """Return it with a new axis of length 1."""
        return self.graph.add("Unsqueeze", self, np.array([axis], np.int64))

    def transpose(self, *order: int) -> "Term":
        """Return it with its axes in another order."""
        return self.graph.add("Transpose", self, perm=list(order))

    def total(self, axis: int) -> "Term":
        """Return sums along an axis, which is kept with length 1."""
        return self.graph.add("ReduceSum", self, np.array([axis], np.int64), keepdims=1)

    def columns(self, begin: int, end: int) -> "Term":
        """Return some of the columns of rows."""
        bounds = (np.array([place], np.int64) for place in (begin, end, 1))
        return self.graph.add("Slice", self, *bounds)

    def pick(self, columns: Sequence[int] | np.ndarray) -> "Term":
        """Return columns of rows by their places."""
        return self.graph.add("Gather", self, np.asarray(columns, np.int64), axis=1)


@dataclass
class Graph:
    """Nodes, constants and inputs, gathered until they are a model."""

    nodes: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    constants: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def give(self, name: str, dtype: np.dtype[Any], shape: Sequence[int], says: str) -> Term:
        """Add an input of rows of a shape, and what it is in words."""
        code = onnx.TensorProto.STRING if dtype == WORD else helper.np_dtype_to_tensor_dtype(dtype)
        self.inputs.append(helper.make_tensor_value_info(name, code, [BATCH, *shape], says))
        return Term(self, name, dtype)

    def constant(self, values: Any, dtype: np.dtype[Any] | None = None) -> Term:
        """Return numbers or words as a term; the same ones are kept once."""
        array = np.asarray(values, dtype)
        is_words = array.dtype == WORD
        key = (array.dtype.str, array.shape, repr(array.tolist()) if is_words else array.tobytes())
        if key not in self.constants:
            name = f"{_INNER}constant{len(self.constants)}"
            self.constants[key] = numpy_helper.from_array(np.ascontiguousarray(array), name)
            self.constants[key].dims[:] = array.shape
        return Term(self, self.constants[key].name, array.dtype)

    def add(
        self, operator: str, *inputs: Operand, dtype: np.dtype[Any] | None = None,
        domain: str = "", **attributes: Any,
    ) -> Term:  # fmt: skip
        """Add a node of one output, which has the type of the first input where none is given."""
        first = inputs[0]
        assert isinstance(first, Term)
        terms = [self._term(one, first.dtype) for one in inputs]
        name = f"{_INNER}{operator}{len(self.nodes)}"
        names = [term.name for term in terms]
        self.nodes.append(
            helper.make_node(operator, names, [name], name=name, domain=domain, **attributes)
        )
        is_truth = operator in _COMPARISONS
        return Term(self, name, dtype or (TRUTH if is_truth else first.dtype))

    def _term(self, value: Operand, dtype: np.dtype[Any]) -> Term:
        if isinstance(value, Term):
            return value
        return self.constant(value, None if isinstance(value, np.ndarray) else dtype)

    def where(self, condition: Term, yes: Operand, no: Operand) -> Term:
        """Return one where a condition holds, the other elsewhere; one of them is a term."""
        dtype = next(one.dtype for one in (yes, no) if isinstance(one, Term))
        terms = (self._term(one, dtype) for one in (yes, no))
        return self.add("Where", condition, *terms, dtype=dtype)

    def join(self, terms: Sequence[Term], axis: int = 1) -> Term:
        """Return terms side by side."""
        return terms[0] if len(terms) == 1 else self.add("Concat", *terms, axis=axis)

    def model(self, outputs: Sequence[tuple[str, Term, Sequence[int]]], says: str) -> Any:
        """Return the whole as a model, given outputs by name with the shape of one row."""
        infos = []
        for name, term, shape in outputs:
            self.nodes.append(helper.make_node("Identity", [term.name], [name], name=name))
            is_words = term.dtype == WORD
            code = (
                onnx.TensorProto.STRING if is_words else helper.np_dtype_to_tensor_dtype(term.dtype)
            )
            infos.append(helper.make_tensor_value_info(name, code, [BATCH, *shape]))
        graph = helper.make_graph(
            self.nodes, "fathom", self.inputs, infos, list(self.constants.values()), says
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)],
            ir_version=IR_VERSION,
            producer_name="fathom",
            producer_version=version("fathom-dnn"),
            doc_string=says,
        )
