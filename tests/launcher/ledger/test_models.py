"""SQLModel classes of the tables read and write the ledger's file as the ledger does."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, SQLModel, create_engine, select

from launcher.ledger.ledger import Ledger
from launcher.ledger.models import MODELS
from launcher.ledger.records import LifeEnd, MachineState, Site
from launcher.ledger.tables import TABLES, Table
from tests.support.ledger_values import NOON, create_run, later, receipt, shard

WRITTEN = ["run", "shard", "progress", "machine"]


@pytest.fixture
def engine(path: Path, fleet: Ledger) -> Iterator[Engine]:
    """SQLAlchemy's engine on a ledger with a machine and a shard that is done."""
    fleet.shards.add("r1", [shard(0), shard(1)])
    fleet.shards.record_receipts("r1", [receipt(0)])
    engine = create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_model_has_the_columns_of_the_table(table: Table[Any]) -> None:
    assert list(SQLModel.metadata.tables[table.name].columns.keys()) == list(table.columns)


@pytest.mark.parametrize("table", [table for table in TABLES if table.name in WRITTEN], ids=lambda t: t.name)
def test_model_reads_what_the_ledger_reads(engine: Engine, fleet: Ledger, table: Table[Any]) -> None:
    with Session(engine) as session:
        rows = session.exec(select(MODELS[table.name])).all()
        names = [column.name for column in table.record_columns]
        found = [table.record(**{name: getattr(row, name) for name in names}) for row in rows]
    with fleet.database.reading() as connection:
        assert found == table.select(connection, "true")


def test_model_filters_by_a_state_and_a_time(engine: Engine) -> None:
    machine: Any = MODELS["machine"]
    with Session(engine) as session:
        query = select(machine).where(machine.state == MachineState.INTENDED, machine.intended == NOON)
        assert [row.name for row in session.exec(query)] == ["r1-w0-1"]


def test_ledger_reads_what_a_model_wrote(engine: Engine, fleet: Ledger) -> None:
    create_run(fleet, "r2")
    with Session(engine) as session:
        row: Any = session.exec(select(MODELS["machine"])).one()
        row.name, row.run, row.slot = "other", "r2", 7
        session.commit()
    (machine,) = fleet.machines.of_run("r2")
    assert (machine.name, machine.slot, str(machine.usd_per_hour)) == ("other", 7, "0.10")


def test_model_rejects_money_that_is_not_a_decimal(engine: Engine) -> None:
    price: Callable[..., SQLModel] = MODELS["price"]
    with Session(engine) as session:
        session.add(price(machine="r1-w0-1", at=NOON, source="plan", usd_per_hour=0.1))
        with pytest.raises(Exception, match=r"money is a finite Decimal, not 0\.1"):
            session.commit()


def test_example_of_the_documents_prints_preempted_lives(
    fleet: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.machines.begin_life("r1-w0-1", 0, NOON, Site("aws", "us-east-1"), Decimal("0.31"))
    fleet.machines.end_life("r1-w0-1", 0, later(60), LifeEnd.PREEMPTED)
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    example = text.partition("<!-- query")[2].partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(path.parents[1])
    exec(example, {})  # our own text
    assert capsys.readouterr().out == f"r1-w0-1 {NOON} {later(60)} 0.31\n"
