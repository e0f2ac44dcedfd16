"""The figures that a user watches."""

from launcher.fleet.progress import count_pending, tokens_left_of
from launcher.fleet.scheduling.fleet_view import MachineView
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState, RunProgress


def waiting(slot: int, state: MachineState = MachineState.UP) -> MachineView:
    return MachineView(f"run-l0m{slot}-0", slot, state, None, shards=0, phase=Phase.WAITING)


def test_machine_with_a_ready_worker_is_not_pending_whatever_skypilot_says() -> None:
    assert count_pending([waiting(n) for n in range(3)], {"run-l0m0-0"}) == 2


def test_machine_that_ended_is_not_pending() -> None:
    assert count_pending([waiting(0, MachineState.LOST)], set()) == 0


def progress(done: int, tokens: int, *, expected: int = 100_000, unsized: int = 0) -> RunProgress:
    return RunProgress(
        shards=100, bytes=0, tokens_known=expected, shards_unsized=unsized, shards_done=done, shards_failed=0,
        documents=0, chunks=0, tokens=tokens, tokens_cut=0, tokens_repeated=0, failed_rows=0, input_bytes=0,
        output_bytes=0, first_started=None, last_finished=None,
    )  # fmt: skip


def test_shards_that_are_left_have_tokens_left_though_all_that_were_expected_are_done() -> None:
    """Steering rents nothing for no tokens: a run whose corpus was estimated too low would never end."""
    assert tokens_left_of(progress(90, 100_000), 90, None) == 10 * 100_000 / 90
    assert tokens_left_of(progress(100, 108_000), 100, None) == 0


def test_a_few_large_shards_say_nothing_of_the_others() -> None:
    assert tokens_left_of(progress(4, 12_000), 4, None) == 96_000


def test_tokens_that_are_left_are_those_expected_where_shards_are_as_expected() -> None:
    assert tokens_left_of(progress(60, 60_000), 60, None) == 40_000
    assert tokens_left_of(progress(60, 50_000), 60, None) == 50_000


def test_without_an_estimate_of_all_shards_the_plan_says_how_many_tokens_there_are() -> None:
    assert tokens_left_of(progress(50, 40_000, unsized=1), 50, 90_000) == 50_000
    assert tokens_left_of(progress(0, 0, unsized=1), 0, None) is None
