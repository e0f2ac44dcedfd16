"""Errors of PostgreSQL as problems: those of a refused connection have no class, and are known by their words."""

import psycopg
import pytest

from launcher.errors import Problem
from launcher.loading.stores.postgresql.postgres import problems

SERVER = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        ('FATAL:  database "nodb" does not exist', "PostgreSQL has no such database", "createdb"),
        ('FATAL:  role "nobody" does not exist', "PostgreSQL refuses the user", "PGUSER"),
        ("Connection refused", "PostgreSQL cannot be reached", "see that the server runs"),
    ],
)
def test_refused_connection_says_what_to_change(said: str, what: str, hint: str) -> None:
    with pytest.raises(Problem, match=what) as found, problems():
        raise psycopg.OperationalError(SERVER + said)
    assert hint in found.value.hint
