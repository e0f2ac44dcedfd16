"""Notifications of a run: intended once, tried until sent."""

from launcher.ledger.ledger import Ledger
from tests.support.ledger_values import NOON, later


def test_notification_is_intended_once_and_tried_until_sent(ledger: Ledger) -> None:
    assert ledger.notifications.intend("r1", "half", "50 %", NOON)
    assert not ledger.notifications.intend("r1", "half", "50 % again", later(5))
    ledger.notifications.record_attempt("r1", "half", None)
    ledger.notifications.record_attempt("r1", "half", later(9))
    ledger.notifications.record_attempt("r1", "half", None)  # it was sent: no try changes that
    (notice,) = ledger.notifications.of_run("r1")
    assert (notice.text, notice.tries, notice.sent) == ("50 %", 2, later(9))
