"""A scaled decision tree as arrays, walked by numpy: all rows take a step at a time.

Of a small tree all questions are asked at once: their answers are a row's place in a table.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ekiben.compiled.artefact import (
    Artefact,
    Floats,
    NotCompilable,
    Scorer,
    pack,
    plain_classes,
    unpack,
)

Places = NDArray[np.intp]

TREE = "tree"
ARRAYS = "tree.npz"
BITS = 8
"""A tree with so many splits at most is small: the answers are the bits of a byte."""


def compile_tree(pipeline: Any) -> Artefact:
    """Compile a pipeline of MinMaxScaler and DecisionTreeClassifier.

    Raises:
        NotCompilable: the scaler cuts values off, or the tree has several outputs.
    """
    (_, scaler), (_, classifier) = pipeline.steps
    if scaler.clip:
        raise NotCompilable("its scaler clips")
    tree = classifier.tree_
    if tree.n_outputs != 1:
        raise NotCompilable("it has several outputs")
    nodes = np.arange(tree.node_count)
    is_leaf = tree.children_left < 0
    arrays = {
        "scale": scaler.scale_,
        "shift": scaler.min_,
        "depth": np.array(tree.max_depth),
        "feature": np.where(is_leaf, 0, tree.feature),
        "threshold": tree.threshold,
        # A leaf is its own child: a row that has arrived steps on the spot.
        "right": np.where(is_leaf, nodes, tree.children_right),
        "left": np.where(is_leaf, nodes, tree.children_left),
        "shares": tree.value[:, 0, :],
    }
    return Artefact(TREE, plain_classes(classifier), files={ARRAYS: pack(arrays)})


def load_tree(artefact: Artefact) -> Scorer:
    """Make the scorer.

    Values are rounded to float32 before they are compared, as scikit-learn does.
    """
    arrays = unpack(artefact.files[ARRAYS])
    scale, shift, shares = arrays["scale"], arrays["shift"], arrays["shares"]
    feature, threshold = arrays["feature"], arrays["threshold"]
    children = np.column_stack((arrays["right"], arrays["left"])).ravel()
    columns, steps = len(scale), range(int(arrays["depth"]))
    splits = np.flatnonzero(arrays["right"] != arrays["left"])

    def score_at_once(features: Floats) -> Floats:
        scaled = features * scale
        scaled += shift
        values = scaled.astype(np.float32).take(asked, axis=1)
        places = np.packbits(values <= limits, axis=1).ravel()
        reached: Floats = table.take(places, axis=0)
        return reached

    def score(features: Floats) -> Floats:
        scaled = features * scale
        scaled += shift
        values = scaled.astype(np.float32).ravel()
        first = np.arange(0, len(values), columns)
        node = np.zeros(len(features), dtype=np.intp)
        for _ in steps:
            value = values.take(first + feature.take(node))
            node = children.take(2 * node + (value <= threshold.take(node)))
        reached: Floats = shares.take(node, axis=0)
        return reached

    if not 1 <= len(splits) <= BITS:
        return score
    asked, limits = feature[splits], threshold[splits]
    table = shares[_leaves(splits, arrays["right"], arrays["left"])]
    return score_at_once


def _leaves(splits: Places, right: Places, left: Places) -> list[int]:
    """Return the leaf for each byte whose bits, the highest first, say of which of *splits*
    a row has the threshold at most."""
    bits = {int(split): 0x80 >> place for place, split in enumerate(splits)}
    leaves = []
    for answers in range(1 << BITS):
        node = 0
        while node in bits:
            node = int((left if answers & bits[node] else right)[node])
        leaves.append(node)
    return leaves
