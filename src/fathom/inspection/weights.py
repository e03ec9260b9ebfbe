"""Weights by name: where each stands in the row of all parameters, and back."""

import math
import re

from fathom.errors import InputError
from fathom.nn.layer import partition
from fathom.nn.network import Network
from fathom.nn.xla import jax


def position_of(network: Network, name: str) -> int:
    """Return where a weight stands in the row of all parameters.

    Parameters
    ----------
    network : Network
        The network.
    name : str
        ``layer1.neuron2.weight3`` is the synapse from input 3 to neuron 2 of the first layer,
        ``output.neuron1.bias`` a bias; ``layer3.inner1...`` a layer within a residual block. The
        parameters of other layers go by their name and number: ``layer2.kernel5``.

    Raises
    ------
    InputError
        If there is no such weight; says what there is.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> position_of(hand_worked()[0], "layer1.neuron2.weight1")
    2
    """
    found = re.fullmatch(
        r"(layer\d+|output)((?:\.inner\d+)?)\.(?:neuron(\d+)\.)?([a-z_]+)(\d*)", name.strip()
    )
    if found is None:
        raise InputError(
            "a weight by its name", got=repr(name),
            hint="for example layer1.neuron1.weight1 or output.neuron1.bias",
        )  # fmt: skip
    layer, inner, neuron, field, number = found.groups()
    n_layers = len(network.layers)
    owner = f"layer{n_layers}" if layer == "output" else layer
    offset = 0
    for label, shape in _fields(network):
        size = math.prod(shape)
        if label == f"{owner}{inner}.{field}":
            place = _place_within(shape, neuron, field, number)
            if place is None or not 0 <= place < size:
                raise InputError(f"a weight of {_shown_field(label, shape)}", got=repr(name))
            return offset + place
        offset += size
    known = ", ".join(_shown_field(label, shape) for label, shape in _fields(network)[:12])
    raise InputError("a weight that there is", got=repr(name), hint=f"there are {known}")


def name_of(network: Network, position: int) -> str:
    """Return the name of the weight at a position in the row of all parameters.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> name_of(hand_worked()[0], 17)
    'output.neuron2.bias'
    """
    for label, shape in _fields(network):
        size = math.prod(shape)
        if position < size:
            owner, field = label.rsplit(".", 1)
            if owner == f"layer{len(network.layers)}":
                owner = "output"
            if field == "weight" and len(shape) == 2:
                neuron, place = divmod(position, shape[1])
                return f"{owner}.neuron{neuron + 1}.weight{place + 1}"
            if field == "bias":
                return f"{owner}.neuron{position + 1}.bias"
            return f"{owner}.{field}{position + 1}"
        position -= size
    raise InputError("the position of a weight", got="one beyond the last")


def _fields(network: Network) -> list[tuple[str, tuple[int, ...]]]:
    """Return every array of parameters with its name, in the order of the row of all."""
    found = []
    leaves, _ = jax.tree_util.tree_flatten_with_path(partition(network)[0])
    for path, leaf in leaves:
        numbers = [key.idx + 1 for key in path if isinstance(key, jax.tree_util.SequenceKey)]
        fields = [key.name for key in path if isinstance(key, jax.tree_util.GetAttrKey)]
        inner = "".join(f".inner{n}" for n in numbers[1:])
        found.append((f"layer{numbers[0]}{inner}.{fields[-1]}", tuple(leaf.shape)))
    return found


def _place_within(
    shape: tuple[int, ...], neuron: str | None, field: str, number: str
) -> int | None:
    if neuron is None:
        return int(number) - 1 if number else None
    row = int(neuron) - 1
    if field == "bias":
        return None if number else row
    if field != "weight" or len(shape) != 2 or not number:
        return None
    column = int(number) - 1
    is_inside = 0 <= row < shape[0] and 0 <= column < shape[1]
    return row * shape[1] + column if is_inside else None


def _shown_field(label: str, shape: tuple[int, ...]) -> str:
    owner, field = label.rsplit(".", 1)
    if field == "weight" and len(shape) == 2:
        return f"{owner}.neuron1…{shape[0]}.weight1…{shape[1]}"
    if field == "bias":
        return f"{owner}.neuron1…{shape[0]}.bias"
    return f"{owner}.{field}1…{math.prod(shape)}"
