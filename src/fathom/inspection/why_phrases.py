"""What `why` says beside numbers, in Chinese: meanings, formulas and notes."""

import re
from types import MappingProxyType

from fathom.inspection.tongues import Language

CHINESE_MEANINGS: MappingProxyType[str, str] = MappingProxyType(
    {
        "combination function": "组合函数（加权和）",
        "activation": "激活值",
        "node error ∂L/∂z": "节点误差 ∂L/∂z",
        "slope of the activation function": "激活函数的斜率",
        "∂L/∂w": "梯度 ∂L/∂w",
        "after one step": "走一步之后",
        "direction of the step": "这一步的方向",
        "∂L/∂ what comes in": "对输入的梯度",
        "given": "给定",
        "learned": "学到的",
        "learning rate η": "学习率 η",
        "squared error": "平方误差",
        "cross entropy": "交叉熵",
        "binary cross entropy": "二元交叉熵",
        "mean of the losses of the examples": "各样本损失的平均",
        "1 where z > 0, else 0": "z > 0 时为 1，否则为 0",
        "1 where z ≥ 0, else 0.01": "z ≥ 0 时为 1，否则为 0.01",
        "z where z > 0, else e^z − 1": "z > 0 时为 z，否则为 e^z − 1",
        "1 where z > 0, else e^z": "z > 0 时为 1，否则为 e^z",
        "λ z where z > 0, else λ α (e^z − 1), with λ = 1.0507 and α = 1.6733":
            "z > 0 时为 λ z，否则为 λ α (e^z − 1)，λ = 1.0507，α = 1.6733",
        "λ where z > 0, else λ α e^z": "z > 0 时为 λ，否则为 λ α e^z",
        "z · Φ(z), Φ the normal distribution": "z · Φ(z)，Φ 为正态分布函数",
        "t + z · (1 − t²) · σ(z), with t = tanh(ln(1 + e^z))":
            "t + z · (1 − t²) · σ(z)，其中 t = tanh(ln(1 + e^z))",
        "rate": "步长",
        "slope": "斜率",
        "mean": "均值",
    }
)  # fmt: skip
"""What is said in Chinese; a note is looked up as a whole, or each side of ``name = meaning``."""


def say_meaning(text: str, language: Language) -> str:
    """Return a meaning, a formula or a note in a language; names stay as they are.

    Examples
    --------
    >>> say_meaning("combination function", "zh")
    '组合函数（加权和）'
    >>> say_meaning("η = learning rate η", "zh")
    'η = 学习率 η'
    """
    if language == "en":
        return text

    def put(found: re.Match[str]) -> str:
        bare = found[0].strip()
        return found[0].replace(bare, CHINESE_MEANINGS.get(bare, bare), 1) if bare else found[0]

    return CHINESE_MEANINGS.get(text) or re.sub("[^=,]+", put, text)
