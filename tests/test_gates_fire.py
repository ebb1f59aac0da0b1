"""Checks can fail: each row breaks the package in one place, and requires that the test named then fails.

A row is data: add one with the check that it is for. The package is copied, the copy is changed, and the test runs in a
process that imports the copy.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

import throughtime
from tests.copies import run
from throughtime import _kernels

PATHS = "oracle/test_kernels_agree_with_the_reference.py::test_kernels_and_reference_agree"
DOWN = "meta/test_imports_point_down.py::test_a_module_imports_nothing_from_above"
BARE = "meta/test_bare_environment.py"
ATTENTION = "laws/test_attention.py"
BEHIND = "test_what_lies_behind_the_end_changes_nothing"
DIRECTIONS = "test_both_directions_start_the_decoder"
ONNX = "conformance/test_onnx.py"
RUNTIME = "test_the_runtime_computes_what_the_layer_does"
NAMES = "meta/test_public_names.py"
VARIANTS = "oracle/test_cell_variants.py::test_a_variant_is_what_its_source_says"
OPTIONS = "oracle/test_state_options.py"
ONE_MASK = "test_recurrent_dropout_has_one_mask_for_each_sequence_at_all_steps"
NORMALIZED = "test_layer_normalization_is_that_of_its_source"
ZONEOUT = "test_zoneout_keeps_what_was_in_training_and_takes_the_mean_in_evaluation"
MASKS = "laws/test_masks_and_resets.py"
KNOWN = "tasks/test_covariates.py"
PIECES = f"{MASKS}::test_a_row_with_gaps_and_resets_is_its_pieces"


class Mutation(NamedTuple):
    file: str  # in the package
    old: str
    new: str
    test: str  # in tests/


MUTATIONS = [
    Mutation(
        "tasks/forecasting/likelihoods.py",
        "count * torch.log1p(size / mean)",
        "count * torch.log1p(mean / size)",
        "tasks/test_likelihoods.py::test_a_likelihood_is_that_of_its_distribution[negative_binomial]",
    ),
    Mutation(
        "tasks/forecasting/calibration.py",
        "_USUAL * min(saved / _CLEAR, 1.0)",
        "_USUAL",
        "tasks/test_calibration.py::test_what_never_beat_the_last_value_gets_next_to_no_weight",
    ),
    Mutation(
        "tasks/forecasting/calibration.py",
        "1 - float(errors.min())",
        "0 * float(errors.min())",
        "tasks/test_calibration.py::test_what_adds_to_the_best_naive_forecast_has_a_part_where_little_is_held_out",
    ),
    Mutation(
        "tasks/forecasting/backtest.py",
        "part.without_last(cut), cut) for cut",
        "part, cut) for cut",
        "tasks/test_later_rows.py::test_forecasts_are_those_of_predict_before_each_window",
    ),
    Mutation(
        "tasks/forecasting/backtest.py",
        "panel = panel.learned_before(cuts[0], forecaster.horizon)",
        "pass",
        "tasks/test_odd_frames.py::test_a_backtest_knows_no_word_and_no_number_that_comes_later[aaa-past]",
    ),
    Mutation(
        "_scan.py",
        "if isinstance(_functorch.peek_interpreter_stack(), _functorch.CInterpreter):",
        "if _functorch.peek_interpreter_stack() is not None:",
        "oracle/test_tracing.py::test_what_is_compiled_is_the_kernel_and_once_for_all_lengths[plain-GRU]",
    ),
    Mutation(
        "training/_general.py",
        "pieces, carried = [], state",
        "pieces, carried = [], None",
        "training/test_own_code.py::test_pieces_of_a_stream_are_trained_on_in_the_engine_as_outside",
    ),
    Mutation(
        "data/frames.py",
        "like.in_utc if like is not None else",
        "False if like is not None else",
        "tasks/test_odd_frames.py::test_later_frames_are_read_as_the_first_one",
    ),
    Mutation(
        "training/_compiled.py",
        "len({*used}) < len(used)",
        "len({*used}) < 0",
        "training/test_own_code.py::test_weights_that_are_shared_are_updated_once",
    ),
    Mutation(
        "training/_fit.py",
        "return batch.reset is not None and not bool(batch.reset.all())",
        "return False",
        "training/test_own_code.py::test_every_target_of_a_stream_from_the_first_window_on_is_trained_on_once",
    ),
    Mutation(
        "data/series.py",
        "former.starts[place]) + former.lengths[place]",
        "former.starts[place])",
        "tasks/test_later_rows.py::test_windows_fill_the_later_rows_and_no_row_that_was_learned_from_is_scored",
    ),
    Mutation(
        "tasks/forecasting/tuning.py",
        "partial(_tried, past,",
        "partial(_tried, panel,",
        "tasks/test_tuning.py::test_no_trial_sees_the_windows_that_judge",
    ),
    Mutation(
        "nn/_options.py",
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
        "io/keras.py",
        "zip(wanted, groups.items(), strict=True)",
        "zip(wanted[::-1], groups.items(), strict=True)",
        "io/test_keras.py::test_both_directions_and_stacks_find_their_arrays",
    ),
    Mutation(
        "_scan.py",
        "if not torch.is_grad_enabled():",
        "if True:",
        "oracle/test_tools_over_all_configurations.py::test_second_gradients_agree_with_finite_differences",
    ),
    Mutation(
        "_scan.py",
        "call.given_states, *options)\n            if found is not None:",
        "call.given_states, *options)\n            if True:",
        "oracle/test_tracing.py::test_gradients_of_many_outputs_at_once[RNN]",
    ),
    Mutation(
        "tasks/forecasting/effects.py",
        "then[:, origins + steps]",
        "then[:, origins + steps - 1]",
        f"{KNOWN}::test_a_step_of_the_forecast_knows_what_was_announced_for_it",
    ),
    Mutation(
        "tasks/forecasting/backtest.py",
        "**rivals(past, trained",
        "**rivals(panel, trained",
        "tasks/test_rivals.py::test_a_rival_sees_the_past_alone",
    ),
    Mutation(
        "tasks/forecasting/comparison.py",
        "Skill.of(errors[order[0]], errors[name], name, first",
        "Skill.of(errors[name], errors[order[0]], name, first",
        "tasks/test_comparison.py::test_the_best_comes_first_and_baselines_stand_beside",
    ),
    Mutation(
        "data/series.py",
        'if feature.role != "future":',
        "if feature.role:",
        f"{KNOWN}::test_what_is_missing_is_named",
    ),
    Mutation(
        "nn/lstm.py", "g(sums[0]), g(sums[1])", "g(sums[1]), g(sums[0])", f"{PATHS}[torch.float64-None-1-lstm-tanh]"
    ),
    Mutation("nn/gru.py", "(1 - z) * n + z * m", "(1 - z) * m + z * n", f"{PATHS}[torch.float32-None-1-gru-tanh]"),
    Mutation("nn/gru.py", "n_x + r * n_h", "r * (n_x + n_h)", f"{PATHS}[torch.float32-lengths1-2-gru-tanh]"),
    Mutation("nn/rnn.py", "f(h_x + h_h)", "f(h_x)", f"{PATHS}[torch.float32-None-1-rnn-relu]"),
    Mutation("_reference.py", "if reverse else", "if not reverse else", f"{PATHS}[torch.float32-None-2-rnn-tanh]"),
    Mutation(
        "_reference.py", "torch.where(valid[t]", "torch.where(valid[0]", f"{PATHS}[torch.float32-lengths1-1-gru-tanh]"
    ),
    Mutation(
        "_scan.py",
        "ctx.saved_tensors, ctx.needs_input_grad",
        "ctx.saved_tensors, (False, *ctx.needs_input_grad[:-1])",
        f"{PATHS}[torch.float32-None-2-lstm-tanh]",
    ),
    Mutation("_errors.py", "class Inp", "import throughtime.nn\n\n\nclass Inp", f"{DOWN}[throughtime._errors]"),
    Mutation(
        "_cell.py",
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
        "__init__.py",
        '"throughtime._errors"',
        '"throughtime._error"',
        f"{NAMES}::test_a_name_of_the_root_can_be_imported[InputError]",
    ),
    Mutation(
        "__init__.py",
        '__version__ = "',
        '__version__ = "1',
        "meta/test_pages.py::test_the_version_is_the_same_everywhere",
    ),
    Mutation(
        "nn/pooling.py",
        "steps >= ends",
        "steps > ends",
        "tasks/test_classifier.py::test_pooling_does_not_see_what_is_behind_the_end[mean]",
    ),
    Mutation(
        "tasks/tagging/entities.py",
        "and now == kind",
        "",
        "tasks/test_tagger.py::test_entities_are_those_of_conlleval[B-a I-b-expected4]",
    ),
    Mutation(
        "data/ragged.py",
        "steps < lengths.unsqueeze(1)",
        "steps <= lengths.unsqueeze(1)",
        "data/test_ragged.py::test_padding_is_zero_behind_the_end_alone",
    ),
    Mutation(
        "app/cells.py",
        "values.is_infinite()",
        "values.is_nan()",
        "app/test_tables.py::test_a_fault_in_parquet_is_named_by_its_row",
    ),
    Mutation(
        "nn/attention.py", ">= ends", "> ends", f"{ATTENTION}::test_what_lies_behind_the_end_changes_nothing[dot]"
    ),
    Mutation("nn/layouts.py", "[state[0::2], state[1::2]]", "[state[1::2], state[0::2]]", f"{ATTENTION}::{DIRECTIONS}"),
    Mutation("data/midi.py", "and message.velocity", "", "data/test_music.py::test_all_tracks_are_read_but_percussion"),
    Mutation(
        "tasks/generation/sampling.py",
        "before < self.top_p",
        "before <= 1",
        "tasks/test_generator.py::test_a_cold_temperature_takes_the_likeliest",
    ),
    Mutation(
        "nn/gru.py",
        'onnx_gates=("z", "r", "n")',
        'onnx_gates=("r", "z", "n")',
        f"{ONNX}::{RUNTIME}[GRU-plain]",
    ),
    Mutation("io/onnx.py", "int(layer.reset_after)", "1", f"{ONNX}::{RUNTIME}[GRU-reset_after=False-plain]"),
    Mutation("io/onnx.py", '"Where", empty, b, e', '"Where", empty, e, b', f"{ONNX}::{RUNTIME}[LSTM-plain]"),
    Mutation(
        "nn/peephole_lstm.py", "o + p_o * c", "o + p_o * state[1]", f"{PATHS}[torch.float64-None-1-peephole_lstm-tanh]"
    ),
    Mutation("nn/coupled_lstm.py", "(new - c)", "new", f"{PATHS}[torch.float64-None-1-coupled_lstm-tanh]"),
    Mutation("nn/gru.py", "hidden(r * h)[2]", "r * hidden(h)[2]", f"{VARIANTS}[reset_before]"),
    Mutation("nn/gru.py", "state[0], state[-1]", "state[0], state[0]", f"{VARIANTS}[projected_gru]"),
    Mutation("_segments.py", "untouched, last", "untouched, first", f"{PIECES}[kernel-False-True-GRU]"),
    Mutation("_segments.py", "reset.T.cumsum(1)", "0 * reset.T", f"{PIECES}[reference-False-False-LSTM]"),
    Mutation("_reference.py", "h * extras.factor", "h", f"{OPTIONS}::{ONE_MASK}"),
    Mutation(
        "_extras.py",
        "dx.clamp(-clip, clip)",
        "dx",
        "oracle/test_tracing.py::test_tangents_are_not_clipped_and_gradients_are",
    ),
    Mutation("_extras.py", "if norm is None or norm.gain_state is None", "if True", f"{OPTIONS}::{NORMALIZED}[LSTM]"),
    Mutation("_extras.py", "rand_like(new) < prob", "rand_like(new) > prob", f"{OPTIONS}::{ZONEOUT}[GRU]"),
    Mutation(
        "nn/_recurrent.py",
        "noted.append(states)",
        "noted.append(states[::-1])",
        f"{MASKS}::test_all_states_are_those_of_step_by_step[False-LSTM]",
    ),
    Mutation(
        "training/_keeper.py",
        "number == done - 1",
        "number == done",
        "training/test_resume.py::test_batches_drawn_anew_are_drawn_again[6-general]",
    ),
    Mutation(
        "training/_runs.py",
        "list | tuple | Batches",
        "object",
        "training/test_runs.py::test_only_batches_at_hand_are_asked_for_beforehand",
    ),
    Mutation(
        "training/_unfold.py",
        "target.shape[0] * target.shape[1] if",
        "target.shape[0] if",
        "training/test_fit.py::test_every_target_weighs_alike_in_a_loss[FullBPTT()-general-False]",
    ),
    Mutation(
        "training/_team.py",
        "except RuntimeError as error",
        "except OSError as error",
        "training/test_team.py::test_a_process_whose_partner_has_died_ends_and_says_why",
    ),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, with the compiled kernels beside it."""
    assert _kernels._engine is not None, "the compiled kernels could not be loaded"
    package = tmp_path / "throughtime"
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(Path(throughtime.__file__).parent, package, ignore=ignored)
    shutil.copy(_kernels._engine.__file__, package / "_kernels")
    return package


def test_the_tests_named_pass_on_the_copy_as_it_is(copy: Path) -> None:
    done = run(copy, sorted({mutation.test for mutation in MUTATIONS}))
    assert done.code == pytest.ExitCode.OK, done.output


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.file}: {m.old}")
def test_a_fault_turns_its_test_red(mutation: Mutation, copy: Path) -> None:
    changed = copy / mutation.file
    text = changed.read_text(encoding="utf-8")
    assert mutation.old in text, f"{mutation.file} no longer holds {mutation.old!r}: write the row anew"
    changed.write_text(text.replace(mutation.old, mutation.new, 1), encoding="utf-8")
    done = run(copy, [mutation.test])
    assert done.code == pytest.ExitCode.TESTS_FAILED, done.output
