"""Would a small convolution over the words of texts better the bag of n-grams: measured here.

    python benchmarks/texts_sequence.py --data DIR --epochs 8

DIR holds ``text/thucnews_titles.tsv`` and ``text/sms_spam.tsv``. A fifth of each is put aside and
not touched; of the rest 15 % judge. The bag is Fathom's own model without a time limit. The
convolution is a vector for each word (of Chinese each character), kernels of 2, 3 and 4 words, the
largest answer of each over the text, dropout and a softmax layer, several starts averaged. Shown is
how good each is, how good both are together at several shares, and the processor time each took.
"""

import argparse
import re
import time
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import polars as pl
from sklearn.metrics import log_loss

from fathom import FathomClassifier
from fathom.data.splitting import hold_out

TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\W\d_]+|\d|[^\w\s]")
WIDTHS = (2, 3, 4)
BATCH, RATE = 64, 2e-3


def read(folder, name):
    if name == "thucnews_titles":
        lines = (folder / "text" / "thucnews_titles.tsv").read_text(encoding="utf-8").splitlines()
        pairs = [line.rsplit("\t", 1) for line in lines]
        return [a for a, _ in pairs], np.array([b for _, b in pairs])
    lines = (folder / "text" / "sms_spam.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t", 1) for line in lines]
    return [b for _, b in pairs], np.array([a for a, _ in pairs])


def tokens(texts, chars):
    if chars:
        return [list(t.casefold()) for t in texts]
    return [TOKEN.findall(t.casefold()) for t in texts]


def encode(lists, vocabulary, length):
    rows = np.zeros((len(lists), length), np.int32)
    for n, one in enumerate(lists):
        ids = [vocabulary.get(w, 1) for w in one[:length]]
        rows[n, : len(ids)] = ids
    return rows


def init(key, n_codes, n_classes, dim=64, channels=64):
    keys = jax.random.split(key, len(WIDTHS) + 2)
    p = {"e": 0.1 * jax.random.normal(keys[0], (n_codes, dim))}
    for w, k in zip(WIDTHS, keys[1:-1], strict=True):
        p[f"k{w}"] = jax.random.normal(k, (w * dim, channels)) * np.sqrt(2 / (w * dim))
        p[f"b{w}"] = jnp.zeros(channels)
    p["o"] = jax.random.normal(keys[-1], (channels * len(WIDTHS), n_classes)) * 0.05
    p["c"] = jnp.zeros(n_classes)
    return p


def sums(p, x, key=None, drop=0.5):
    e = p["e"][x] * (x > 0)[..., None]
    if key is not None:
        keep = jax.random.bernoulli(key, 1 - 0.2, x.shape)
        e = e * keep[..., None] / 0.8
    parts = []
    for w in WIDTHS:
        seen = jnp.concatenate([e[:, i : x.shape[1] - w + 1 + i] for i in range(w)], axis=2)
        z = jax.nn.relu(seen @ p[f"k{w}"] + p[f"b{w}"])
        parts.append(z.max(axis=1))
    h = jnp.concatenate(parts, axis=1)
    if key is not None:
        keep = jax.random.bernoulli(jax.random.fold_in(key, 1), 1 - drop, h.shape)
        h = h * keep / (1 - drop)
    return h @ p["o"] + p["c"]


def train(x, y, n_classes, n_codes, seed, epochs, batch, rate):
    key = jax.random.key(seed)
    p = init(key, n_codes, n_classes)
    steps = epochs * (len(x) // batch)
    opt = optax.adamw(optax.cosine_decay_schedule(rate, steps), weight_decay=1e-3)
    state = opt.init(p)

    @jax.jit
    def step(p, state, xb, yb, key):
        def loss(p):
            return optax.softmax_cross_entropy_with_integer_labels(sums(p, xb, key), yb).mean()

        value, g = jax.value_and_grad(loss)(p)
        updates, state = opt.update(g, state, p)
        return optax.apply_updates(p, updates), state, value

    rng = np.random.default_rng(seed)
    n = 0
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for b in range(0, len(x) - batch + 1, batch):
            rows = order[b : b + batch]
            p, state, _ = step(p, state, x[rows], y[rows], jax.random.fold_in(key, n))
            n += 1
    return p


@jax.jit
def proba(p, x):
    return jax.nn.softmax(sums(p, x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["thucnews_titles", "sms_spam"])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--chars", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for name in asked.sets:
        texts, labels = read(asked.data, name)
        classes, y = np.unique(labels, return_inverse=True)
        training, _ = hold_out(len(y), 0.2, 0, y)
        texts, y = [texts[i] for i in training], y[training]
        learn, judge = hold_out(len(y), 0.15, asked.seed + 1, y)
        frame = pl.DataFrame({"text": texts})
        began = time.process_time()
        model = FathomClassifier(time_limit=None, random_state=0, column_kinds={"text": "text"})
        model.fit(frame[learn], y[learn])
        bag = model.predict_proba(frame[judge])
        report(
            f"{name} bag without a limit ({len(model.networks_)} networks)", bag, y[judge], began
        )
        lists = tokens(texts, asked.chars)
        counts = Counter(w for i in learn for w in lists[i])
        vocabulary = {w: n + 2 for n, (w, c) in enumerate(counts.most_common(20000)) if c > 1}
        length = max(8, int(np.quantile([len(lists[i]) for i in learn], 0.98)))
        x = encode(lists, vocabulary, length)
        began, found = time.process_time(), []
        for seed in range(asked.starts):
            sizes = len(classes), len(vocabulary) + 2
            p = train(x[learn], y[learn], *sizes, seed, asked.epochs, BATCH, RATE)
            found.append(np.asarray(proba(p, x[judge])))
            report(
                f"{name} convolution, start {seed}, length {length}, {len(vocabulary)} words",
                found[-1],
                y[judge],
                began,
            )
        mean = np.mean(found, axis=0)
        report(f"{name} convolution, {asked.starts} averaged", mean, y[judge], began)
        for share in (0.2, 0.35, 0.5):
            report(
                f"{name} {1 - share:.0%} bag, {share:.0%} convolution",
                (1 - share) * bag + share * mean,
                y[judge],
                began,
            )


def report(what, p, y, began):
    p = p / p.sum(axis=1, keepdims=True)
    right, loss = np.mean(p.argmax(1) == y), log_loss(y, p)
    seconds = time.process_time() - began
    print(
        f"{what}: accuracy {right:.4f}, log loss {loss:.4f} of {len(y)}; {seconds:.1f} s of "
        "processor", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
