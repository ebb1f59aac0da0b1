"""Mutations of the tasks."""

from __future__ import annotations

from tests.mutations import Mutation

KNOWN = "tasks/test_covariates.py"
ODD = "tasks/test_odd_sequences.py"
BASE = "tasks/test_base.py"
WITHOUT_TORCH = "tasks/test_forecasters_without_torch.py"
ODD_SERIES = "tasks/test_odd_series.py"
RAW_SERIES = "tasks/test_raw_series.py"

MUTATIONS = [
    Mutation(
        "tasks/forecasting/raw_series/transforms.py",
        "mask = (observed | (steps < first + season))",
        "mask = observed",
        f"{RAW_SERIES}::test_forecasts_from_raw_series_are_those_of_the_forecaster[odd series]",
    ),
    Mutation(
        "tasks/forecasting/raw_series/module.py",
        "torch.maximum(torch.arange(-plan.lookback, plan.horizon) + steps, series.first)",
        "(torch.arange(-plan.lookback, plan.horizon) + steps).clamp(min=0).expand(len(table), -1)",
        f"{RAW_SERIES}::test_the_steps_before_a_series_begins_change_nothing",
    ),
    Mutation(
        "tasks/forecasting/raw_series/module.py",
        "if effects is not None and effects.spread.any():",
        "if effects is None:",
        f"{RAW_SERIES}::test_what_is_estimated_at_each_prediction_is_refused_with_the_reason",
    ),
    Mutation(
        "io/onnx_networks.py",
        "if self.example is not None:",
        "if self.example is None:",
        f"{RAW_SERIES}::test_onnxruntime_forecasts_as_the_runtime_does[covariates]",
    ),
    Mutation(
        "tasks/forecasting/estimator.py",
        '{"table_format_": saved.config["table_format"]}',
        '{"table_format_": None}',
        "app/test_later_rows.py::test_a_later_file_is_read_as_the_table_of_the_training_was",
    ),
    Mutation(
        "tasks/forecasting/network/likelihoods.py",
        "count * torch.log1p(size / mean)",
        "count * torch.log1p(mean / size)",
        "tasks/test_likelihoods.py::test_a_likelihood_is_that_of_its_distribution[negative_binomial]",
    ),
    Mutation(
        "tasks/forecasting/calibration/conformal.py",
        "shares * (1 + _LEVEL_FACTOR / (horizons + _PRIOR_HORIZONS))",
        "shares",
        "tasks/test_calibration.py::test_intervals_of_few_held_out_errors_reach_further_than_these_do",
    ),
    Mutation(
        "tasks/forecasting/network/window_forecast.py",
        "_without_jumps((z - forecasts[:, :-1, :reach]).abs(), mask)",
        "(z - forecasts[:, :-1, :reach]).abs()",
        "tasks/test_calibration.py::test_intervals_after_a_jump_are_of_the_noise",
    ),
    Mutation(
        "tasks/forecasting/calibration/conformal.py",
        "(distances[:-1] > limit).any(1)",
        "(distances[:-1] > 1e9).any(1)",
        f"{ODD_SERIES}::test_errors_of_a_series_far_from_the_others_do_not_count",
    ),
    Mutation(
        "tasks/forecasting/calibration/conformal.py",
        "spread = _weighted_spread(np.median(distances, axis=0), len(present), horizons)",
        "spread = np.median(distances, axis=0)",
        f"{ODD_SERIES}::test_errors_that_differ_by_chance_all_count",
    ),
    Mutation(
        "tasks/forecasting/calibration/mixture_weight.py",
        ".clamp(max=1.0)",
        ".clamp(min=1.0, max=1.0)",
        f"{ODD_SERIES}::test_an_odd_series_leaves_the_others_as_they_were[ten times as much, lately-5]",
    ),
    Mutation(
        "tasks/forecasting/calibration/held_out.py",
        "& ~store.is_constant_at_end()[series]",
        "",
        f"{ODD_SERIES}::test_an_odd_series_leaves_the_others_as_they_were[closed long ago-3]",
    ),
    Mutation(
        "tasks/forecasting/windows.py",
        "(unchanged >= self.plan.min_observed) & ",
        "",
        f"{ODD_SERIES}::test_a_series_is_closed_where_chance_does_not_explain_its_last_steps",
    ),
    Mutation(
        "tasks/forecasting/calibration/mixture_weight.py",
        "_PRIOR_WEIGHT * min(gain / _CLEAR_GAIN, 1.0)",
        "_PRIOR_WEIGHT",
        "tasks/test_calibration.py::test_what_never_beat_the_last_value_gets_next_to_no_weight",
    ),
    Mutation(
        "tasks/forecasting/calibration/mixture_weight.py",
        "1 - float(errors.min())",
        "0 * float(errors.min())",
        "tasks/test_calibration.py::test_what_adds_to_the_best_naive_forecast_has_a_part_where_little_is_held_out",
    ),
    Mutation(
        "tasks/forecasting/evaluation/backtest.py",
        "window.drop_last(cut), cut) for cut",
        "window, cut) for cut",
        "tasks/test_later_rows.py::test_forecasts_are_those_of_predict_before_each_window",
    ),
    Mutation(
        "tasks/forecasting/search/tuning.py",
        "partial(_score_candidate, past,",
        "partial(_score_candidate, panel,",
        "tasks/test_tuning.py::test_no_trial_sees_the_hold_out",
    ),
    Mutation(
        "tasks/forecasting/network/covariate_effects.py",
        "ahead[:, origins + steps]",
        "ahead[:, origins + steps - 1]",
        f"{KNOWN}::test_a_step_of_the_forecast_knows_what_was_announced_for_it",
    ),
    Mutation(
        "tasks/forecasting/evaluation/window_results.py",
        "**external_forecasts(past,",
        "**external_forecasts(panel,",
        "tasks/test_external_models.py::test_an_external_model_sees_the_past_alone",
    ),
    Mutation(
        "tasks/forecasting/evaluation/comparison.py",
        "Skill.of(errors[order[0]], errors[name], name, first",
        "Skill.of(errors[name], errors[order[0]], name, first",
        "tasks/test_comparison.py::test_the_best_comes_first_and_baselines_are_rows_too",
    ),
    Mutation(
        "tasks/tagging/entities.py",
        "and now == kind",
        "",
        "tasks/test_tagger.py::test_entities_are_those_of_conlleval[B-a I-b-expected4]",
    ),
    Mutation(
        "inference/generation/sampling.py",
        "before < self.top_p",
        "before <= 1",
        "tasks/test_generator.py::test_a_cold_temperature_takes_the_likeliest",
    ),
    Mutation(
        "_core/dataclass_json.py",
        "    if not _matches_hint(hint, value):",
        "    if False:",
        "tasks/test_hostile_models.py::test_a_value_of_another_type_is_refused",
    ),
    Mutation(
        "tasks/saving.py",
        "if num_layers > len(tensors):",
        "if False:",
        "tasks/test_hostile_models.py::test_more_layers_than_weights_are_refused_at_once",
    ),
    Mutation(
        "tasks/classification/labels.py",
        "if is_missing(label):",
        "if label is None and row < 1:",
        f"{ODD}::test_classes_that_cannot_be_used_are_refused_by_their_row",
    ),
    Mutation(
        "inference/classification/inputs.py",
        'array.dtype.kind in "USTMmc" or (',
        'array.dtype.kind in "c" or (',
        f"{ODD}::test_what_is_no_container_of_sequences_is_refused",
    ),
    Mutation(
        "data/containers.py",
        "if isinstance(values, tuple | Iterator | range):",
        "if isinstance(values, tuple | range):",
        f"{ODD}::test_sentences_are_the_same_whatever_holds_them",
    ),
    Mutation(
        "tasks/forecasting/base.py",
        "return -self.evaluate(df)",
        "return self.evaluate(df)",
        "tasks/test_scikit_learn.py::test_the_score_is_minus_the_smape_of_later_rows",
    ),
    Mutation(
        "tasks/forecasting/checks.py",
        "if name not in former.ids and start <= max(ends):",
        "if name not in former.ids and start < min(ends) and name is None:",
        "tasks/test_scikit_learn.py::test_several_series_are_split_by_time_where_they_are_sorted_by_it",
    ),
    Mutation(
        "tasks/base.py",
        "vars(self).update(learned, network_=network, history_=history, notes_=notes)",
        "vars(self).update(learned, network_=network, history_=history, notes_=notes, hidden_size=7)",
        "tasks/test_scikit_learn.py::test_the_contract_of_scikit_learn_holds",
    ),
    Mutation(
        "tasks/forecasting/evaluation/duplicate_series.py",
        "if duplicate is not None:",
        "if False:",
        "tasks/test_later_rows.py::test_a_learned_series_under_another_name_is_refused",
    ),
    Mutation(
        "tasks/fingerprints.py",
        'return f"other {noun}" if self.in_training.any() else f"unseen {noun}"',
        'return f"unseen {noun}"',
        "tasks/test_fingerprints.py::test_only_what_was_not_learned_from_is_called_unseen",
    ),
    Mutation(
        "tasks/classification/estimator.py",
        "actual[rows], predicted[rows]",
        "actual, predicted",
        "tasks/test_fingerprints.py::test_a_classifier_scores_what_it_has_not_learned_from",
    ),
    Mutation(
        "tasks/fingerprints.py",
        "for start in np.flatnonzero(np.isin(_window_hashes(text, 1)",
        "for start in np.flatnonzero(np.isin(_window_hashes(text, 16)",
        "tasks/test_fingerprints.py::test_an_excerpt_of_a_learned_text_is_recognized_wherever_it_begins",
    ),
    Mutation(
        "tasks/forecasting/evaluation/verdict.py",
        'return "The network" if all(',
        'return "The network" if any(',
        "tasks/test_verdicts.py::test_the_share_of_the_network_is_reported",
    ),
    Mutation(
        "tasks/forecasting/evaluation/window_results.py",
        "mase_lag=windows[0].mase_lag,",
        "mase_lag=windows[0].season,",
        "tasks/test_verdicts.py::test_mase_says_what_it_divides_by",
    ),
    Mutation(
        "inference/forecasting/ended_series.py",
        'if ended == "skip":',
        'if ended == "":',
        "tasks/test_ended.py::test_series_that_have_ended_are_named_and_forecast_as_the_setting_says",
    ),
    Mutation(
        "tasks/forecasting/evaluation/backtest.py",
        "panel = panel.select(scored)",
        "pass",
        "tasks/test_ended.py::test_windows_of_a_backtest_are_those_of_series_that_continue",
    ),
    Mutation(
        "tasks/forecasting/network/covariate_effects.py",
        '(self.get_buffer(f"shares_{i}") @ learned).unsqueeze(0)',
        'self.get_parameter(f"tables.{i}.weight")[:1]',
        f"{KNOWN}::test_a_word_never_seen_has_no_effect_of_its_own",
    ),
    Mutation(
        "tasks/forecasting/evaluation/backtest.py",
        "panel = panel.refit_features(steps, forecaster.horizon)",
        "pass",
        "tasks/test_odd_frames.py::test_a_backtest_knows_no_word_and_no_number_that_comes_later[aaa-past]",
    ),
    Mutation(
        "data/series/structural_zeros.py",
        "season * zero_rate**counts < SIGNIFICANCE",
        "season * share**counts < 2",
        "tasks/test_calibration.py::test_zeros_close_a_position_only_where_they_are_no_coincidence",
    ),
    Mutation(
        "inference/forecasting/linear_effects.py",
        "significant = np.isfinite(variances) & (squared_t > min_t**2)",
        "significant = np.isfinite(variances)",
        "tasks/test_calibration.py::test_a_column_of_noise_has_no_effect",
    ),
    Mutation(
        "tasks/forecasting/calibration/residuals.py",
        "observed = observed & (varies | (np.abs(truth - z) <= MIN_ERROR))",
        "observed = observed & True",
        "tasks/test_calibration.py::test_intervals_of_a_few_values_are_as_wide_as_these_differ",
    ),
    Mutation(
        "tasks/forecasting/network/forecast_network.py",
        "observed = observed & (scale > _MAX_CONSTANT_SCALE)",
        "observed = observed & True",
        "tasks/test_calibration.py::test_a_short_series_does_not_spoil_the_first_effects_of_a_network",
    ),
    Mutation(
        "inference/forecasting/linear_effects.py",
        "np.where(values[:, None] == 0, feature.shares[1:], one_hot)",
        "one_hot",
        "tasks/test_calibration.py::test_a_word_not_seen_has_the_mean_effect_of_the_known_words",
    ),
    Mutation(
        "tasks/forecasting/evaluation/duplicate_series.py",
        "<= _ROUNDING * np.nanstd(values)",
        "<= 0",
        "tasks/test_later_rows.py::test_a_learned_series_under_another_name_is_refused",
    ),
    Mutation(
        "tasks/forecasting/evaluation/skill.py",
        "_COVERAGE_TOLERANCE + 2 * max(*errors, min_error)",
        "2.0",
        "tasks/test_calibration.py::test_a_missed_level_is_reported_where_chance_does_not_explain_it",
    ),
    Mutation(
        "inference/forecasting/prepared_series.py",
        "self.has_negative[i] = series[observed].min() < 0",
        "self.has_negative[i] = True",
        "tasks/test_calibration.py::test_what_was_never_negative_has_no_negative_bound_or_path",
    ),
    Mutation(
        "tasks/forecasting/calibration/held_out.py",
        "enough = (observed >= store.plan.min_observed) & (4 * observed >= observed.max())",
        "enough = observed >= 0",
        "tasks/test_calibration.py::test_new_and_broken_series_leave_the_others_as_they_were",
    ),
    Mutation(
        "inference/forecasting/series_forecasts.py",
        "z + series.effect_ahead()",
        "z + 0.8 * series.effect_ahead()",
        "tasks/test_calibration.py::test_a_known_effect_survives_the_blend",
    ),
    Mutation(
        "tasks/forecasting/evaluation/skill.py",
        "2 * max(*errors, min_error)",
        "2 * max(errors)",
        "tasks/test_calibration.py::test_a_few_values_that_all_lie_inside_show_nothing_of_the_intervals",
    ),
    Mutation(
        "inference/forecasting/requests.py",
        "(newer.lengths < lookback)",
        "(newer.lengths < 0)",
        "tasks/test_later_rows.py::test_a_forecast_from_a_few_later_rows_alone_says_that_it_reads_no_others",
    ),
    Mutation(
        "tasks/base.py",
        "if getattr(self, name) != value:",
        "if False:",
        f"{BASE}::test_parameters_of_the_network_that_were_set_after_fit_are_refused",
    ),
    Mutation(
        "tasks/base.py",
        "            finish(interruption.history)\n",
        "",
        f"{BASE}::test_an_interrupted_estimator_is_fitted",
    ),
    Mutation(
        "tasks/base.py",
        'if saved.config["sizes"] != asdict(sizes):',
        "if False:",
        f"{BASE}::test_sizes_that_the_parameters_do_not_imply_are_refused",
    ),
    Mutation(
        "tasks/saving.py",
        "if any(type(v) is not int or not 0 <= v <= _MAX_SIZE for v in numbers):",
        "if False:",
        f"{BASE}::test_sizes_that_no_network_has_are_refused_before_anything_is_built",
    ),
    Mutation(
        "tasks/generation/estimator.py",
        "        return self._fit(\n",
        "        self.codec_ = codec\n        return self._fit(\n",
        f"{BASE}::test_a_failed_fit_changes_nothing",
    ),
    Mutation(
        "inference/forecasting/forecaster.py",
        'sorted_levels(self.settings["levels"] if level is None else level)',
        'sorted_levels(self.settings["levels"])',
        f"{WITHOUT_TORCH}::test_forecasts_are_those_of_the_estimator[longer]",
    ),
    Mutation(
        "inference/forecasting/distributions.py",
        "counts[rows] = count\n",
        "counts[rows] = count - 1\n",
        f"{WITHOUT_TORCH}::test_quantiles_are_those_of_scipy",
    ),
    Mutation(
        "io/recording.py",
        "            argument -= slope * _BATCH_SIZES[0]\n",
        "",
        f"{WITHOUT_TORCH}::test_a_graph_is_its_network_for_every_cell[gru]",
    ),
    Mutation(
        "tasks/forecasting/network/forecast_network.py",
        "torch.where(blocks.amax(-1) > blocks.amin(-1), blocks.mean(-1), blocks[..., 0])",
        "blocks.mean(-1)",
        "tasks/test_forecasting_rule.py::test_constant_blocks_are_read_without_rounding",
    ),
    Mutation(
        "tasks/averaging.py",
        "self._decay(self._updates)",
        "self._decay(1)",
        "tasks/test_averaging.py::test_a_decay_is_the_share_of_the_average_that_stays",
    ),
    Mutation(
        "tasks/averaging.py",
        "min(limit, updates / (updates + 9))",
        "min(limit, updates / (updates + 8))",
        "tasks/test_averaging.py::test_a_decay_rises_to_its_limit",
    ),
]
