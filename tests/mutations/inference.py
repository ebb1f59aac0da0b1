"""Mutations of what a trained model does around its network."""

from __future__ import annotations

from tests.mutations import Mutation

MODELS = "runtime/test_models_of_estimators.py"

MUTATIONS = [
    Mutation(
        "inference/classification/classifier.py",
        "(1, None, len(classes))",
        "(1, None, None)",
        f"{MODELS}::test_what_does_not_fit_the_network_is_refused[classes]",
    ),
    Mutation(
        "inference/translation/translator.py",
        "        translator.check_vocabularies()\n",
        "",
        f"{MODELS}::test_what_does_not_fit_the_network_is_refused[target]",
    ),
    Mutation(
        "runtime/model_directory.py",
        "if not np.isfinite(array).all():",
        "if array is None:",
        f"{MODELS}::test_weights_that_are_not_finite_are_refused[classifier]",
    ),
    Mutation(
        "runtime/loading.py",
        'raise InputError(f"{directory}: {error}") from error',
        "raise",
        f"{MODELS}::test_a_directory_of_a_former_version_says_what_to_do[tagger]",
    ),
    Mutation(
        "data/containers.py",
        "import numpy as np\n",
        "import numpy as np\nimport torch\n",
        f"{MODELS}::test_numpy_and_safetensors_are_enough",
    ),
    Mutation(
        "data/text/splitting.py",
        '_RAISED = "²³¹¼½¾"',
        '_RAISED = ""',
        f"{MODELS}::test_texts_are_split_as_by_the_library[word]",
    ),
    Mutation(
        "data/text/byte_pairs.py",
        "not (self.fuse_unknown and follows_unknown)",
        "not self.fuse_unknown",
        f"{MODELS}::test_texts_are_split_as_by_the_library[subword]",
    ),
]
