"""What a launch would ask for, of `launch --dry-run`."""

from launcher.cli.dry_run import launch_preview, preview_text
from launcher.errors import Problem
from launcher.fleet.provisioning.task_specs import specs_of
from launcher.planning.saved import plan_file
from tests.support import sample_plan


def test_every_task_and_every_call_with_its_first_place() -> None:
    plan = sample_plan.saved()
    preview = launch_preview(plan, "s3://b/out", specs_of(plan, "s3://b/out", "/code/tasks", disk_gb=75))
    assert [task.name for task in preview.tasks] == ["group-0.yaml", "group-1.yaml"]
    assert (preview.rented, preview.machines, len(preview.calls)) == (True, 21, 21)
    text = preview_text(preview)
    assert text.count("# group-") == 2
    calls = [line for line in text.splitlines() if line.startswith("# sky.jobs.launch(")]
    assert len(calls) == 21
    assert calls[0].endswith(
        "name='reviews-1a2b3c4d-l0m0-0')  # first aws/us-east-1/us-east-1a g6.48xlarge at $0.297 an hour"
    )
    assert "aws/us-west-2/us-west-2a" in calls[19]
    assert "group-1.yaml" in calls[20]


def test_on_this_machine_nothing_is_rented() -> None:
    preview = launch_preview(plan_file.read_recorded(sample_plan.local()), "out", ())
    assert preview_text(preview) == "# 1 worker of this machine; nothing is rented\n"
    assert (preview.rented, preview.machines) == (False, 0)


def test_steered_plan_lists_every_kind() -> None:
    found = sample_plan.saved_steered()
    preview = launch_preview(found, "s3://b/out", specs_of(found, "s3://b/out", "/code/tasks", disk_gb=100))
    assert preview.machines == 32
    text = preview_text(preview)
    assert text.count("\nname: ") == 2  # a task of spot and one on demand
    assert (
        "# steered (autopilot): sky.jobs.launch of at most 32 of these machines at a time, 16 on demand"
        in text
    )
    assert "# group-2.yaml: spot, at most 16 in aws/us-east-1 g6.xlarge at $0.3 an hour" in text
    assert "# group-4.yaml: on demand, at most 16 in aws/us-east-1 g6.xlarge at $0.8048 an hour" in text


def test_what_a_launch_from_here_lacks_is_in_the_document() -> None:
    plan = plan_file.read_recorded(sample_plan.local())
    preview = launch_preview(plan, "out", (), Problem("no SkyPilot", hint="pip install it"))
    assert (preview.refused, preview.hint) == ("no SkyPilot", "pip install it")
