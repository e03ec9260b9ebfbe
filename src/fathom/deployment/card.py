"""The card of a model file: everything it says besides its weights, written, read and checked."""

import hashlib
import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, FiniteFloat, ValidationError

from fathom.compression.storage import Storage
from fathom.compression.story import Compression
from fathom.data.combinations import Combined, combinations_of, log_prior
from fathom.data.schema import MAX_CLASSES, MAX_COMBINATIONS, Label, Name, Schema, TableInput
from fathom.deployment.container import MAX_HEADER_BYTES, parse_json
from fathom.deployment.designs import DesignCard
from fathom.errors import ModelFileError
from fathom.nn.architecture import Architecture
from fathom.nn.bag import Bag
from fathom.nn.stems import Stems
from fathom.search.factors import with_factors
from fathom.training.history import History
from fathom.training.recipe import Recipe
from fathom.values import Value

FORMAT, COMPRESSED = "fathom/1", "fathom/2"  # older versions read the first alone
MAX_EPOCHS = (20_000, 2000, 200)  # of the history in a file: the most for which the card fits
CARD_BYTES = MAX_HEADER_BYTES - 2**20  # the rest is for the names of tensors
_OF_COMPRESSED: Any = {"compression": True, "design": {"members": {"__all__": {"layers"}}}}
_OF_FACTORS: Any = {"factors", "seen", "counts"}
Weight: TypeAlias = Annotated[FiniteFloat, Field(ge=0)]
PriorCard: TypeAlias = (
    Literal["training", "uniform"]
    | Annotated[FiniteFloat, Field(ge=0, le=1)]
    | Annotated[tuple[tuple[Name, Weight], ...], Field(min_length=1, max_length=MAX_COMBINATIONS)]
)


class Card(Value):
    """Everything a model file says besides its weights.

    Attributes
    ----------
    fathom_version : str
        The version that wrote it.
    estimator : {"classifier", "regressor", "transcriber"}
        What it is.
    time_limit : float or None
        The estimator's time limit, in seconds.
    n_networks : int
        Networks whose outputs are averaged.
    model_schema, architecture, recipe, history
        The values of the fitted estimator; of a designed ensemble, architecture and recipe of its
        heaviest member.
    class_weight : "balanced", tuple of class and weight, or None
        The classifier's parameter.
    design : DesignCard or None
        What belongs to a designed ensemble alone.
    combined : Combined or None
        For factors: what turns sums into probabilities of combinations.
    prior : "training", "uniform", float, or tuple of combination and share
        The classifier's parameter.
    compression : Compression or None
        Of a compressed model how its weights are kept, what was done and what that cost.
    """

    fathom_version: str = Field(max_length=100)
    estimator: Literal["classifier", "regressor", "transcriber"]
    time_limit: FiniteFloat | None = Field(gt=0)
    n_networks: int = Field(ge=1, le=1000)
    model_schema: Schema
    architecture: Architecture
    recipe: Recipe
    history: History
    class_weight: Literal["balanced"] | tuple[tuple[Label, Weight], ...] | None = Field(
        default=None, max_length=MAX_CLASSES
    )
    design: DesignCard | None = None
    combined: Combined | None = None
    prior: PriorCard = "training"
    compression: Compression | None = None

    @property
    def storage(self) -> Storage:
        """How the weights of networks are kept."""
        return "float32" if self.compression is None else self.compression.storage


def write_card(card: Card) -> str:
    """Return the card as text, its history thinned until it fits into a header."""
    text = ""
    for most in MAX_EPOCHS:
        thinned = card.model_copy(update={"history": card.history.thinned(most)})
        text = thinned.model_dump_json(exclude=_unused(card))
        if len(json.dumps(text, ensure_ascii=False).encode()) <= CARD_BYTES:
            break
    return text


def _unused(card: Card) -> Any:
    """Return what is not written: it belongs to kinds of models that this one is none of."""
    unused: dict[str, Any] = dict(_OF_COMPRESSED) if card.compression is None else {}
    target, described = card.model_schema.target, card.model_schema.input
    of_target = set() if target.factors else set(_OF_FACTORS)
    if not target.signs:
        of_target.add("signs")
    unused["model_schema"] = {"target": of_target}
    if getattr(described, "hearing", True) is None:
        unused["model_schema"]["input"] = {"hearing"}
    if isinstance(described, TableInput) and not described.has_pictures:
        unused["model_schema"]["input"] = {"columns": {"__all__": {"shape"}}}
    if not target.factors:
        unused |= {"combined": True, "prior": True}
    return unused


def read_card(metadata: dict[str, str], data: bytes) -> Card:
    """Return the card of a file, once it is of a known format and agrees with its checksum.

    Raises
    ------
    ModelFileError
        If it is not, or says what no card says.
    """
    kind = metadata.get("format", "")
    if kind not in (FORMAT, COMPRESSED):
        is_newer = kind.startswith("fathom/")
        raise ModelFileError(
            f"a model file of format {FORMAT} or {COMPRESSED}",
            got=f"format {kind[:40]!r}",
            hint="install a newer Fathom" if is_newer else "give a file that Fathom has saved",
        )
    if metadata.keys() != {"format", "card", "sha256"}:
        raise ModelFileError("format, card and sha256 in the file", got=", ".join(metadata)[:80])
    text = metadata["card"]
    if metadata["sha256"] != checksum(text, data):
        raise ModelFileError(
            "content that agrees with the checksum", got="content that was changed",
            hint="ask for the file again",
        )  # fmt: skip
    parse_json(text, "a card")
    try:
        card = Card.model_validate_json(text)
    except ValidationError as error:
        raise ModelFileError.from_validation(error) from None
    members = () if card.design is None else card.design.members
    is_cut = any(member.layers is not None for member in members)
    if (card.compression is None) != (kind == FORMAT) or (is_cut and kind == FORMAT):
        raise ModelFileError(
            f"{COMPRESSED} for a compressed model and for no other", got=f"format {kind}"
        )
    return card


def checksum(card: str, data: bytes) -> str:
    """Return the digest of a card and the weights it goes with."""
    digest = hashlib.sha256(card.encode())
    digest.update(data)
    return digest.hexdigest()


def require_consistency(card: Card) -> None:
    """Refuse a card whose parts are each possible but do not belong together."""
    schema, is_regressor = card.model_schema, card.estimator == "regressor"
    if (schema.target.task == "numbers") != is_regressor:
        raise ModelFileError(
            "a target that suits the estimator",
            got=f"{schema.target.task} for an estimator called {card.estimator}",
        )  # fmt: skip
    _require_combinations(card)
    is_table = isinstance(schema.input, TableInput)
    is_apart = is_table and isinstance(card.architecture.layers[0], Bag | Stems)
    if is_table != (card.design is not None or is_apart):
        raise ModelFileError(
            "the description of an ensemble for a table, and for nothing else",
            got="a table without, or another input with one",
        )  # fmt: skip
    if card.design is not None and is_apart:
        raise ModelFileError("one model", got="a designed ensemble and one for texts or pictures")
    if card.compression is not None and is_apart and not _is_of_texts(card):
        raise ModelFileError("weights in 32 bits where rows name pictures", got="fewer")
    if card.estimator != "classifier" and card.class_weight is not None:
        raise ModelFileError(
            "weights of classes for a classifier alone", got=f"some for a {card.estimator}"
        )
    is_written = card.estimator == "transcriber"
    if {schema.target.task == "text", card.architecture.loss == "ctc", is_written} != {is_written}:
        raise ModelFileError("a network for sequences where texts are written, and only there",
                             got=f"{card.architecture.loss} for {schema.target.task}")  # fmt: skip
    if is_written and getattr(schema.input, "hearing", None) is None:
        raise ModelFileError("recordings, of which texts are written", got=schema.input.kind)
    if is_written and card.n_networks != 1:
        raise ModelFileError("one network that writes", got=f"{card.n_networks}")


def _is_of_texts(card: Card) -> bool:
    return isinstance(card.architecture.layers[0], Bag)


def _require_combinations(card: Card) -> None:
    """Refuse what is said of combinations unless it is of those of the target."""
    target, combined = card.model_schema.target, card.combined
    if not target.factors:
        if combined is not None or card.prior != "training":
            raise ModelFileError("combinations of several factors", got="some, and no factors")
        return
    n = len(combinations_of(target).every)
    if combined is None or len(combined.log_partition) != n or len(combined.scores) not in (0, n):
        raise ModelFileError(f"a number for each of {n} combinations", got="more or fewer")
    prior = card.prior
    log_prior(target, dict(prior) if isinstance(prior, tuple) else prior)
    if with_factors(card.architecture, target) != card.architecture:
        raise ModelFileError("a network of the target's factors", got="a network of other factors")
