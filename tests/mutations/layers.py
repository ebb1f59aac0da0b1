"""Mutations of the layers."""

from __future__ import annotations

from tests.mutations import Mutation

PATHS = "oracle/test_kernels_agree_with_the_reference.py::test_kernels_and_reference_agree"
ATTENTION = "laws/test_attention.py"
DIRECTIONS = "test_both_directions_start_the_decoder"
ONNX = "conformance/test_onnx.py"
RUNTIME = "test_the_runtime_computes_what_the_layer_does"
NAMES = "meta/test_public_names.py"
VARIANTS = "oracle/test_cell_variants.py::test_a_variant_is_what_its_source_says"
OPTIONS = "oracle/test_state_options.py"
MASKS = "laws/test_masks_and_resets.py"

TORCH_PATH = "oracle/test_torch_path.py"

MUTATIONS = [
    Mutation(
        "nn/gru.py",
        "Cho et al. 2014, Learning",
        "Cho et al. 2015, Learning",
        "meta/test_figures_of_pages.py::test_every_layer_has_its_row_with_its_paper[gru]",
    ),
    Mutation(
        "_core/torch_operator.py",
        "y.new_zeros(*x.shape[:2], y.shape[-1]).index_copy(1, index, y)",
        "y",
        f"{TORCH_PATH}::test_it_computes_what_the_kernels_compute",
    ),
    Mutation(
        "_core/torch_operator.py",
        "    if config.clip[0]:\n",
        "    if False:\n",
        f"{TORCH_PATH}::test_what_torch_has_not_takes_the_reference",
    ),
    Mutation(
        "_core/state_transforms.py",
        "return clip.limit, True",
        "return clip.limit, False",
        f"{OPTIONS}::test_kernels_clip_as_the_reference_does",
    ),
    Mutation(
        "nn/lstm.py",
        'keras_gates=("i", "f", "g", "o")',
        'keras_gates=("i", "g", "f", "o")',
        "io/test_keras.py::test_arrays_of_keras_compute_what_keras_computes",
    ),
    Mutation(
        "nn/lstm.py", "g(sums[0]), g(sums[1])", "g(sums[1]), g(sums[0])", f"{PATHS}[torch.float64-None-1-lstm-tanh]"
    ),
    Mutation("nn/gru.py", "(1 - z) * n + z * m", "(1 - z) * m + z * n", f"{PATHS}[torch.float32-None-1-gru-tanh]"),
    Mutation("nn/gru.py", "n_x + r * n_h", "r * (n_x + n_h)", f"{PATHS}[torch.float32-lengths1-2-gru-tanh]"),
    Mutation("nn/rnn.py", "f(h_x + h_h)", "f(h_x)", f"{PATHS}[torch.float32-None-1-rnn-relu]"),
    Mutation(
        "nn/gru.py",
        "(torch.Size([5, 2, 16])",
        "(torch.Size([5, 2, 8])",
        f"{NAMES}::test_the_examples_of_a_module_run[throughtime.nn.gru]",
    ),
    Mutation(
        "nn/layouts.py",
        '"""An output for each input',
        'f"""An output for each input',
        f"{NAMES}::test_public_names_are_documented[throughtime.nn]",
    ),
    Mutation(
        "nn/pooling.py",
        "steps >= ends",
        "steps > ends",
        "tasks/test_classifier.py::test_pooling_does_not_see_what_is_behind_the_end[mean]",
    ),
    Mutation(
        "nn/attention.py", ">= ends", "> ends", f"{ATTENTION}::test_what_lies_behind_the_end_changes_nothing[dot]"
    ),
    Mutation("nn/layouts.py", "[state[0::2], state[1::2]]", "[state[1::2], state[0::2]]", f"{ATTENTION}::{DIRECTIONS}"),
    Mutation(
        "nn/gru.py",
        'onnx_gates=("z", "r", "n")',
        'onnx_gates=("r", "z", "n")',
        f"{ONNX}::{RUNTIME}[GRU-plain]",
    ),
    Mutation(
        "nn/peephole_lstm.py", "o + p_o * c", "o + p_o * state[1]", f"{PATHS}[torch.float64-None-1-peephole_lstm-tanh]"
    ),
    Mutation("nn/coupled_lstm.py", "(new - c)", "new", f"{PATHS}[torch.float64-None-1-coupled_lstm-tanh]"),
    Mutation("nn/gru.py", "hidden(r * h)[2]", "r * hidden(h)[2]", f"{VARIANTS}[reset_before]"),
    Mutation("nn/gru.py", "state[0], state[-1]", "state[0], state[0]", f"{VARIANTS}[projected_gru]"),
    Mutation(
        "nn/_stack.py",
        "all_states.append(states)",
        "all_states.append(states[::-1])",
        f"{MASKS}::test_all_states_are_those_of_step_by_step[False-LSTM]",
    ),
    Mutation(
        "nn/_memory.py",
        "(layer.num_layers if trains else 2)",
        "1",
        "kernels/test_out_of_memory.py::test_a_stack_that_does_not_fit_is_refused_before_its_first_layer_runs",
    ),
]
