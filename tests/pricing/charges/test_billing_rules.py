from datetime import timedelta

from pricing.charges.billing_rules import billed_time, billing_rule, is_free


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_time_is_rounded_up_to_the_increment() -> None:
    assert billed_time(seconds(70.2), billing_rule("aws")) == seconds(71)
    assert billed_time(seconds(70.2), billing_rule("lambda")) == seconds(120)


def test_minimum_is_billed() -> None:
    assert billed_time(seconds(3), billing_rule("gcp")) == seconds(60)


def test_local_time_is_not_rounded() -> None:
    assert billed_time(seconds(70.2), billing_rule("local")) == seconds(70.2)


def test_rule_of_an_unknown_cloud_is_assumed() -> None:
    assert billing_rule("somewhere").assumed


def test_only_an_early_preempted_spot_machine_is_free() -> None:
    rule = billing_rule("aws")
    assert is_free(seconds(3599), rule, spot=True, preempted=True)
    assert not is_free(seconds(3600), rule, spot=True, preempted=True)
    assert not is_free(seconds(10), rule, spot=True, preempted=False)
    assert not is_free(seconds(10), rule, spot=False, preempted=True)
