"""The model file: a fitted estimator as one ``.fathom`` file, and back."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from fathom.compression.storage import Storage
from fathom.data.cells import quoted
from fathom.data.combinations import combinations_of, log_prior
from fathom.data.encoding import Standardization
from fathom.data.illustrated import RowEncoding
from fathom.data.schema import TableInput
from fathom.data.text import TextEncoding
from fathom.deployment.card import (
    COMPRESSED,
    FORMAT,
    Card,
    checksum,
    read_card,
    require_consistency,
    write_card,
)
from fathom.deployment.container import (
    Tensors,
    pack,
    read_file,
    unpack,
    write_file,
)
from fathom.deployment.designs import DesignCard, describe_design, design_tensors, restore_design
from fathom.deployment.illustrated import illustrated_tensors, restore_illustrated
from fathom.deployment.texts import require_texts, restore_texts, text_shapes, text_tensors
from fathom.deployment.weights import (
    fill,
    take_weights,
    weight_shapes,
    weight_tensors,
)
from fathom.errors import FathomError, InputError, ModelFileError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.aims import has_target_encoding
from fathom.estimators.matching import require_match
from fathom.estimators.transcriber import FathomTranscriber
from fathom.nn.forward import is_computable
from fathom.nn.network import Network
from fathom.nn.stems import Stems
from fathom.nn.tree import named_leaves, on_device, rebuild
from fathom.nn.vectors import outline_of

Loaded = TypeVar("Loaded")
Model: TypeAlias = FathomClassifier | FathomRegressor
_ESTIMATORS: dict[str, Any] = {
    "classifier": FathomClassifier, "regressor": FathomRegressor, "transcriber": FathomTranscriber,
}  # fmt: skip


def save(model: Model | FathomTranscriber, path: str | Path) -> Path:
    """Save a fitted estimator as one file.

    The file is a valid safetensors file: the weights as tensors, everything else as a JSON card in
    its metadata, with a SHA-256 checksum over both. It holds no code, no pickle and no path. It is
    written beside its place and moved there once it is whole on disk.

    Parameters
    ----------
    model : FathomClassifier, FathomRegressor or FathomTranscriber
        A fitted estimator.
    path : str or Path
        Where to; usually ``something.fathom``.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    InputError
        If the model is not fitted.
    ModelFileError
        If it cannot be written; what was there before stays.
    """
    write_file(Path(path), *to_bytes(model))
    return Path(path)


def to_bytes(model: Model | FathomTranscriber) -> tuple[bytes, bytes]:
    """Return header and data of the file that `save` writes.

    Raises
    ------
    InputError
        If the model is not fitted.
    ModelFileError
        If a weight is not finite, or there is too much to say of the model.
    """
    if not hasattr(model, "networks_"):
        raise InputError("a fitted estimator", got=f"{model}", hint="call fit first")
    kind = next(name for name, known in _ESTIMATORS.items() if isinstance(model, known))
    limit = model.time_limit
    card = Card(
        fathom_version=version("fathom-dnn"),
        estimator=kind,
        time_limit=None if limit is None else float(limit),
        n_networks=len(model.networks_),
        model_schema=model.schema_,
        architecture=model.architecture_,
        recipe=model.recipe_,
        history=model.history_,
        class_weight=_plain_class_weight(model),
        design=None if isinstance(model, FathomTranscriber) else _described(model),
        combined=getattr(model, "combined_", None),
        prior=_plain_prior(model),
        compression=getattr(model, "compression_", None),
    )
    text, kind = write_card(card), FORMAT if card.compression is None else COMPRESSED
    tensors = (
        _tensors_of(model, card.storage) if card.design is None
        else design_tensors(model.design_, card.storage)
    )  # fmt: skip

    def describe(data: bytes) -> dict[str, str]:
        return {"format": kind, "card": text, "sha256": checksum(text, data)}

    return pack(tensors, describe)


def load(path: str | Path) -> Model:
    """Load an estimator from a file written by `save`.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    FathomClassifier or FathomRegressor
        The fitted estimator; it predicts what the saved one predicted.

    Raises
    ------
    ModelFileError
        If the file is absent, damaged, hostile, of another format version, or writes down what is
        said, for which there is `load_transcriber`.

    Notes
    -----
    A safe file does not make an honest model: load models from people you trust.
    """
    return _loaded(path, _require_plain)


def load_transcriber(path: str | Path) -> FathomTranscriber:
    """Load what writes down recordings from a file written by `save`.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    ModelFileError
        As `load`, or if it is another model.
    """
    return _loaded(path, _require_transcriber)


def load_any(path: str | Path) -> Model | FathomTranscriber:
    """Load whatever model a file holds; see `load`."""
    return _loaded(path, lambda model: model)


def _require_plain(model: Any) -> Model:
    if isinstance(model, FathomTranscriber):
        raise ModelFileError(
            "a model of classes or numbers", got="one that writes down what is said",
            hint="use fathom predict or fathom evaluate; in Python fathom.load_transcriber",
        )  # fmt: skip
    return model


def _require_transcriber(model: Any) -> FathomTranscriber:
    if not isinstance(model, FathomTranscriber):
        raise ModelFileError(
            "a model that writes down what is said", got="a model of classes or numbers",
            hint="use fathom.load",
        )  # fmt: skip
    return model


def _loaded(path: str | Path, require: Callable[[Any], Loaded]) -> Loaded:
    try:
        return require(_restored(read_file(Path(path))))
    except FathomError as error:
        got = f"{path}: {error.got}" if str(path) not in error.got else error.got
        # What a file says may stand in a message, so it is brought to one line.
        expected, got, hint = (quoted(text, 1000) for text in (error.expected, got, error.hint))
        raise ModelFileError(expected, got=got, hint=hint) from None


def restore(content: bytes) -> Model:
    """Return the estimator that the content of a file holds.

    Raises
    ------
    FathomError
        If it is damaged, hostile, of another format version, or writes down what is said.
    """
    return _require_plain(_restored(content))


def _restored(content: bytes) -> Any:
    tensors, metadata, data = unpack(content)
    return _restore(read_card(metadata, data), tensors)


def _described(model: Model) -> DesignCard | None:
    return describe_design(model) if _is_designed(model) else None


def _is_designed(model: Model) -> bool:
    is_table = isinstance(model.schema_.input, TableInput)
    return is_table and not isinstance(model.encoding_, TextEncoding | RowEncoding)


def _plain_class_weight(model: Model | FathomTranscriber) -> Any:
    """Return the classifier's parameter in plain values, or None where it changes nothing."""
    asked = getattr(model, "class_weight", None)
    classes = model.schema_.target.classes
    if not classes or model.schema_.target.factors:
        return None
    if isinstance(asked, Mapping):
        return tuple((label, asked[label]) for label in classes if label in asked) or None
    return asked


def _plain_prior(model: Model | FathomTranscriber) -> Any:
    """Return the classifier's prior in plain values."""
    asked, target = getattr(model, "prior", "training"), model.schema_.target
    if not target.factors or isinstance(asked, str):
        return asked if target.factors else "training"
    if not isinstance(asked, Mapping):
        return float(asked)
    shares = np.exp(log_prior(target, asked)).tolist()
    return tuple(zip(combinations_of(target).names, shares, strict=True))


def _tensors_of(model: Any, storage: Storage) -> dict[str, np.ndarray]:
    if isinstance(model.encoding_, RowEncoding):
        return illustrated_tensors(model)
    tensors: dict[str, np.ndarray] = {}
    for number, network in enumerate(model.networks_):
        if storage != "float32":
            tensors |= weight_tensors(network, f"network.{number}", storage)
            continue
        for name, leaf in named_leaves(network):
            tensors[f"network.{number}.{name}"] = np.asarray(leaf, np.float32)
    assert model.encoding_ is not None
    if isinstance(model.encoding_, TextEncoding):
        tensors |= text_tensors(model.encoding_)
    for name, encoding in _encodings(model.encoding_, model.target_encoding_).items():
        tensors[f"{name}.center"] = np.asarray(encoding.center, np.float64)
        tensors[f"{name}.scale"] = np.asarray(encoding.scale, np.float64)
    return tensors


def _encodings(
    encoding: Standardization | TextEncoding, target_encoding: Standardization | None
) -> dict[str, Standardization]:
    found = {} if isinstance(encoding, TextEncoding) else {"encoding": encoding}
    if target_encoding is not None:
        found["target_encoding"] = target_encoding
    return found


def _restore(card: Card, tensors: dict[str, np.ndarray]) -> Any:
    """Make the estimator, once all that is in the file belongs together."""
    require_consistency(card)
    if card.design is not None:
        model = _restore_designed(card, card.design, tensors)
    elif isinstance(card.architecture.layers[0], Stems) and card.model_schema.input.kind == "table":
        model = _restore_rows(card, tensors)
    else:
        model = _restore_trained(card, tensors)
    if card.compression is not None:
        model.compression_ = card.compression
    return model


def _restore_designed(card: Card, described: DesignCard, tensors: dict[str, np.ndarray]) -> Any:
    """Make an ensemble that designed itself."""
    design = restore_design(
        described, card.model_schema, card.history, tensors, card.storage, card.combined
    )
    model = _ESTIMATORS[card.estimator](
        time_limit=card.time_limit, column_kinds=described.column_kinds, **_parameters(card)
    ).restore_design(card.model_schema, design)
    if described.feature_names is not None:
        model.feature_names_in_ = np.asarray(described.feature_names, object)
    made = (model.architecture_, model.recipe_, len(model.networks_))
    if made != (card.architecture, card.recipe, card.n_networks):
        raise ModelFileError(
            "the heaviest network on the card",
            got="another network than the heaviest of the ensemble",
        )  # fmt: skip
    return model


def _restore_rows(card: Card, tensors: dict[str, np.ndarray]) -> Any:
    """Make an estimator of a table that names pictures."""
    architecture, schema = card.architecture, card.model_schema
    found = restore_illustrated(architecture, schema, card.n_networks, tensors)
    model = _ESTIMATORS[card.estimator](time_limit=card.time_limit, **_parameters(card))
    return model.restore(schema, architecture, card.recipe, card.history, *found)


def _parameters(card: Card) -> dict[str, Any]:
    """Return the parameters that one kind of estimator alone has."""
    if card.estimator != "classifier":
        return {}
    weight, prior = card.class_weight, card.prior
    return {
        "class_weight": dict(weight) if isinstance(weight, tuple) else weight,
        "prior": dict(prior) if isinstance(prior, tuple) else prior,
    }


def _restore_trained(card: Card, tensors: dict[str, np.ndarray]) -> Any:
    """Make an estimator of one architecture, once the shapes it asks for are those in the file."""
    architecture, schema = card.architecture, card.model_schema
    is_text = isinstance(schema.input, TableInput)
    if is_text:
        require_texts(architecture, schema)
    else:
        require_match(architecture, schema)
    n_described = card.n_networks * architecture.n_parameters
    n_found = sum(array.size for array in tensors.values())
    if n_described > n_found:  # before anything is made that is as large as what is described
        raise ModelFileError(
            f"a file with the {n_described:,} weights of its card", got=f"{n_found:,} numbers"
        )
    outline = outline_of(architecture)
    expected: dict[str, tuple[tuple[int, ...], type]] = {}
    for number in range(card.n_networks):
        expected |= _network_shapes(outline, f"network.{number}", card.storage)
    columns = (1,) if schema.input.kind == "image" else (schema.input.n_features,)
    encoded: dict[str, tuple[int, ...]] = {} if is_text else {"encoding": columns}
    if has_target_encoding(architecture, schema.target):
        encoded["target_encoding"] = (schema.target.n_outputs,)
    for name, shape in encoded.items():
        expected[f"{name}.center"] = expected[f"{name}.scale"] = (shape, np.float64)
    if is_text:
        expected |= text_shapes(architecture)
    _require_shapes(tensors, expected)
    given: dict[str, Any] = _parameters(card)
    if not is_text and card.estimator != "transcriber":
        given |= {"architecture": architecture, "recipe": card.recipe}
    model = _ESTIMATORS[card.estimator](time_limit=card.time_limit, **given)
    networks = tuple(
        _restore_network(tensors, outline, f"network.{number}", card.storage)
        for number in range(card.n_networks)
    )
    if schema.input.kind == "image" and not is_computable(outline.layers):
        networks = tuple(map(on_device, networks))  # where they will predict
    encodings = {
        name: Standardization(tensors[f"{name}.center"], tensors[f"{name}.scale"])
        for name in encoded
    }
    if any((encoding.scale <= 0).any() for encoding in encodings.values()):
        raise ModelFileError("scales of columns above 0", got="a scale of 0 or less")
    encoding = restore_texts(architecture, tensors) if is_text else encodings["encoding"]
    combined = {} if card.combined is None else {"combined": card.combined}
    return model.restore(
        schema, architecture, card.recipe, card.history, networks, encoding,
        encodings.get("target_encoding"), **combined,
    )  # fmt: skip


def _network_shapes(
    outline: Network, prefix: str, storage: Storage
) -> dict[str, tuple[tuple[int, ...], type]]:
    if storage != "float32":
        return weight_shapes(outline, prefix, storage)
    return {f"{prefix}.{name}": (leaf.shape, np.float32) for name, leaf in named_leaves(outline)}


def _restore_network(
    tensors: dict[str, np.ndarray], outline: Network, prefix: str, storage: Storage
) -> Network:
    if storage != "float32":
        return fill(outline, take_weights(Tensors(tensors), prefix, outline, storage), storage)
    found = (tensors[f"{prefix}.{name}"] for name, _ in named_leaves(outline))
    network: Network = rebuild(outline, found)
    return network


def _require_shapes(
    tensors: dict[str, np.ndarray], expected: dict[str, tuple[tuple[int, ...], type]]
) -> None:
    """Refuse tensors other than those the card describes, before anything is made of them."""
    if len(tensors) != len(expected):
        raise ModelFileError("as many tensors as the card describes", got=f"{len(tensors)}")
    found = {name: (array.shape, array.dtype.type) for name, array in tensors.items()}
    if found != expected:
        odd = sorted(n for n in expected.keys() | found.keys() if found.get(n) != expected.get(n))
        raise ModelFileError(
            "weights of the shapes the card describes",
            got=f"another shape or name, for example of {odd[0]!r}",
        )  # fmt: skip
