"""Modules: what computes, as a tree of arrays.

A `Module` is a frozen value whose fields are arrays, modules, tuples of them or None, and others
that are fixed. To JAX it is a tree of its arrays; what is said here of trees needs no JAX.
"""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar, TypeAlias, TypeVar, dataclass_transform

import numpy as np

from fathom.nn.xla import jax, when_loaded

Tree: TypeAlias = Any
"""A module, a tuple of trees, None, which holds nothing, or else a leaf."""

_FIXED = "is_fixed"
M = TypeVar("M")


def fixed(**options: Any) -> Any:
    """Declare a field that is no part of the tree, as a name or a size.

    Parameters
    ----------
    **options
        Those of `dataclasses.field`.
    """
    return dataclasses.field(metadata={_FIXED: True}, **options)


@dataclass_transform(frozen_default=True, field_specifiers=(fixed, dataclasses.field))
class Module:
    """A value of named fields that computes; a class that inherits from it is a data class.

    Examples
    --------
    >>> class Line(Module):
    ...     slope: np.ndarray
    ...     name: str = fixed(default="line")
    >>> leaves(Line(np.ones(2)))
    [array([1., 1.])]
    """

    inner_names: ClassVar[tuple[str, ...]] = ()
    fixed_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        cls.fixed_names = tuple(one.name for one in fields if _FIXED in one.metadata)
        cls.inner_names = tuple(one.name for one in fields if _FIXED not in one.metadata)
        when_loaded(partial(_register, cls))

    def __repr__(self) -> str:
        shown = (f"{name}={_show(value)}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({', '.join(shown)})"


def _show(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else repr(value)


def _inside(module: Module) -> tuple[Any, ...]:
    return tuple([module.__dict__[name] for name in module.inner_names])


def _fixed(module: Module) -> tuple[Any, ...]:
    return tuple([module.__dict__[name] for name in module.fixed_names])


def _make(kind: type[Module], fixed_values: tuple[Any, ...], values: tuple[Any, ...]) -> Module:
    """Make a module without looking at what its fields hold: JAX puts in whatever it maps to."""
    module = object.__new__(kind)
    module.__dict__.update(zip(kind.inner_names, values, strict=True))
    module.__dict__.update(zip(kind.fixed_names, fixed_values, strict=True))
    return module


def _register(kind: type[Module]) -> None:
    """Tell JAX what a kind of module is made of."""
    keys = tuple(map(jax.tree_util.GetAttrKey, kind.inner_names))

    def flatten(module: Module) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return _inside(module), _fixed(module)

    def flatten_with_keys(module: Module) -> tuple[tuple[tuple[Any, Any], ...], tuple[Any, ...]]:
        values, fixed_values = flatten(module)
        return tuple(zip(keys, values, strict=True)), fixed_values

    jax.tree_util.register_pytree_with_keys(kind, flatten_with_keys, partial(_make, kind), flatten)


def changed(module: M, **values: Any) -> M:
    """Return a module with other values in some of its fields, whatever they are."""
    assert values.keys() <= module.__dict__.keys()
    made = object.__new__(type(module))
    made.__dict__.update(module.__dict__, **values)
    return made


def parts(tree: Tree) -> tuple[Tree, ...] | None:
    """Return what a tree is made of; None of a leaf."""
    if tree is None:
        return ()
    if isinstance(tree, Module):
        return _inside(tree)
    return tree if isinstance(tree, tuple) else None


def leaves(tree: Tree) -> list[Any]:
    """Return the leaves of a tree, in the order `jax.tree.leaves` has them."""
    inner = parts(tree)
    return [tree] if inner is None else [leaf for part in inner for leaf in leaves(part)]


def named_leaves(tree: Tree, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a tree with their names, such as ``layers.0.weight``."""
    inner = parts(tree)
    if inner is None:
        yield name, tree
        return
    names = tree.inner_names if isinstance(tree, Module) else map(str, range(len(inner)))
    for one, part in zip(names, inner, strict=True):
        yield from named_leaves(part, f"{name}.{one}" if name else one)


def rebuild(tree: Tree, found: Iterator[Any]) -> Tree:
    """Return a tree of the same form with other leaves, taken one after another."""
    inner = parts(tree)
    if inner is None:
        return next(found)
    return _alike(tree, tuple(rebuild(part, found) for part in inner))


def _alike(tree: Tree, inner: tuple[Tree, ...]) -> Tree:
    """Return what a tree is, made of other parts."""
    if isinstance(tree, Module):
        return _make(type(tree), _fixed(tree), inner)
    return None if tree is None else inner


def transform(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """Return a tree of the same form with what a function makes of its leaves."""
    return rebuild(tree, map(function, leaves(tree)))


def is_on_host(tree: Tree) -> bool:
    """Tell whether the arrays of a tree are NumPy's."""
    return all(isinstance(leaf, np.ndarray) for leaf in leaves(tree))


def on_device(tree: M) -> M:
    """Return a tree whose arrays are JAX's."""
    moved: M = transform(jax.device_put, tree)
    return moved


def divide(tree: Tree, belongs: Callable[[Any], bool], whole: type[Module]) -> tuple[Tree, Tree]:
    """Divide a tree in two of the same form: the leaves that belong to the first, and the others.

    Where one has a leaf the other has None. Modules of a kind that stays whole go to the others.
    """
    inner = parts(tree)
    if isinstance(tree, whole) or inner is None:
        return (tree, None) if inner is None and belongs(tree) else (None, tree)
    pairs = [divide(part, belongs, whole) for part in inner]
    mine, others = (tuple(side) for side in zip(*pairs, strict=True)) if pairs else ((), ())
    return _alike(tree, mine), _alike(tree, others)


def join(first: Tree, second: Tree) -> Tree:
    """Return the tree that was divided in two."""
    inner = parts(first)
    if first is None or second is None or inner is None:
        return second if first is None else first
    others = parts(second)
    assert others is not None
    return _alike(first, tuple(map(join, inner, others)))
