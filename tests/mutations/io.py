"""Mutations of files."""

from __future__ import annotations

from tests.mutations import Mutation

REPLACEMENT = "io/test_atomic_directories.py"
THREADS = "test_threads_that_save_to_one_directory_leave_one_whole_model_and_readers_see_whole_ones"
FUZZED = "io/test_fuzzed_directories.py"
STREAMS = "io/test_streams_of_bad_values.py"
ONNX = "conformance/test_onnx.py"
TRANSLATOR = "conformance/test_onnx_translator.py"
GRAPHS = "runtime/test_graphs.py"
OWN = "io/test_own_modules.py"
OPERATORS = "runtime/test_operators.py"
RUNTIME = "test_the_runtime_computes_what_the_layer_does"

MUTATIONS = [
    Mutation(
        "io/graph_module.py",
        "return (path, int(number)) if path and number.isdecimal() else (node.name, 0)",
        "return (path, 0) if path and number.isdecimal() else (node.name, 0)",
        "app/test_explain_network.py::test_gradients_of_a_saved_module_are_those_in_python",
    ),
    Mutation(
        "runtime/operators/element_types.py",
        "return a if _category(a) > _category(b) else b",
        "return np.promote_types(a, b)",
        f"{OPERATORS}::test_numpy_computes_what_torch_computes[add-x-integers-torch.float32]",
    ),
    Mutation(
        "runtime/operators/limits.py",
        "if math.prod(sizes) > current_budget().max_elements:",
        "if False:",
        f"{OPERATORS}::test_a_few_numbers_do_not_ask_for_gigabytes",
    ),
    Mutation(
        "runtime/graph.py",
        "if value.name not in defined:",
        "if False:",
        f"{GRAPHS}::test_a_value_that_no_node_computes_is_named",
    ),
    Mutation(
        "runtime/scan.py",
        "new = np.zeros if tables else np.empty",
        "new = np.ones",
        f"{GRAPHS}::test_a_graph_computes_what_the_network_does_for_any_batch_and_length[stack-torch.float32]",
    ),
    Mutation(
        "io/own_module.py",
        'tensors = {name: saved.tensors[name] for name in description["weights"]}',
        "tensors = dict(sorted(saved.tensors.items()))",
        f"{OWN}::test_a_module_comes_back_as_it_was",
    ),
    Mutation(
        "io/own_module.py",
        "if any(getattr(child, hooks) for hooks in _HOOKS):",
        "if False:",
        f"{OWN}::test_what_no_graph_holds_is_refused_with_the_reason[hooks]",
    ),
    Mutation(
        "app/jobs/export_onnx.py",
        "if not differences[name] <= network.tolerance:",
        "if False:",
        f"{ONNX}::test_nothing_is_written_where_the_runtime_computes_something_else",
    ),
    Mutation(
        "app/jobs/export_onnx.py",
        "if files is not None and files not in networks:",
        "if False:",
        f"{TRANSLATOR}::test_the_files_of_a_translator_hold_its_vocabularies_and_are_never_one",
    ),
    Mutation(
        "tasks/translation/onnx_networks.py",
        'Defaults((), "lengths", "source" if name == "encoder" else "memory", 1, 0)',
        'Defaults((), "lengths", "source" if name == "encoder" else "memory", 0, 1)',
        f"{TRANSLATOR}::test_one_step_of_the_files_is_one_step_of_the_network[lstm]",
    ),
    Mutation(
        "io/keras.py",
        "zip(expected, groups.items(), strict=True)",
        "zip(expected[::-1], groups.items(), strict=True)",
        "io/test_keras.py::test_both_directions_and_stacks_find_their_arrays",
    ),
    Mutation("io/onnx_export.py", "int(layer.reset_after)", "1", f"{ONNX}::{RUNTIME}[GRU-reset_after=False-plain]"),
    Mutation("io/onnx_export.py", '"Where", empty, b, e', '"Where", empty, e, b', f"{ONNX}::{RUNTIME}[LSTM-plain]"),
    Mutation(
        "io/directory.py",
        "if claimed != _checksum(config):",
        """if False:""",
        f"{REPLACEMENT}::test_what_a_foreign_directory_holds_is_never_replaced",
    ),
    Mutation(
        "io/directory.py",
        'if name not in {*_MAX_BYTES, f".{FORECASTS}"} or opened.kind(name)]',
        "if False]",
        f"{REPLACEMENT}::test_files_that_a_user_put_into_a_model_directory_are_named_and_stay[notes.txt]",
    ),
    Mutation(
        "io/atomic_directories.py",
        "Path(os.path.realpath(path))",
        "Path(os.path.abspath(path))",
        f"{REPLACEMENT}::test_a_link_to_a_model_is_followed_and_stays",
    ),
    Mutation(
        "io/atomic_directories.py",
        "            return False\n        except OSError:  # a file system",
        "            return True\n        except OSError:  # a file system",
        f"{REPLACEMENT}::test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_stays",
    ),
    Mutation(
        "io/atomic_directories.py",
        "_remove_abandoned(parent, target.name)",
        "pass",
        f"{REPLACEMENT}::test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_stays",
    ),
    Mutation(
        "io/atomic_directories.py",
        "            _exchange(staged, target)",
        "            remove(target)\n            os.rename(staged, target)",
        f"{REPLACEMENT}::{THREADS}[in one step]",
    ),
    Mutation(
        "io/atomic_directories.py",
        "staged.chmod(stat.S_IMODE(target.stat().st_mode))",
        "pass",
        f"{REPLACEMENT}::test_permissions_of_a_directory_outlive_its_replacement",
    ),
    Mutation(
        "io/network_description.py",
        "if described != actual:",
        "if False:",
        f"{FUZZED}::test_counts_are_those_of_the_weights[runtime-input_size]",
    ),
    Mutation(
        "io/bounded_json.py",
        "    check_depth(value)\n    return",
        "    return",
        f"{FUZZED}::test_a_configuration_that_is_none_is_named[objects]",
    ),
    Mutation(
        "io/bounded_json.py",
        "if len(values) < len(pairs):",
        "if False:",
        f"{FUZZED}::test_a_configuration_that_is_none_is_named[keys]",
    ),
    Mutation(
        "io/open_directory.py",
        "        if kind:\n",
        "        if False:\n",
        f"{FUZZED}::test_only_regular_files_are_opened[a symbolic link-config.json]",
    ),
    Mutation(
        "io/open_directory.py",
        "file.read(size)",
        "file.read(2**28)",
        f"{FUZZED}::test_memory_follows_the_size_of_the_files",
    ),
    Mutation(
        "io/directory.py",
        "        path /= MODEL\n",
        "        pass\n",
        "app/test_run_directory.py::test_the_directory_of_a_run_is_read_wherever_its_model_is[runtime]",
    ),
    Mutation(
        "runtime/streaming.py",
        "raise self._non_finite(x, non_finite)",
        "pass",
        f"{STREAMS}::test_the_first_of_many_values_is_named_and_nothing_is_written",
    ),
    Mutation(
        "runtime/streaming.py",
        "divmod(position, self._inputs)",
        "divmod(position, self._hidden)",
        f"{STREAMS}::test_a_run_names_the_step",
    ),
    Mutation(
        "io/directory.py",
        " or opened.kind(name)]",
        "]",
        f"{REPLACEMENT}::test_a_directory_of_a_user_that_has_the_name_of_a_file_stays",
    ),
    Mutation(
        "io/network.py",
        "if (weight.shape, weight.dtype) != (like.shape, like.dtype):",
        "if False:",
        "io/test_network.py::test_weights_that_were_replaced_by_others_are_not_written",
    ),
]
