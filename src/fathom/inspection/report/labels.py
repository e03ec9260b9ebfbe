"""Labels of a report: headings, axes and words in tables, in English and in Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass

from fathom.inspection.chinese import TERMS
from fathom.inspection.tongues import Language


@dataclass(frozen=True)
class Labels:
    """Every word of a report that is not in a finding, in one language.

    Texts with places in braces are filled by ``str.format``.
    """

    language: Language
    language_tag: str
    terms: Mapping[str, str]
    levels: Mapping[str, str]
    kinds: Mapping[str, str]
    states: Mapping[str, str]
    traits: Mapping[str, str]
    contents: str
    heading: str
    heading_plain: str
    subtitle_table: str
    subtitle_pictures: str
    end: str
    verdict: str
    guessing: str
    interval: str
    held_out_figure: str
    rows_of_each: str
    target_values: str
    band: str
    settled: str
    data: str
    about_data: str
    column: str
    kind: str
    values: str
    distinct: str
    missing: str
    in_training: str
    strange: str
    more_columns: str
    notes: str
    quality: str
    about_quality: str
    metric: str
    value: str
    class_name: str
    label_name: str
    precision: str
    recall: str
    rows: str
    every_class: str
    answers: str
    about_answers: str
    confusion: str
    predicted: str
    true: str
    worst_cells: str
    more_cells: str
    cell: str
    cell_line: str
    row_numbers: str
    calibration: str
    confidence: str
    share_right: str
    predictions: str
    perfect: str
    scatter: str
    residuals: str
    error: str
    exact: str
    networks: str
    about_networks: str
    network: str
    state: str
    share: str
    loss: str
    train_loss: str
    shape: str
    linear: str
    settings: str
    epoch: str
    why: str
    more_networks: str
    layer: str
    numbers_out: str
    parameters: str
    total: str
    curves: str
    about_curves: str
    learned_rows: str
    held_out_rows: str
    best_epoch: str
    curve_title: str
    columns: str
    about_columns: str
    importance: str
    importance_axis: str
    dependence: str
    dependence_kinds: str
    probability_of: str
    prediction: str
    drawing: str
    about_drawing: str
    positive: str
    negative: str
    more: str
    input: str
    features: str
    first_weights: str
    health: str
    about_health: str
    errors_back: str
    updates: str
    by_size: str
    neurons: str
    dead: str
    flat: str
    mistakes: str
    about_mistakes: str
    about_mistaken_pictures: str
    about_mistaken_parts: str
    spoke_for: str
    row: str
    said: str
    is_truth: str
    more_values: str

    def term(self, name: str) -> str:
        """Return what a metric, a score or a loss is called."""
        return self.terms.get(name, name)


ENGLISH = Labels(
    language="en",
    language_tag="en",
    terms={},
    levels={"good": "good", "note": "note", "warning": "warning"},
    kinds={
        "number": "number",
        "category": "category",
        "yes_no": "yes or no",
        "date": "date",
        "text": "text",
        "picture": "picture",
        "identifier": "identifier (not used)",
        "constant": "constant (not used)",
    },
    states={
        "kept": "kept",
        "spare": "spare",
        "cut": "cut",
        "unfinished": "unfinished",
        "failed": "failed",
    },
    traits={
        "activation": "{}",
        "dropout": "dropout {}",
        "input_form": "numbers {}",
        "learning_rate": "rate {}",
        "weight_decay": "decay {}",
        "has_trees": "sees trees",
        "is_log_target": "predicts the logarithm",
        "as_is": "as they are",
        "robust": "as they are",
        "quantile": "by rank",
        "periodic": "as waves",
        "periodic_quantile": "by rank, as waves",
        "piecewise": "in parts",
        "thermometer": "in steps",
    },
    contents="Contents",
    heading="How well {model} predicts {target}",
    heading_plain="How well {model} predicts",
    subtitle_table="{n} rows of {data}, {n_columns} columns",
    subtitle_pictures="{n} pictures of {data}, {size} pixels each",
    end="Written by Fathom {version}. Figures in brackets and whiskers are 95% intervals.",
    verdict="In short",
    guessing="guessing: {}",
    interval="{low} to {high}",
    held_out_figure="{}, rows held out in training",
    rows_of_each="Rows of each class",
    target_values="What is to be predicted",
    band="mean; 8 in 10 rows lie in the band",
    settled="median",
    data="The data",
    about_data="What was asked, and what the answers are drawn from.",
    column="column",
    kind="kind",
    values="values in training",
    distinct="distinct there",
    missing="missing here",
    in_training="missing in training",
    strange="strange here",
    more_columns="All {n} columns",
    notes="What training noticed about its rows",
    quality="How good it is",
    about_quality="Every figure with its interval, beside what always giving the same answer has.",
    metric="metric",
    value="value",
    class_name="class",
    label_name="label",
    precision="precision",
    recall="recall",
    rows="rows",
    every_class="Class by class",
    answers="Right and wrong answers",
    about_answers="Where the answers go, and whether their probabilities can be believed.",
    confusion="Confusion matrix",
    predicted="predicted",
    true="true",
    worst_cells="The most frequent mistakes, and rows to look at (the surest first)",
    more_cells="{n} more kinds of mistake",
    cell="mistake",
    cell_line="{truth} taken for {prediction}",
    row_numbers="rows",
    calibration="Is it as sure as it is right?",
    confidence="confidence",
    share_right="share that is right",
    predictions="predictions",
    perfect="as sure as right",
    scatter="Predicted and true",
    residuals="Errors by prediction",
    error="predicted − true",
    exact="no error",
    networks="The networks tried, and why these",
    about_networks="Losses are on rows held out from each network; less is better.",
    network="network",
    state="state",
    share="share",
    loss="held-out {}",
    train_loss="training",
    shape="hidden layers",
    linear="none (linear)",
    settings="settings",
    epoch="epoch kept",
    why="why not",
    more_networks="All {n} networks",
    layer="layer",
    numbers_out="shape",
    parameters="parameters",
    total="total",
    curves="How they learned",
    about_curves="Loss epoch by epoch: on the rows learned from, and on those held out.",
    learned_rows="rows learned",
    held_out_rows="rows held out",
    best_epoch="epoch kept",
    curve_title="Network {number} ({share})",
    columns="What it looks at",
    about_columns="How much worse it gets when a column's values are shuffled, and how the "
    "prediction moves with the two columns that matter most.",
    importance="What each column is worth",
    importance_axis="fall of {} when shuffled",
    dependence="Prediction by {}",
    dependence_kinds="Prediction by {}",
    probability_of="probability of {}",
    prediction="prediction",
    drawing="The network at work",
    about_drawing="Of wide layers the neurons that answer most strongly are drawn.",
    positive="positive weight",
    negative="negative weight",
    more="{:,} more",
    input="input",
    features="features",
    first_weights="Weights of the first layer: orange above 0, blue below",
    health="Health of the network",
    about_health="Whether anything keeps its layers from learning.",
    errors_back="The error on its way back",
    updates="How far weights move at a step",
    by_size="step by their size",
    neurons="neurons",
    dead="dead",
    flat="flat",
    mistakes="The worst mistakes",
    about_mistakes="The rows with the largest loss; their most important columns first.",
    about_mistaken_pictures="The pictures with the largest loss; beside each, what in it spoke for "
    "what was said (orange) and what against (blue).",
    about_mistaken_parts="The rows with the largest loss: what in a text or a picture spoke for "
    "what was said (orange) and what against (blue), and the values beside it.",
    spoke_for="what spoke for what was said of {}, and against",
    row="row {}",
    said="said",
    is_truth="is",
    more_values="all values",
)

CHINESE = Labels(
    language="zh",
    language_tag="zh-Hans",
    terms={**TERMS, "epoch": "轮次", "loss": "损失"},
    levels={"good": "良好", "note": "说明", "warning": "注意"},
    kinds={
        "number": "数值",
        "category": "类别",
        "yes_no": "是/否",
        "date": "日期",
        "text": "文本",
        "picture": "图片",
        "identifier": "标识（不使用）",
        "constant": "常量（不使用）",
    },
    states={
        "kept": "采用",
        "spare": "备用",
        "cut": "提前终止",
        "unfinished": "未完成",
        "failed": "失败",
    },
    traits={
        "activation": "{}",
        "dropout": "随机失活 {}",
        "input_form": "数值{}",
        "learning_rate": "学习率 {}",
        "weight_decay": "权重衰减 {}",
        "has_trees": "参考决策树",
        "is_log_target": "预测对数",
        "as_is": "原样",
        "robust": "原样",
        "quantile": "按秩",
        "periodic": "展开为波",
        "periodic_quantile": "按秩并展开为波",
        "piecewise": "分段",
        "thermometer": "分阶",
    },
    contents="目录",
    heading="{model} 预测 {target} 的效果",
    heading_plain="{model} 的预测效果",
    subtitle_table="{data} 中的 {n} 行，{n_columns} 列",
    subtitle_pictures="{data} 中的 {n} 张图片，每张 {size} 像素",
    end="由 Fathom {version} 生成。括号与误差线均为 95% 区间。",
    verdict="概要",
    guessing="猜测：{}",
    interval="{low} 到 {high}",
    held_out_figure="{}（训练时留出的行）",
    rows_of_each="各类的行数",
    target_values="要预测的数值",
    band="均值；十分之八的行落在阴影内",
    settled="中位数",
    data="数据",
    about_data="问的是什么，答案从哪里来。",
    column="列",
    kind="类型",
    values="训练时的取值",
    distinct="训练时的不同值",
    missing="此处缺失",
    in_training="训练时缺失",
    strange="此处异常值",
    more_columns="全部 {n} 列",
    notes="训练时对数据的说明",
    quality="效果如何",
    about_quality="每个指标都附有区间，并与“总给同一回答”的结果对照。",
    metric="指标",
    value="值",
    class_name="类别",
    label_name="标签",
    precision="精确率",
    recall="召回率",
    rows="行数",
    every_class="逐类结果",
    answers="答对与答错",
    about_answers="答案落在哪里，它的概率是否可信。",
    confusion="混淆矩阵",
    predicted="预测",
    true="实际",
    worst_cells="最常见的错误及可供查看的行（最有把握的在前）",
    more_cells="另外 {n} 种错误",
    cell="错误",
    cell_line="把 {truth} 当作 {prediction}",
    row_numbers="行号",
    calibration="校准：把握与正确率是否相符？",
    confidence="把握（置信度）",
    share_right="正确的比例",
    predictions="预测",
    perfect="把握等于正确率",
    scatter="预测值与实际值",
    residuals="误差随预测值的变化",
    error="预测 − 实际",
    exact="无误差",
    networks="尝试过的网络及取舍理由",
    about_networks="损失均在各网络未见过的留出行上计算，越小越好。",
    network="网络",
    state="结果",
    share="权重",
    loss="留出行{}",
    train_loss="训练损失",
    shape="隐藏层",
    linear="无（线性）",
    settings="设置",
    epoch="保留轮次",
    why="未采用的原因",
    more_networks="全部 {n} 个网络",
    layer="层",
    numbers_out="形状",
    parameters="参数",
    total="合计",
    curves="学习过程",
    about_curves="逐轮的损失：在学过的行上，以及在留出的行上（梯度下降）。",
    learned_rows="学过的行",
    held_out_rows="留出的行",
    best_epoch="保留的轮次",
    curve_title="网络 {number}（{share}）",
    columns="它看重什么",
    about_columns="置换重要性：把一列的值打乱后效果变差多少；以及预测如何随最重要的两列变化。",
    importance="各列的置换重要性",
    importance_axis="打乱后{}的下降",
    dependence="预测随 {} 的变化",
    dependence_kinds="按 {} 看预测",
    probability_of="{} 的概率",
    prediction="预测",
    drawing="工作中的网络",
    about_drawing="对于很宽的层，只画出响应最强的神经元；圆是神经元，线是突触（权重），方框是偏置。",
    positive="正权重",
    negative="负权重",
    more="另有 {:,} 个",
    input="输入",
    features="特征",
    first_weights="第一层的权重：橙色为正，蓝色为负",
    health="网络的健康状况",
    about_health="是否有什么妨碍各层学习。",
    errors_back="误差的反向传播",
    updates="一步之中权重移动多远",
    by_size="步长与权重之比",
    neurons="神经元",
    dead="不激活",
    flat="处于平坦区",
    mistakes="最严重的错误",
    about_mistakes="损失最大的行；最重要的列在前。",
    about_mistaken_pictures="损失最大的图片；旁边标出图中支持该判断的部分（橙色）和反对的部分（蓝色）。",
    about_mistaken_parts="损失最大的行：文本或图片中支持该判断的部分（橙色）和反对的部分（蓝色），"
    "以及同一行的其他取值。",
    spoke_for="{}：支持与反对该判断的部分",
    row="第 {} 行",
    said="预测",
    is_truth="实际",
    more_values="全部取值",
)

LABELS: dict[Language, Labels] = {"en": ENGLISH, "zh": CHINESE}
