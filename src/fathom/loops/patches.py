"""Convolutions by a processor's matrix unit: what neurons see, split into halves where it lies.

A neuron sees a patch of the picture: of each of some rows of pixels a piece, in which numbers lie
side by side. So where a neuron's patch begins is all there is to say of it, and any neurons, of
several pictures too, make up a matrix of one patch a row. In the halves of it each piece begins a
run of products of its own, filled up with zeros; of the kernel as well.
"""

from typing import NamedTuple

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.halves import (
    BLOCK,
    DEEP,
    Side,
    multiply_split,
    room_for_side,
    split_part,
    split_side,
)
from fathom.loops.layouts import turn_square
from fathom.loops.matrix_unit import SIDE, TILE, split

AT_ONCE = 256  # neurons of each channel that are worked out together


class Patches(NamedTuple):
    """What neurons see of some pictures.

    Attributes
    ----------
    start : int
        Address of the pictures' first number.
    places : numpy.ndarray
        Where each neuron's patch begins: how many numbers after it.
    n_pieces, further : int
        Pieces of a patch, and numbers from the beginning of one to that of the next.
    seen : int
        Numbers in a piece.
    """

    start: int
    places: np.ndarray
    n_pieces: int
    further: int
    seen: int


@loop
def room_for_patches(seen, n_pieces, n_out):  # type: ignore[no-untyped-def]
    """Return how many numbers products of `AT_ONCE` patches and a kernel need aside."""
    depth = n_pieces * room_for_side(1, seen) // BLOCK
    kernel, patches = room_for_side(n_out, depth), room_for_side(AT_ONCE, depth)
    errors, turned = room_for_side(n_out, AT_ONCE), room_for_side(seen, AT_ONCE)
    return BLOCK * BLOCK + max(kernel + patches, errors + turned)


@loop
def split_kernel(kernel, seen, n_pieces, n_out, aside):  # type: ignore[no-untyped-def]
    """Write the halves of a kernel where `multiply_patches` finds them.

    Parameters
    ----------
    kernel : int
        Address of the kernel: for each number of a patch `n_out` weights, side by side.
    seen, n_pieces : int
        Numbers in a piece of a patch, and pieces.
    n_out : int
        Channels.
    aside : int
        Address of room to work in, at a line.
    """
    piece = room_for_side(1, seen) // BLOCK
    size = 4 * room_for_side(BLOCK, n_pieces * piece)
    for column in range(0, n_out, BLOCK):
        halves = aside + 4 * BLOCK * BLOCK + column // BLOCK * size
        for p in range(n_pieces):
            side = Side(kernel + 4 * p * seen * n_out, n_out, False)
            wide = min(BLOCK, n_out - column)
            split_part(side, column, wide, seen, False, halves + 4 * BLOCK * p * piece, aside)


@loop
def multiply_patches(patches, start, result, n_out, aside):  # type: ignore[no-untyped-def]
    """Form the weighted sums of what neurons see: z = x K + b, of a kernel that is split.

    Parameters
    ----------
    patches : Patches
        What they see.
    start : int
        Address of what their sums start from, the same for all neurons of a channel.
    result : int
        Address of room for the sums, `n_out` for each patch.
    n_out, aside
        As for `split_kernel`.
    """
    piece = room_for_side(1, patches.seen) // BLOCK
    depth = patches.n_pieces * piece
    size = 4 * room_for_side(BLOCK, depth)
    kernels = aside + 4 * BLOCK * BLOCK
    lefts = kernels + 4 * room_for_side(n_out, depth)
    n_all = len(patches.places)
    for first in range(0, n_all, AT_ONCE):
        n = min(AT_ONCE, n_all - first)
        for row in range(0, n, BLOCK):
            for p in range(patches.n_pieces):
                halves = lefts + row // BLOCK * size + 4 * BLOCK * p * piece
                _split_lines(patches, p, first + row, min(BLOCK, n - row), halves)
        found = result + 4 * first * n_out
        multiply_split(lefts, kernels, start, 0, found, n_out, n, n_out, depth, aside)


@loop
def add_patches(patches, delta, n_out, gradient, aside):  # type: ignore[no-untyped-def]
    """Add what each error makes of each number that its neuron saw: ∂E/∂K = Σ x δ.

    Parameters
    ----------
    patches, n_out, aside
        As for `multiply_patches`.
    delta, gradient : int
        Addresses of the node errors, `n_out` for each patch, and of what is added to.
    """
    seen, n_all = patches.seen, len(patches.places)
    rights = aside + 4 * BLOCK * BLOCK
    lefts = rights + 4 * room_for_side(n_out, AT_ONCE)
    for first in range(0, n_all, AT_ONCE):
        n = min(AT_ONCE, n_all - first)
        errors = Side(delta + 4 * first * n_out, n_out, False)
        split_side(errors, n_out, n, False, rights, aside)
        size = 4 * room_for_side(BLOCK, n)
        for p in range(patches.n_pieces):
            for row in range(0, seen, BLOCK):
                there = min(BLOCK, seen - row)
                halves = lefts + row // BLOCK * size
                _split_across(patches, p, row, there, first, n, halves, aside)
            found = gradient + 4 * p * seen * n_out
            multiply_split(lefts, rights, found, n_out, found, n_out, seen, n_out, n, aside)


@loop
def _split_lines(patches, p, first, n_lines, result):  # type: ignore[no-untyped-def]
    """Write the halves of a piece of up to 32 patches, which sums go along."""
    piece = patches.start + 4 * p * patches.further
    for k in range(0, patches.seen, DEEP):
        n_one = patches.seen - k
        for line in range(BLOCK):
            tiles = result + 4 * (BLOCK * k + line // SIDE * TILE + line % SIDE * SIDE)
            if line < n_lines:
                place = piece + 4 * (np.int64(patches.places[first + line]) + k)
                split(place, place + 4 * SIDE, n_one, n_one - SIDE, tiles)
            else:
                split(piece, piece, 0, 0, tiles)


@loop
def _split_across(patches, p, row, n_rows, first, n, result, aside):  # type: ignore[no-untyped-def]
    """Write the halves of up to 32 numbers of a piece, of n patches, over which sums go."""
    start = patches.start + 4 * (p * patches.further + row)
    places = patches.places[first : first + n]
    for k in range(0, n, DEEP):
        for part in range(2):
            n_there = n_rows - SIDE * part
            for line in range(SIDE):
                one = two = start + 4 * SIDE * part
                n_one = n_two = 0
                if k + line < n:
                    one, n_one = one + 4 * np.int64(places[k + line]), n_there
                if k + line + SIDE < n:
                    two, n_two = two + 4 * np.int64(places[k + line + SIDE]), n_there
                split(one, two, n_one, n_two, aside + 4 * SIDE * line)
            tiles = result + 4 * (BLOCK * k + TILE * part)
            for half in range(0, 4 * TILE, 2 * TILE):
                turn_square(aside + 4 * half, SIDE, tiles + 4 * half, SIDE, SIDE, SIDE)
