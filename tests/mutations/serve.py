"""Mutations of the server."""

from __future__ import annotations

from tests.mutations import Mutation

STREAMS = "serve/test_served_streams.py"
REQUESTS = "serve/test_requests.py"
PROCESS = "serve/test_server_process.py"
MUTATIONS = [
    Mutation(
        "serve/batcher.py",
        "            request.state = states[:, :, row]\n",
        "            request.state = states[:, :, 0]\n",
        f"{STREAMS}::test_streams_do_not_notice_each_other[15]",
    ),
    Mutation(
        "serve/batcher.py",
        "        queue.remove(request)\n",
        "        queue.pop()\n",
        f"{STREAMS}::test_requests_of_one_stream_are_answered_in_their_order",
    ),
    Mutation(
        "serve/streams.py",
        "slot, self._states[slot.row].copy()",
        "slot, self._states[0].copy()",
        f"{STREAMS}::test_streams_do_not_notice_each_other[15]",
    ),
    Mutation(
        "serve/streams.py",
        "        self._slots[stream] = Slot(slot.row)\n",
        "",
        f"{STREAMS}::test_a_snapshot_wins_over_a_step_that_is_computed_meanwhile",
    ),
    Mutation(
        "serve/streams.py",
        "if not content.startswith(head):",
        "if False:",
        f"{STREAMS}::test_a_foreign_snapshot_is_refused",
    ),
    Mutation(
        "serve/batcher.py",
        "if not (np.isfinite(request.state).all() and np.isfinite(request.y).all()):",
        "if False:",
        f"{STREAMS}::test_results_that_are_not_finite_are_refused",
    ),
    Mutation(
        "serve/batcher.py",
        "if cost * steps <= _IN_LOOP:",
        "if True:",
        f"{STREAMS}::test_a_large_network_computes_in_the_thread_of_the_engine",
    ),
    Mutation(
        "serve/batcher.py",
        "            for request in active:\n                _fail(request, error)\n            return",
        "            raise",
        f"{STREAMS}::test_a_failure_of_the_engine_is_reported_and_the_next_request_is_answered",
    ),
    Mutation("serve/bodies.py", "remaining < 0", "False", f"{REQUESTS}::test_a_body_without_a_length_is_bounded_too"),
    Mutation(
        "serve/bodies.py",
        "asyncio.timeout(limits.seconds)",
        "asyncio.timeout(None)",
        f"{REQUESTS}::test_a_body_that_does_not_arrive_is_given_up",
    ),
    Mutation("serve/admission.py", "self._count >= self._limit", "False", f"{REQUESTS}::test_limits_are_kept"),
    Mutation(
        "serve/admission.py", "if self.is_draining:", "if False:", f"{REQUESTS}::test_the_server_says_that_it_ends"
    ),
    Mutation(
        "serve/gate.py",
        "len(values) == 1 and hmac.compare_digest(values[0], self._expected)",
        "bool(values)",
        f"{REQUESTS}::test_the_token_opens_everything_but_health",
    ),
    Mutation(
        "serve/gate.py",
        "origin is None or",
        "True or",
        f"{REQUESTS}::test_a_page_of_another_site_cannot_open_a_websocket",
    ),
    Mutation(
        "serve/schemas.py",
        "ge=-largest, le=largest, allow_inf_nan=False",
        "allow_inf_nan=True",
        f"{REQUESTS}::test_content_that_does_not_fit_is_refused",
    ),
    Mutation(
        "serve/server.py",
        "if token is None and not _is_loopback(host):",
        "if False:",
        f"{PROCESS}::test_what_cannot_be_served_is_refused",
    ),
    Mutation(
        "serve/predictors.py",
        "value if math.isfinite(value) else None",
        "value",
        "serve/test_predictions.py::test_values_that_json_cannot_hold_are_null_or_text",
    ),
]
