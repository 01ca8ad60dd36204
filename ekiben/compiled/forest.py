"""Random forests as the text of a LightGBM model that averages their trees.

scikit-learn asks tree after tree from Python and starts threads for it; LightGBM
walks them in C++. Both libraries go left where `value <= threshold`; scikit-learn
compares in single precision, so the values are rounded to float32 before LightGBM
sees them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ekiben.compiled.artefact import (
    Artefact,
    Floats,
    NotCompilable,
    Scorer,
    plain_classes,
)
from ekiben.compiled.boosting import two_columns
from ekiben.compiled.lightgbm_library import Booster

FOREST = "forest"
TEXT = "model.txt"
HEAD = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx={last}
objective=regression
average_output
feature_names={names}
feature_infos={ranges}
tree_sizes={sizes}

"""
TAIL = "end of trees\n\nparameters:\n[verbosity: -1]\nend of parameters\n"
LESS_OR_EQUAL = 2
"""LightGBM's decision type: numeric, missing values unknown, default left."""


def compile_forest(forest: Any) -> Artefact:
    """Compile a `RandomForestClassifier` of two classes.

    Raises:
        NotCompilable: it has another number of classes.
    """
    if len(forest.classes_) != 2:
        raise NotCompilable(f"it has {len(forest.classes_)} classes, not two")
    text = _as_lightgbm(forest)
    return Artefact(FOREST, plain_classes(forest), files={TEXT: text.encode()})


def load_forest(artefact: Artefact) -> Scorer:
    """Make the scorer."""
    ask = Booster(artefact.files[TEXT].decode()).scorer()

    def positive(features: Floats) -> Floats:
        return ask(features.astype(np.float32))

    return two_columns(positive)


def _as_lightgbm(forest: Any) -> str:
    """Return *forest* as the text of a LightGBM model that averages its trees."""
    trees = [
        _tree(number, one.tree_) + "\n\n"
        for number, one in enumerate(forest.estimators_)
    ]
    columns = range(forest.n_features_in_)
    head = HEAD.format(
        last=len(columns) - 1,
        names=" ".join(f"column_{column}" for column in columns),
        ranges=" ".join("[-inf:inf]" for _ in columns),
        sizes=" ".join(str(len(tree)) for tree in trees),
    )
    return head + "".join(trees) + TAIL


def _tree(number: int, tree: Any) -> str:
    is_leaf = tree.children_left < 0
    inner, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    place = np.empty(tree.node_count, dtype=np.int64)
    place[inner] = np.arange(len(inner))
    place[leaves] = -1 - np.arange(len(leaves))  # LightGBM names leaf n by -1 - n
    ones, zeros = np.ones(tree.node_count, int), np.zeros(tree.node_count, int)
    fields: dict[str, Sequence[Any] | NDArray[Any]] = {
        "Tree": [number],
        "num_leaves": [len(leaves)],
        "num_cat": [0],
        "split_feature": tree.feature[inner],
        "split_gain": zeros[inner],
        "threshold": tree.threshold[inner],
        "decision_type": ones[inner] * LESS_OR_EQUAL,
        "left_child": place[tree.children_left[inner]],
        "right_child": place[tree.children_right[inner]],
        "leaf_value": tree.value[leaves, 0, 1],
        "leaf_weight": ones[leaves],
        "leaf_count": ones[leaves],
        "internal_value": zeros[inner],
        "internal_weight": ones[inner],
        "internal_count": ones[inner],
        "is_linear": [0],
        "shrinkage": [1],
    }
    return "".join(
        f"{name}={' '.join(map(repr, np.asarray(values).tolist()))}\n"
        for name, values in fields.items()
    )
