"""Draw the figures of the concepts: ``python docs/figures/draw.py [NAME …]``.

Each is drawn twice, with English and with Chinese words, by the package's own charts. Those of
`EXACT` come out the same everywhere, and a test holds them to what is drawn anew.
"""

import functools
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fathom.inspection.charts import Series, bar_chart, line_chart
from fathom.inspection.contours import surface_chart
from fathom.inspection.descent_study import BITS, SUMS_OF_BITS
from fathom.inspection.descents import PLAIN, walk_together
from fathom.inspection.drawing import Labels, draw_network, stages_of
from fathom.inspection.example import INPUT, TARGET, hand_worked
from fathom.inspection.landscape import Landscape
from fathom.inspection.surface import LossSurface, surface_between
from fathom.inspection.trace import trace
from fathom.inspection.valleys import draw_starts
from fathom.nn.activations import ACTIVATIONS
from fathom.training.history import NetworkEvent
from fathom.training.monitor import Monitor

HERE = Path(__file__).parent
T = Callable[[str, str], str]  # the English words or the Chinese ones
WIDTH, HEIGHT = 560, 320
SECONDS = 240  # of the search that is drawn; a quiet machine needs fewer
_KEPT: dict[str, Any] = {}  # what was trained, for the second language


def draw_neuron(t: T) -> str:
    """Draw three activation functions, and the neurons of the first layer on one of them."""
    z = np.linspace(-5, 5, 81)
    curves = [Series(name, z, _activated(name, z)) for name in ("sigmoid", "tanh", "relu")]
    sums = _forward((1.0, -1.0)).layers[0]
    neurons = Series(
        t("layer 1 at (1, −1)", "第 1 层，输入 (1, −1)"), sums.z[0], sums.a[0], "points"
    )
    return line_chart(
        [*curves, neurons], title=t("What a neuron passes on", "神经元传出的值"),
        x_label=t("sum z", "加权和 z"), y_label=t("activation a", "激活值 a"),
        y_range=(-1.2, 2.2), width=WIDTH, height=HEIGHT,
    )  # fmt: skip


def _activated(name: str, z: np.ndarray) -> np.ndarray:
    return np.asarray(ACTIVATIONS[name](z[None, :])[0])


def _forward(x: tuple[float, float]) -> object:
    network, architecture = hand_worked()
    return trace(network, [x], loss=architecture.loss)


def draw_function(t: T) -> str:
    """Draw the first output of the worked network over the plane of its inputs."""
    network, architecture = hand_worked()
    side = np.linspace(-3, 3, 41)
    rows = np.stack([grid.ravel() for grid in np.meshgrid(side, side)], axis=1)
    output = trace(network, rows, loss=architecture.loss).output[:, 0].reshape(41, 41)
    return surface_chart(
        side, side, output, title=t("The first output", "第一个输出"),
        x_label=t("input 1", "输入 1"), y_label=t("input 2", "输入 2"),
        value_label=t("output", "输出"),
        marks=[Series("(1, −1)", [1], [-1], "points"), Series("(0, 0)", [0], [0], "points")],
        n_levels=10, width=WIDTH,
    )  # fmt: skip


def draw_losses(t: T) -> str:
    """Draw both losses over the probability that the truth was given."""
    p = np.linspace(0.005, 1, 100)
    return line_chart(
        [Series(t("cross entropy, −ln p", "交叉熵 −ln p"), p, -np.log(p)),
         Series(t("squared error, ½ (1 − p)²", "平方误差 ½ (1 − p)²"), p, 0.5 * (1 - p) ** 2)],
        title=t("What a probability costs", "一个概率的代价"),
        x_label=t("probability p given to the truth", "给正确答案的概率 p"),
        y_label=t("loss", "损失"), width=WIDTH, height=HEIGHT,
    )  # fmt: skip


def draw_backpropagation(t: T) -> str:
    """Draw the worked network with every sum, activation, weight and node error."""
    network, architecture = hand_worked()
    seen = trace(network, [INPUT], [TARGET], loss=architecture.loss)
    labels = Labels(
        positive=t("positive weight", "正权重"), negative=t("negative weight", "负权重")
    )
    names = (
        t("input", "输入"),
        t("layer 1", "第 1 层"),
        t("layer 2", "第 2 层"),
        t("output", "输出"),
    )
    stages = [
        replace(stage, title=name)
        for stage, name in zip(stages_of(seen.x, seen.layers), names, strict=True)
    ]
    return draw_network(
        stages, title=t("The worked network", "手算的网络"),
        description=t("every z, a, δ, w and b", "每个 z、a、δ、w、b"), labels=labels,
    )  # fmt: skip


def draw_depth(t: T) -> str:
    """Draw the median errors that ``fathom depth`` found; the commands are in docs/LOG.md."""
    layers = [1, 2, 4, 8]
    letter, satimage = t("letter", "letter"), t("satimage", "satimage")
    width, parameters = t("equal width", "宽度相同"), t("equal parameters", "参数个数相同")
    return line_chart(
        [Series(f"{letter}, {width}", layers, [5.65, 4.23, 3.70, 4.70], "both"),
         Series(f"{letter}, {parameters}", layers, [3.88, 4.23, 5.22, 7.80], "both"),
         Series(f"{satimage}, {width}", layers, [8.08, 8.24, 7.77, 8.86], "both"),
         Series(f"{satimage}, {parameters}", layers, [7.61, 8.24, 8.47, 9.01], "both")],
        title=t("Does depth pay?", "加深值得吗？"), x_label=t("hidden layers", "隐藏层数"),
        y_label=t("median error on test rows, %", "测试行上错误率的中位数，%"), width=WIDTH,
        height=380,
    )  # fmt: skip


def draw_folds(t: T) -> str:
    """Draw x ↦ the tent function composed with itself once to three times, made of relu."""
    x = np.linspace(0, 1, 129)
    lines, y = [], x
    for layers in (1, 2, 3):
        y = 2 * _activated("relu", y) - 4 * _activated("relu", y - 0.5)
        in_english = f"{layers} hidden layer{'s' * (layers > 1)}, {2 * layers} neurons"
        in_chinese = f"{layers} 个隐藏层，{2 * layers} 个神经元"
        lines.append(Series(t(in_english, in_chinese), x, y))
    return line_chart(
        lines, title=t("Each layer folds once more", "每一层再对折一次"),
        x_label=t("input", "输入"), y_label=t("output", "输出"), width=WIDTH, height=HEIGHT,
    )  # fmt: skip


def draw_representation(t: T) -> str:
    """Draw what ``benchmarks/space.py`` found on USPS; the command is in docs/LOG.md."""
    layer = t("hidden layer {0}", "隐藏层 {0}")
    names = [t("pixels", "像素"), *(layer.format(number) for number in range(1, 6)),
             t("SVM on pixels (RBF)", "像素上的 SVM（RBF）"),
             t("SVM with the learned kernel", "用学到的核的 SVM")]  # fmt: skip
    return bar_chart(
        names, [8.8, 5.7, 5.2, 4.9, 4.8, 4.8, 5.3, 4.5],
        title=t("What a linear model on each layer misreads", "各层上的线性模型认错多少"),
        x_label=t("error on 2,007 pictures, %", "2,007 幅图像上的错误率，%"),
        as_text=lambda value: f"{value:.1f}", width=WIDTH,
    )  # fmt: skip


def draw_descent(t: T) -> str:
    """Draw the plane through a start, the shallow valley it leads to, and a deeper one."""
    found = _two_valleys()
    chinese = {
        "Loss over the plane of start, end and another network":
            "起点、终点与另一网络所成平面上的损失",
        "towards the other network": "朝另一个网络的方向", "away from the start": "离开起点的方向",
        "path taken": "走过的路", "the network": "到达的网络", "another network": "另一个网络",
        "loss": "损失",
    }  # fmt: skip
    return found.to_svg(lambda text: t(text, chinese[text]), width=WIDTH)


@functools.cache
def _two_valleys() -> LossSurface:
    """Descend as ``fathom descent --example`` does: from the worked weights, and from 30 starts."""
    network, worked = hand_worked()
    described = worked.model_copy(update={"loss": "binary_cross_entropy"})
    recipe = PLAIN.model_copy(update={"learning_rate": 3.0, "epochs": 2000})
    goal = (described, BITS, SUMS_OF_BITS)
    starts = draw_starts(described, BITS, recipe, 30)
    worked_start = starts[0]._replace(network=network, name="from these weights")
    here = walk_together(*goal, recipe, [worked_start], n_looks=200, keep_path=True)[0]
    walks = walk_together(*goal, recipe, starts, n_looks=50)
    ends = sorted(walks, key=lambda walk: walk.descent.final_loss)
    print("descent: worked weights end at", round(here.descent.final_loss, 4), "the 30 starts at",
          *(round(walk.descent.final_loss, 4) for walk in ends))  # fmt: skip
    landscape = Landscape(here.network, *goal)
    return surface_between(landscape, here.path, ends[0].path.weights[-1], n_points=41)


def draw_overfitting(t: T) -> str:
    """Draw both losses of a network that is too large for 60 noisy rows."""
    train, held_out = _memorized()
    epochs = np.arange(1, len(train) + 1)
    best = int(np.argmin(held_out))
    return line_chart(
        [Series(t("rows learned from", "学习所用的行"), epochs, train),
         Series(t("rows held out", "留出的行"), epochs, held_out),
         Series(t("weights that are kept", "保留的权重"), [best + 1], [held_out[best]], "points")],
        title=t("When learning becomes learning by heart", "学习何时变成死记硬背"),
        x_label=t("epoch", "轮"), y_label=t("loss", "损失"), width=WIDTH, height=HEIGHT,
    )  # fmt: skip


def _memorized() -> tuple[np.ndarray, np.ndarray]:
    from fathom import Architecture, Dense, FathomClassifier, Recipe

    if "curves" not in _KEPT:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(260, 6)).astype(np.float32)
        y = (x[:, 0] + x[:, 1] - x[:, 2] + rng.normal(size=260) > 0).astype(int)
        layers = (Dense(units=64), Dense(units=64), Dense(units=2, activation="softmax"))
        described = Architecture(input_shape=(6,), layers=layers, loss="cross_entropy")
        recipe = Recipe(
            epochs=120, batch_size=20, learning_rate=0.001, schedule="constant",
            validation_fraction=200 / 260,
        )  # fmt: skip
        model = FathomClassifier(described, recipe, time_limit=None, random_state=0).fit(x, y)
        epochs = model.history_.starts[0].epochs
        _KEPT["curves"] = (
            np.array([one.train_loss for one in epochs]),
            np.array([one.validation_loss for one in epochs]),
        )
        kept = int(np.argmin(_KEPT["curves"][1]))
        print("overfitting: kept", kept + 1, *(round(c[kept], 3) for c in _KEPT["curves"]),
              "end", *(round(c[-1], 3) for c in _KEPT["curves"]))  # fmt: skip
    return _KEPT["curves"]


class _Watch(Monitor):
    """Keeps what becomes of each network, and when."""

    def __init__(self) -> None:
        self.began, self.seen = time.monotonic(), []

    def on_network(self, event: NetworkEvent) -> None:
        """Keep it."""
        self.seen.append((time.monotonic() - self.began, event))


def _searched() -> list[tuple[float, NetworkEvent]]:
    from sklearn.datasets import load_breast_cancer

    from fathom import FathomClassifier

    if "search" not in _KEPT:
        watch = _Watch()
        x, y = load_breast_cancer(return_X_y=True, as_frame=True)
        model = FathomClassifier(time_limit=SECONDS, random_state=0).fit(x, y, monitor=watch)
        print(*model.report_.words(), sep="\n")
        _KEPT["search"] = watch.seen
    return _KEPT["search"]


def draw_design(t: T) -> str:
    """Draw every network a search tried: when, how good, and what became of it."""
    events, chosen = _searched(), set()
    for _, event in events:
        if event.ensemble_loss is not None and event.members:
            chosen = set(event.members)
    groups: dict[str, list[tuple[float, float]]] = {"kept": [], "spare": [], "cut": []}
    for _, event in events:
        if event.loss is None or event.status not in ("complete", "cut"):
            continue
        kind = "cut" if event.status == "cut" else "kept" if event.number in chosen else "spare"
        groups[kind].append((event.number + 1, event.loss))
    names = {"kept": t("in the model", "在模型中"), "spare": t("not needed", "不需要"),
             "cut": t("cut for being behind", "因落后被淘汰")}  # fmt: skip
    best = sorted(loss for places in groups.values() for _, loss in places)
    top = best[0] * 4
    series = [Series(names[kind], *zip(*places, strict=True), "points")
              for kind, places in groups.items() if places]  # fmt: skip
    return line_chart(
        series, title=t("A search on 569 rows", "在 569 行上的一次搜索"),
        x_label=t("network, in the order of beginning", "网络，按开始的次序"),
        y_label=t("held-out log loss", "留出行上的对数损失"), y_range=(0, top), width=WIDTH,
        height=HEIGHT,
    )  # fmt: skip


def draw_budgets(t: T) -> str:
    """Draw how the losses of the best network and of the ensemble come down in a search."""
    times, alone, together = [], [], []
    best = np.inf
    for seconds, event in _searched():
        if event.status == "complete" and event.loss is not None:
            best = min(best, event.loss)
        if event.ensemble_loss is not None and np.isfinite(best):
            times.append(seconds)
            alone.append(best)
            together.append(event.ensemble_loss)
    return line_chart(
        [Series(t("best single network", "最好的单个网络"), times, alone),
         Series(t("ensemble", "集成"), times, together)],
        title=t("What the seconds buy", "时间换来什么"), x_label=t("seconds", "秒"),
        y_label=t("held-out log loss", "留出行上的对数损失"), width=WIDTH, height=HEIGHT,
    )  # fmt: skip


def draw_scale(t: T) -> str:
    """Draw what ``benchmarks/scale_simulated.py project`` says of rounds; see docs/LOG.md."""
    workers = [1, 4, 16, 64, 256, 1024, 4096, 16384]
    found = {
        12: [1.0, 3.2, 5.2, 5.4, 5.4, 5.4, 5.4, 5.4],
        120: [1.0, 3.8, 12.8, 31.2, 40.3, 40.8, 40.8, 40.8],
        1200: [1.0, 4.0, 15.8, 59.9, 182.6, 245.7, 247.3, 248.2],
    }
    name = t("rounds of {0:,} networks", "每回合 {0:,} 个网络")
    return line_chart(
        [Series(name.format(size), workers, times, "both") for size, times in found.items()],
        title=t("What workers save", "工作进程能省下什么"),
        x_label=t("workers", "工作进程数"),
        y_label=t("times as fast as one worker", "是一个工作进程的多少倍"), log_x=True, log_y=True,
        width=WIDTH, height=HEIGHT,
    )  # fmt: skip


EXACT = {
    "neuron": draw_neuron, "network": draw_function, "losses": draw_losses, "folds": draw_folds,
    "backpropagation": draw_backpropagation, "depth": draw_depth,
    "representation": draw_representation, "scale": draw_scale,
}  # fmt: skip
TRAINED = {
    "descent": draw_descent, "overfitting": draw_overfitting, "design": draw_design,
    "budgets": draw_budgets,
}  # fmt: skip
TONGUES: dict[str, T] = {"": lambda en, zh: en, ".zh": lambda en, zh: zh}


def main(names: list[str]) -> None:
    """Draw the figures of these names; all, where none is named."""
    for name, draw in (EXACT | TRAINED).items():
        if not names or name in names:
            for ending, t in TONGUES.items():
                (HERE / f"{name}{ending}.svg").write_text(draw(t) + "\n", encoding="utf-8")
                print(name + ending)


if __name__ == "__main__":
    main(sys.argv[1:])
