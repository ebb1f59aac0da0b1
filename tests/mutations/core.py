"""Mutations of the core and the runtime."""

from __future__ import annotations

from tests.mutations import Mutation

PATHS = "oracle/test_kernels_agree_with_the_reference.py::test_kernels_and_reference_agree"
DOWN = "meta/test_imports_point_down.py::test_a_module_imports_nothing_from_above"
BARE = "meta/test_bare_environment.py"
NAMES = "meta/test_public_names.py"
OPTIONS = "oracle/test_state_options.py"
ONE_MASK = "test_recurrent_dropout_has_one_mask_for_each_sequence_at_all_steps"
NORMALIZED = "test_layer_normalization_is_that_of_its_source"
ZONEOUT = "test_zoneout_keeps_what_was_in_training_and_takes_the_mean_in_evaluation"
MASKS = "laws/test_masks_and_resets.py"
PIECES = f"{MASKS}::test_a_row_with_gaps_and_resets_is_its_pieces"

MUTATIONS = [
    Mutation(
        "_core/errors.py",
        'package in ("", "throughtime")',
        'package not in ("", "throughtime")',
        "meta/test_bare_environment.py::test_a_single_package_that_is_missing_is_named",
    ),
    Mutation(
        "training/_plots.py",
        'requires("forecast"',
        'requires("music"',
        "meta/test_bare_environment.py::test_a_call_names_the_line_that_installs_what_it_needs",
    ),
    Mutation(
        "data/music/midi.py",
        'requires("music"',
        'requires("forecast"',
        "meta/test_bare_environment.py::test_what_is_imported_comes_with_the_extra_that_is_named",
    ),
    Mutation(
        "_core/kernel_selection.py",
        "if isinstance(_functorch.peek_interpreter_stack(), _functorch.CInterpreter):",
        "if _functorch.peek_interpreter_stack() is not None:",
        "oracle/test_tracing.py::test_what_is_compiled_is_the_kernel_and_once_for_all_lengths[plain-GRU]",
    ),
    Mutation(
        "_core/autograd.py",
        "if not torch.is_grad_enabled():",
        "if True:",
        "oracle/test_tools_over_all_configurations.py::test_second_gradients_agree_with_finite_differences",
    ),
    Mutation(
        "_core/autograd.py",
        "if gradients is not None:",
        "if True:",
        "oracle/test_tracing.py::test_gradients_of_many_outputs_at_once[RNN]",
    ),
    Mutation("_core/reference.py", "if reverse else", "if not reverse else", f"{PATHS}[torch.float32-None-2-rnn-tanh]"),
    Mutation(
        "_core/reference.py",
        "torch.where(valid[t]",
        "torch.where(valid[0]",
        f"{PATHS}[torch.float32-lengths1-1-gru-tanh]",
    ),
    Mutation(
        "_core/autograd.py",
        "ctx.saved_tensors, ctx.needs_input_grad",
        "ctx.saved_tensors, (False, *ctx.needs_input_grad[:-1])",
        f"{PATHS}[torch.float32-None-2-lstm-tanh]",
    ),
    Mutation(
        "_core/errors.py", "class Inp", "import throughtime.nn\n\n\nclass Inp", f"{DOWN}[throughtime._core.errors]"
    ),
    Mutation(
        "_core/cell.py",
        "import annotations",
        "import annotations\nimport scipy",
        f"{BARE}::test_the_core_learns_where_the_jobs_libraries_are_missing[layers]",
    ),
    Mutation(
        "__init__.py",
        "import importlib",
        "import importlib\nimport torch",
        f"{BARE}::test_the_package_alone_loads_nothing_heavy[torch]",
    ),
    Mutation("_kernels/_engine.pyi", "release_threads", "end_threads", "meta/test_engine_stub.py"),
    Mutation(
        "__init__.py",
        '"throughtime._core.errors"',
        '"throughtime._error"',
        f"{NAMES}::test_a_name_of_the_root_can_be_imported[InputError]",
    ),
    Mutation(
        "__init__.py",
        "from throughtime._core.version import __version__",
        '__version__ = "0.0.1"',
        "meta/test_pages.py::test_the_version_is_the_same_everywhere",
    ),
    Mutation("_core/segments.py", "untouched, last", "untouched, first", f"{PIECES}[kernel-False-True-GRU]"),
    Mutation("_core/segments.py", "reset.T.cumsum(1)", "0 * reset.T", f"{PIECES}[reference-False-False-LSTM]"),
    Mutation("_core/reference.py", "h * self.transforms.dropout_mask", "h", f"{OPTIONS}::{ONE_MASK}"),
    Mutation(
        "_core/state_transforms.py",
        "dx.clamp(-clip, clip)",
        "dx",
        "oracle/test_tracing.py::test_tangents_are_not_clipped_and_gradients_are",
    ),
    Mutation(
        "_core/state_transforms.py",
        "if norm is None or norm.gain_state is None",
        "if True",
        f"{OPTIONS}::{NORMALIZED}[LSTM]",
    ),
    Mutation("_core/state_transforms.py", "chance < prob", "chance > prob", f"{OPTIONS}::{ZONEOUT}[GRU]"),
    Mutation(
        "_core/errors.py",
        "return escape_controls(super().__str__())",
        "return super().__str__()",
        "app/test_readable.py::test_what_commands_a_terminal_is_written_out_everywhere[\\x7f]",
    ),
    Mutation(
        "_core/segments.py",
        '"T N I"]) -> Float[Tensor, "M I"]',
        '"T N I"]) -> Float[Tensor, "N I"]',
        f"{PIECES}[kernel-False-True-GRU]",
    ),
    Mutation(
        "_core/segments.py",
        'rows: Int[Tensor, "M"]',
        'rows: Int[Tensor, "R"]',
        "meta/test_shapes_are_checked.py::test_a_wrong_field_is_found",
    ),
    Mutation(
        "nn/_trace.py",
        "layer.runner = _Recorder(",
        "layer.recorder = _Recorder(",
        "meta/test_public_names.py::test_the_examples_of_a_module_run[throughtime.nn._trace]",
    ),
    Mutation(
        "nn/_registry.py",
        "len(item[1].cell.gates)",
        "-len(item[1].cell.gates)",
        "oracle/test_options.py::test_layers_are_in_the_order_of_their_gates",
    ),
]
