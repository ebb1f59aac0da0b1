"""Mutations of training."""

from __future__ import annotations

from tests.mutations import Mutation

INPUTS = "training/test_inputs.py"
WATCHING = "training/test_progress.py"

PLOTS = "training/test_plots.py"

MUTATIONS = [
    Mutation(
        "nn/_diagram.py",
        "final = columns[0] if row % stack.directions == 1 else last",
        "final = last",
        f"{PLOTS}::test_the_output_of_many_to_one_leaves_from_the_last_step_or_from_all",
    ),
    Mutation(
        "nn/_replace.py",
        "return replace(copy.deepcopy(model))",
        "return replace(model)",
        f"{PLOTS}::test_states_and_gates_have_a_panel_each",
    ),
    Mutation(
        "training/_plots.py",
        "np.argsort(np.arctan2(plane[:, 1], plane[:, 0])) if plane.shape[1] == 2 else ",
        "",
        f"{PLOTS}::test_units_that_behave_alike_are_neighbours",
    ),
    Mutation(
        "training/_backward.py",
        "pieces, next_state = [], state",
        "pieces, next_state = [], None",
        "training/test_user_code.py::test_pieces_of_a_stream_are_trained_on_in_the_engine_as_outside",
    ),
    Mutation(
        "training/_fused_support.py",
        "len({*used}) < len(used)",
        "len({*used}) < 0",
        "training/test_user_code.py::test_weights_that_are_shared_are_updated_once",
    ),
    Mutation(
        "training/_updater.py",
        "return batch.reset is not None and not bool(batch.reset.all())",
        "return False",
        "training/test_user_code.py::test_every_target_of_a_stream_from_the_first_window_on_is_trained_on_once",
    ),
    Mutation(
        "training/_state.py",
        "number == done - 1",
        "number == done",
        "training/test_resume.py::test_batches_drawn_anew_are_drawn_again[6-general]",
    ),
    Mutation(
        "training/_batch_groups.py",
        "list | tuple | Batches",
        "object",
        "training/test_batch_groups.py::test_only_batches_at_hand_are_asked_for_beforehand",
    ),
    Mutation(
        "training/_windows.py",
        "target.shape[0] * target.shape[1] if",
        "target.shape[0] if",
        "training/test_fit.py::test_every_target_weighs_alike_in_a_loss[FullBPTT()-general-False]",
    ),
    Mutation(
        "training/_distributed.py",
        "except RuntimeError as error",
        "except OSError as error",
        "training/test_distributed.py::test_a_process_whose_partner_has_died_ends_and_says_why",
    ),
    Mutation(
        "training/_state.py",
        "check_optimizer(self._optimizer, values",
        "len(values",
        "io/test_fuzzed_directories.py::test_a_changed_configuration_is_one_error_or_a_model_at_once[checkpoint-200]",
    ),
    Mutation(
        "training/_time_axis.py",
        "return any(layers.values())",
        "return False",
        f"{INPUTS}::test_the_doctor_looks_along_the_steps",
    ),
    Mutation(
        "training/_non_finite.py",
        "invalid &= valid",
        "invalid |= valid",
        f"{INPUTS}::test_padding_may_hold_anything",
    ),
    Mutation(
        "nn/_recurrent.py",
        "if _get_tracing_state():",
        "if False:",
        "oracle/test_tracing.py::test_a_trace_of_an_example_is_refused",
    ),
    Mutation(
        "_core/rng.py",
        '"generator": generator}',
        '"generator": None}',
        "training/test_randomness.py::test_private_draws_are_those_of_a_seed",
    ),
    Mutation(
        "tasks/threads.py",
        "_in_new_thread(lambda: torch.set_num_threads(initial[0]))",
        "initial.clear()",
        "training/test_randomness.py::test_one_thread_counts_for_the_thread_that_asks",
    ),
    Mutation(
        "training/_time_axis.py",
        "actual != expected",
        "False",
        f"{INPUTS}::test_batches_of_another_order_than_the_model_reads_are_refused",
    ),
    Mutation(
        "training/_evaluate.py",
        'values = "" if math.isfinite(mean) else',
        'values = "" if True else',
        f"{INPUTS}::test_evaluate_and_the_doctor_name_the_place",
    ),
    Mutation(
        "training/_doctor.py",
        "if not all(bool(gradient.isfinite()",
        "if all(bool(gradient.isfinite()",
        f"{INPUTS}::test_evaluate_and_the_doctor_name_the_place",
    ),
    Mutation(
        "training/_monitor.py",
        "min(max(fractions, default=0.0), 1.0)",
        "max(fractions, default=0.0)",
        f"{WATCHING}::test_no_training_has_less_than_no_time_left",
    ),
    Mutation(
        "training/_progress_bar.py",
        "max(progress.seconds_left, 0.0)",
        "progress.seconds_left",
        f"{WATCHING}::test_no_bar_shows_less_than_nothing_or_more_than_all",
    ),
    Mutation(
        "training/_progress_bar.py",
        "    seconds = max(seconds, 0.0)\n",
        "",
        f"{WATCHING}::test_no_bar_shows_less_than_nothing_or_more_than_all",
    ),
    Mutation(
        "_core/rng.py",
        "operator.index(seed) < 2**64",
        "operator.index(seed) < 2**65",
        "training/test_randomness.py::test_a_seed_that_torch_cannot_take_is_refused[18446744073709551616]",
    ),
    Mutation(
        "training/_state.py",
        "AttributeError, OverflowError) as error",
        "AttributeError) as error",
        "io/test_fuzzed_directories.py::test_a_setting_of_an_optimizer_that_no_machine_number_holds_is_refused",
    ),
    Mutation(
        "training/_updater.py",
        "if self._config.bptt.needs_step_targets:",
        "if False:",
        "training/test_strategies.py::test_what_a_strategy_needs_is_checked",
    ),
    Mutation(
        "training/_fused.py",
        "if bptt.fallback_reason:",
        "if False:",
        "training/test_strategies.py::test_a_strategy_may_compute_gradients_its_own_way[RNN-{}]",
    ),
    Mutation(
        "training/_state.py",
        'self.validation_loss = values["validation_loss"]',
        "pass",
        "training/test_state.py::test_a_state_is_restored_as_it_was_saved",
    ),
    Mutation(
        "training/_state.py",
        "record.score < self.history.best.score",
        "True",
        "training/test_state.py::test_the_best_weights_are_those_of_the_lowest_validation_loss",
    ),
]
