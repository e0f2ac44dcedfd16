-- Layout 9: how hard the budget pressed at a look has the name that documents give it.

ALTER TABLE course RENAME COLUMN mood TO budget_pressure;
