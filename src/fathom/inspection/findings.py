"""Findings: what a look at a network shows, as a code with its numbers, and in English."""

import string
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, FiniteFloat, StringConstraints

from fathom.values import Value

Level: TypeAlias = Literal["good", "note", "warning"]
Code: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
Fact: TypeAlias = int | FiniteFloat | Annotated[str, StringConstraints(max_length=10_000)]
LARGEST = 1e7  # numbers that are written out, without a power of ten

ENGLISH: MappingProxyType[str, str] = MappingProxyType(
    {
        # space
        "probe_rises": "A linear model has {score} {first:.3f} on the input and {last:.3f} on the "
        "last hidden layer ({layer}): the layers gain {gain:.3f}.",
        "probe_flat": "A linear model does no better on the last hidden layer ({layer}, {score} "
        "{last:.3f}) than on the input ({first:.3f}): the difference, {low:+.3f} to {high:+.3f}, "
        "may be chance.",
        "probe_falls": "A linear model does worse on the last hidden layer ({layer}, {score} "
        "{last:.3f}) than on the input ({first:.3f}): the layers lose what it needs.",
        "probe_steps": "It rises at {n_up} of {n_steps} {n_steps:step/steps} from layer to layer, "
        "at {n_clear} by more than chance.",
        "probe_best": "The best hidden layer is not the last: {layer} has {score} {best:.3f}, "
        "{difference:.3f} more.",
        "learned_beats_svm": "On the same rows a linear model on the last hidden layer "
        "({ours:.3f}) does {difference:.3f} better than the best support vector machine, "
        "{rival} ({theirs:.3f}).",
        "learned_ties_svm": "On the same rows a linear model on the last hidden layer ({ours:.3f}) "
        "and the best support vector machine, {rival} ({theirs:.3f}), are within each other's "
        "interval.",
        "learned_behind_svm": "On the same rows the best support vector machine, {rival} "
        "({theirs:.3f}), does {difference:.3f} better than a linear model on the last hidden layer "
        "({ours:.3f}).",
        "boosting_stages": "{rival} reaches what the last hidden layer has ({ours:.3f}) after "
        "{n_stages} {n_stages:stage/stages}.",
        "boosting_never": "{rival} does not reach what the last hidden layer has ({ours:.3f}) in "
        "{n_stages} {n_stages:stage/stages}: it ends at {theirs:.3f}.",
        "kernel_aligned": "Seen by the last hidden layer, rows of one kind are alike: its kernel "
        "agrees with the target by {learned:.2f} (0 to 1), the RBF kernel by {fixed:.2f}.",
        "kernel_not_aligned": "The kernel of the last hidden layer agrees with the target by "
        "{learned:.2f} (0 to 1), no better than the RBF kernel by {fixed:.2f}.",
        "projection_share": "The picture of {layer} shows {share:.0%} of how the rows there "
        "differ.",
        "projection_same_rows": "The directions were chosen on the rows that are shown, there "
        "being only {n_rows}: the classes look better apart than they are.",
        # features
        "funnel_holds": "From many simple features to few abstract ones: from the first hidden "
        "layer to the last the activity comes down from {first_dimension:.1f} effective dimensions "
        "to {last_dimension:.1f}, and selectivity rises from {first_selectivity:.2f} to "
        "{last_selectivity:.2f}.",
        "funnel_selective_only": "The neurons become more selective from the first hidden layer to "
        "the last ({first_selectivity:.2f} to {last_selectivity:.2f}), but their activity does not "
        "narrow: {first_dimension:.1f} effective dimensions, then {last_dimension:.1f}.",
        "funnel_narrow_only": "The activity narrows from {first_dimension:.1f} effective "
        "dimensions in the first hidden layer to {last_dimension:.1f} in the last, but the neurons "
        "become no more selective ({first_selectivity:.2f}, then {last_selectivity:.2f}).",
        "funnel_fails": "No funnel here: from the first hidden layer to the last the activity does "
        "not narrow ({first_dimension:.1f} effective dimensions, then {last_dimension:.1f}) and "
        "the neurons become no more selective ({first_selectivity:.2f}, then "
        "{last_selectivity:.2f}).",
        "funnel_steps": "From layer to layer the effective dimensions come down at {n_narrower} of "
        "{n_steps} {n_steps:step/steps}, and selectivity goes up at {n_selective}.",
        "funnel_shallow": "With {n_hidden} hidden {n_hidden:layer/layers} there is no funnel to "
        "look for.",
        "neuron_class": "It answers to {label} above all: {share:.0%} of its {n_strongest} "
        "strongest rows are of it, against {base:.0%} of all.",
        "neuron_mixed": "It answers to no class above all: its {n_strongest} strongest rows are of "
        "{n_classes} classes.",
        "neuron_dead": "It never fires on these {n_rows:,} rows.",
        # attribution
        "attribution_incomplete": "The contributions miss the difference of outputs by {gap:.2g} "
        "in the worst row.",
        "importance_main": "{column} matters most: with its values shuffled, {score} falls by "
        "{drop:.3f} ({low:.3f} to {high:.3f}).",
        "importance_none": "{n_columns} of {n_all} {n_all:column/columns} cannot be told from "
        "noise: {columns}.",
        "importance_all_noise": "No column can be told from noise.",
        "importance_shared": "{one} and {other} say much the same (rank correlation "
        "{correlation:.2f}): the importance of each is understated.",
        "dependence_rises": "The prediction rises with {column}, from {first:.4g} to {last:.4g} on "
        "average.",
        "dependence_falls": "The prediction falls with {column}, from {first:.4g} to {last:.4g} on "
        "average.",
        "dependence_turns": "The prediction moves with {column} between {low:.4g} and {high:.4g} "
        "on average, neither rising nor falling throughout.",
        "dependence_kinds": "By {column}, the prediction is highest on average for {most} "
        "({high:.4g}) and lowest for {least} ({low:.4g}).",
        "dependence_flat": "The prediction does not depend on {column}.",
        "dependence_varies": "What {column} does depends on other columns: {share:.0%} of its "
        "effect differs from row to row.",
        # health
        "dead_units": "Layer {number} ({layer}): {n_dead} of {n_units} "
        "{n_units:neuron/neurons} never {n_dead:fires/fire} on these {n_rows:,} rows.",
        "stuck_units": "Layer {number} ({layer}): {n_dead} of {n_units} {n_units:neuron/neurons} "
        "{n_dead:is/are} flat on all of these {n_rows:,} rows: none can teach them.",
        "no_dead_units": "Every neuron answers to some of these {n_rows:,} rows.",
        "saturated": "Layer {number} ({layer}): {share:.0%} of its answers lie where the "
        "{function} function is flat.",
        "vanishing": "The error fades on its way back: at layer {number} ({layer}) it is "
        "{ratio:.2g} of what it is at the last hidden layer.",
        "exploding": "The error grows on its way back: at layer {number} ({layer}) it is "
        "{ratio:.2g} times what it is at the last hidden layer.",
        "steady_gradients": "The error comes back to the first layer at {ratio:.2g} times its size "
        "at the last hidden layer.",
        "updates_small": "Layer {number} ({layer}): a step changes its weights by {ratio:.2g} of "
        "their size, so it hardly learns.",
        "updates_large": "Layer {number} ({layer}): a step changes its weights by {ratio:.2g} of "
        "their size, which is more than it can use.",
        "updates_settle": "Layer {number} ({layer}): at the full learning rate a step would change "
        "its weights by {ratio:.2g} of their size; they settle as the rate comes down.",
        "updates_sound": "Every layer moves by a sound share of its weights at a step, "
        "{low:.2g} to {high:.2g}.",
        "gap_large": "It learned some by heart: at the epoch kept, the loss on rows it has not "
        "seen is {ratio:.2g} times that on those it learned ({validation:.4g} against "
        "{train:.4g}).",
        "gap_small": "No sign of overfitting at the epoch kept: loss {validation:.4g} on rows it "
        "has not seen, {train:.4g} on those it learned.",
        "gap_unknown": "Nothing was held out, so overfitting cannot be seen.",
        "gap_turned": "After epoch {best} the loss on unseen rows rose again, to {ratio:.2g} times "
        "its best by epoch {last}; the weights of epoch {best} were kept.",
        "gap_still_falling": "The loss on unseen rows was at its best in the last epoch, {last}: "
        "training longer may help.",
        "calibrated": "The probabilities can be taken at their word: they are off by {ece:.3f} on "
        "average, no more than chance makes of perfect ones ({chance:.3f}).",
        "overconfident": "It is too sure of itself: it is right in {accuracy:.1%} of the rows and "
        "on average claims {confidence:.1%}; expected calibration error {ece:.3f}.",
        "underconfident": "It is less sure than it could be: it is right in {accuracy:.1%} of the "
        "rows and on average claims {confidence:.1%}; expected calibration error {ece:.3f}.",
        "uneven_confidence": "On the whole it is as sure as it is right, but not at every level: "
        "expected calibration error {ece:.3f}, by chance {chance:.3f}.",
        "confused_most": "Its most frequent mistake is taking {truth} for {prediction}: {n} of "
        "{n_truth:,} {n_truth:row/rows}.",
        "no_mistakes": "It makes no mistake on these {n_rows:,} rows.",
        "class_never_predicted": "{label} is never predicted, though {n:,} {n:row is/rows are} "
        "of it.",
        "sampled": "Worked out on {n_used:,} rows drawn at random from {n_rows:,}.",
        # report
        "report_accuracy": "It is right in {value:.1%} of these {n_rows:,} rows (95% interval "
        "{low:.1%} to {high:.1%}); always saying {guess} would be right in {baseline:.1%}.",
        "report_labels": "Of the labels of {n_rows:,} rows {value:.1%} are right (95% interval "
        "{low:.1%} to {high:.1%}); always giving each label the same answer would be right in "
        "{baseline:.1%}.",
        "report_numbers": "It explains {value:.1%} of how {target} differs from row to row (95% "
        "interval {low:.1%} to {high:.1%}); its mean error is {error:.4g}, and {baseline:.4g} by "
        "always saying the mean.",
        "report_better": "Clearly better than guessing: it does away with {gain:.0%} of the loss "
        "of a guess ({measure}).",
        "report_little_better": "Better than guessing, but not by much: it does away with only "
        "{gain:.0%} of the loss of a guess ({measure}).",
        "report_no_better": "No better than guessing: {measure} {value:.4g} ({low:.4g} to "
        "{high:.4g}), and {baseline:.4g} by always giving the same answer.",
        "report_worse": "Worse than guessing: {measure} {value:.4g} ({low:.4g} to {high:.4g}), "
        "and {baseline:.4g} by always giving the same answer.",
        "report_held_out_share": "On rows held out in training {value:.1%} were right.",
        "report_held_out_error": "On rows held out in training its RMSE was {value:.5g}.",
        "report_same_rows": "These are most likely the rows it was trained on, so the figures here "
        "are better than it does on new ones: believe those on rows held out.",
        "report_fell": "Clearly worse than on rows held out in training ({held_out}): these rows "
        "may be of another kind.",
        "asked_classes": "Asked is which of {n_classes} classes a row belongs to: {classes}.",
        "asked_numbers": "Asked is a number: {target}.",
        "asked_labels": "Asked is which of {n_labels} {n_labels:label/labels} a row has: {labels}.",
        "asked_factors": "Asked are {n_factors} factors of one answer, {factors}: training saw "
        "{n_seen} of their {n_all} combinations.",
        "factors_hardest": "{factor} is told worst: right in {value:.1%} of the rows, and "
        "{baseline:.1%} by always giving the same answer; {gain:.0%} of the loss of a guess is "
        "done away with.",
        "factors_rare": "Of {n} {n:combination that is/combinations that are} rare in training "
        "{right:.1%} of {n_rows:,} {n_rows:row is/rows are} right with the prior of training, and "
        "{uniform:.1%} with a uniform one.",
        "factors_rare_absent": "{n} {n:combination is/combinations are} rare in training, and no "
        "row here is of {n:it/them}.",
        "factors_new": "Of {n} {n:combination/combinations} that training never saw {right:.1%} of "
        "{n_rows:,} {n_rows:row is/rows are} right with the prior of training, and {uniform:.1%} "
        "with a uniform one.",
        "factors_new_absent": "Training never saw {n} {n:combination/combinations}, and no row "
        "here is of {n:it/them}.",
        "factors_untold": "Nothing that was seen tells {n} of the combinations never seen "
        "{n:from others/from each other}: their probabilities (marked *) say little.",
        "factors_prior": "The prior is yours to choose: from that of training to a uniform one, "
        "what is right in all goes from {accuracy:.1%} to {accuracy_uniform:.1%} of the rows, and "
        "the mean over combinations from {mean:.1%} to {mean_uniform:.1%}.",
        "factors_prior_idle": "The prior hardly matters here: the rows tell enough.",
        "factors_own_prior": "All figures but those by prior are with the model's own prior: "
        "{prior}.",
        "data_complete": "No value is missing.",
        "data_missing": "{share:.1%} of the values are missing, most in {column} ({most:.0%}).",
        "data_unused": "Not looked at ({n_columns} {n_columns:column/columns}): {columns}.",
        "data_unusual": "{n_unusual:,} of {n_rows:,} {n_rows:row/rows} {n_unusual:is/are} unlike "
        "those of training (new categories, numbers far outside its range, or no value at all): "
        "trust predictions for them less.",
        "data_usual": "No row lies outside of what was seen in training.",
        "data_more_missing": "{column} is missing in {now:.0%} of the rows here, and was in "
        "{before:.0%} in training.",
        "data_strange": "{column}: {n} {n:value was/values were} never seen in training, or far "
        "outside its range.",
        "data_rows_drawn": "These are {n_rows:,} rows drawn at random from {n_all:,}.",
        "data_no_target": "{n} {n:row has/rows have} no target that the model knows, and "
        "{n:is/are} left out.",
        "search_tried": "{n_tried} {n_tried:network was/networks were} tried; the model is made "
        "of {n_kept} of them.",
        "search_folds": "Each was trained {n_folds} times, on other rows each time, so that every "
        "row both taught and judged.",
        "search_held_out": "It learned from {n_train:,} rows and was judged on {n_held_out:,} "
        "others.",
        "search_together": "Together their {loss_name} is {together:.4f}, the best of them alone "
        "has {alone:.4f}: averaging cancels errors.",
        "search_alone": "The best of them alone ({loss_name} {alone:.4f}) does as well as all "
        "together ({together:.4f}).",
        "search_baseline": "An answer that looks at no column has {loss_name} {baseline:.4f}; the "
        "model does away with {gain:.0%} of that.",
        "search_cut": "{n_cut} {n_cut:was/were} cut early for being behind, which left the time to "
        "better ones.",
        "search_depth_pays": "Hidden layers pay: the best network with them has {loss_name} "
        "{deep:.4f}, the best linear one {linear:.4f}.",
        "search_depth_idle": "Hidden layers do not pay here: the best network with them has "
        "{loss_name} {deep:.4f}, the best linear one {linear:.4f}.",
        "search_cut_at": "Cut at epoch {epoch} of {n_planned}: behind the best loss there.",
        "search_cut_fold": "Cut after the first of {n_folds} folds: its loss there was {behind}% "
        "behind the best.",
        "search_behind": "Behind the best loss.",
        "search_contest": "{n_starts} trainings made the model: some networks were only judged, on "
        "rows held out; {n_kept} {n_kept:is/are} kept.",
        "search_judged": "Trained to be judged on rows held out; the model's own learned from all.",
        "search_starts": "The same network was trained from {n_starts} random "
        "{n_starts:start/starts}; {n_kept} {n_kept:is/are} kept and averaged.",
        "network_share": "Drawn is the heaviest of the model's {n_networks} networks ({share:.0%} "
        "of the prediction), at work on row {row}.",
        "network_only": "Drawn is the model's only network, at work on row {row}.",
        "network_trunk": "It is drawn from where its way in ({first}) has made {n} numbers of the "
        "row.",
        "worst_surest": "It was surest of a mistake in row {row}: it said {said} with "
        "{sureness:.1%}, but it is {truth}, to which it gave {share:.2%}.",
        "worst_number": "It was farthest off in row {row}: it said {said}, but it is {truth}.",
        "worst_few": "The worst 1% of the rows make up {share:.0%} of the squared error.",
        "worst_share": "The worst 1% of the rows make up {share:.0%} of the loss.",
        "residual_centered": "Its errors hardly lean to one side: {mean:+.3g} on average, interval "
        "{low:+.3g} to {high:+.3g}.",
        "residual_high": "It predicts too much, by {mean:.3g} on average ({low:.3g} to "
        "{high:.3g}).",
        "residual_low": "It predicts too little, by {mean:.3g} on average ({low:.3g} to "
        "{high:.3g}).",
        "residual_grows": "Its errors grow with what it predicts: in the tenth of the rows with "
        "the largest predictions they are {ratio:.2g} times those in the tenth with the smallest.",
        "spread_within": "Of {n_rows} rows half are within {half} of what was predicted, nine of "
        "ten within {most}.",
        "means_hold": "It can be taken at its word: in {n_held} of {n_bands} groups of rows with "
        "about the same prediction the right numbers average what was predicted, within chance.",
        "means_stray": "Only in {n_held} of {n_bands} groups of rows with about the same "
        "prediction do the right numbers average what was predicted, within chance.",
    }
)
"""What each code says in English; ``{n:row/rows}`` is the first where n is 1, else the second."""


class _Writer(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if "/" in format_spec:
            one, many = format_spec.split("/", 1)
            return one if value == 1 else many
        said = str(super().format_field(value, format_spec))
        if "e+" in said and abs(value) < LARGEST:
            said = f"{float(said):{'+' if '+' in format_spec else ''}.0f}"  # 2650, not 2.65e+03
        return said


class Finding(Value):
    """One thing worth saying: a code, and the numbers that go with it.

    Attributes
    ----------
    code : str
        What is said; a key of `ENGLISH`.
    level : {"good", "note", "warning"}
        Whether it is as it should be, or calls for something to be done.
    numbers : tuple of (str, number or str)
        The numbers and names in the sentence.

    Examples
    --------
    >>> print(find("dead_units", "warning", number=3, layer="dense 64 relu", n_dead=12,
    ...            n_units=64, n_rows=500))
    Layer 3 (dense 64 relu): 12 of 64 neurons never fire on these 500 rows.
    """

    code: Code
    level: Level = "note"
    numbers: tuple[tuple[str, Fact], ...] = Field(default=(), max_length=100)

    def __getitem__(self, name: str) -> int | float | str:
        """Return one of the numbers."""
        return dict(self.numbers)[name]

    def __str__(self) -> str:
        return write(self, ENGLISH)


def find(code: str, level: Level = "note", **numbers: Any) -> Finding:
    """Make a finding of a code and its numbers, NumPy's among them."""
    facts = tuple(
        (name, value.item() if hasattr(value, "item") else value) for name, value in numbers.items()
    )
    return Finding(code=code, level=level, numbers=facts)


def write(finding: Finding, templates: Mapping[str, str]) -> str:
    """Write a finding in the language of the templates; code and numbers where it has none.

    Parameters
    ----------
    finding : Finding
        What is to be said.
    templates : mapping of str to str
        The sentence of each code, as in `ENGLISH`.

    Examples
    --------
    >>> chinese = {"sampled": "{n_rows} 行中抽取 {n_used} 行"}
    >>> write(find("sampled", n_used=500, n_rows=20000), chinese)
    '20000 行中抽取 500 行'
    """
    template = templates.get(finding.code)
    if template is None:
        facts = ", ".join(f"{name} {value}" for name, value in finding.numbers)
        return f"{finding.code.replace('_', ' ')}: {facts}"
    return _Writer().vformat(template, (), dict(finding.numbers))
