"""A scaled decision tree as arrays, walked by numpy: all rows take a step at a time."""

from typing import Any

import numpy as np

from ekiben.compiled.artefact import (
    Artefact,
    Floats,
    NotCompilable,
    Scorer,
    pack,
    plain_classes,
    unpack,
)

TREE = "tree"
ARRAYS = "tree.npz"


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

    return score
