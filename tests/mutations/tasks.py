"""Mutations of the tasks."""

from __future__ import annotations

from tests.mutations import Mutation

KNOWN = "tasks/test_covariates.py"

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
        "tasks/forecasting/tuning.py",
        "partial(_tried, past,",
        "partial(_tried, panel,",
        "tasks/test_tuning.py::test_no_trial_sees_the_windows_that_judge",
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
        "tasks/tagging/entities.py",
        "and now == kind",
        "",
        "tasks/test_tagger.py::test_entities_are_those_of_conlleval[B-a I-b-expected4]",
    ),
    Mutation(
        "tasks/generation/sampling.py",
        "before < self.top_p",
        "before <= 1",
        "tasks/test_generator.py::test_a_cold_temperature_takes_the_likeliest",
    ),
    Mutation(
        "data/closing.py",
        "season * share**counts < _CHANCE",
        "season * share**counts < 2",
        "tasks/test_calibration.py::test_zeros_close_a_position_only_where_they_are_no_coincidence",
    ),
    Mutation(
        "tasks/forecasting/regression.py",
        "significant = np.isfinite(variances) & (squared_t > least**2)",
        "significant = np.isfinite(variances)",
        "tasks/test_calibration.py::test_a_column_of_noise_has_no_effect",
    ),
    Mutation(
        "tasks/forecasting/skill.py",
        "_TOLERATED + 2 * max(errors)",
        "2.0",
        "tasks/test_calibration.py::test_a_missed_level_is_said_where_chance_does_not_explain_it",
    ),
    Mutation(
        "tasks/forecasting/windows.py",
        "self.signed[i] = bool(series[known].min() < 0)",
        "self.signed[i] = True",
        "tasks/test_calibration.py::test_what_was_never_negative_has_no_negative_bound_or_path",
    ),
    Mutation(
        "tasks/forecasting/calibration.py",
        "enough = (known >= store.plan.fewest) & (4 * known >= known.max())",
        "enough = known >= 0",
        "tasks/test_calibration.py::test_new_and_broken_series_leave_the_others_as_they_were",
    ),
    Mutation(
        "tasks/forecasting/model.py",
        "z = z + store.effect_ahead(torch.arange(len(panel)), store.lengths)",
        "z = z + 0.8 * store.effect_ahead(torch.arange(len(panel)), store.lengths)",
        "tasks/test_calibration.py::test_a_known_effect_survives_the_blend",
    ),
]
