"""Linear and mixed-integer programs for HiGHS: the only module that knows its interface. Pure, and silent.

HiGHS is used through its own package: importing it takes a fraction of what SciPy takes, and it accepts a solution to
start from.
"""

from dataclasses import dataclass

import highspy
import numpy as np
from highspy import HighsModelStatus, MatrixFormat, ObjSense
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a program: `value[k]` stands in row `row[k]` and column `column[k]`; each row has a least and a most."""

    row: Ints
    column: Ints
    value: Floats
    least: Floats
    most: Floats


@dataclass(frozen=True, slots=True)
class Program:
    """Minimize `cost` @ x, where x is from 0 to `most` and keeps the rows; `whole` columns are integers."""

    cost: Floats
    most: Floats
    rows: Rows
    whole: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Solved:
    """A solution. Without integers `bound` is the value, and `duals` has the price of each row."""

    value: float
    bound: float
    x: Floats
    duals: Floats


def run(
    program: Program, gap: float = 0.0, most_nodes: int | None = None, start: Floats | None = None
) -> Solved | None:
    """Solve to `gap` of the value, or until `most_nodes` were searched; None when nothing keeps the rows.

    `start` is a solution to begin with.
    """
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)  # noqa: FBT003 - the interface of HiGHS
    highs.setOptionValue("threads", 1)
    if program.whole is not None:
        highs.setOptionValue("mip_rel_gap", gap)
        if most_nodes is not None:
            highs.setOptionValue("mip_max_nodes", most_nodes)
    _pass_model(highs, program)
    if start is not None:
        columns = np.arange(len(start), dtype=np.int32)
        highs.setSolution(len(start), columns, start)
    highs.run()
    info = highs.getInfo()
    status = highs.getModelStatus()
    found = status == HighsModelStatus.kOptimal or (
        program.whole is not None and info.primal_solution_status == FEASIBLE
    )
    if not found:
        return None
    solution = highs.getSolution()
    value = float(info.objective_function_value)
    bound = value if program.whole is None else float(info.mip_dual_bound)
    return Solved(
        value, bound, np.array(solution.col_value, np.float64), np.array(solution.row_dual, np.float64)
    )


FEASIBLE = 2  # HiGHS's SolutionStatus: there is a solution, whether or not it is the best


def _pass_model(highs: highspy.Highs, program: Program) -> None:
    """Give HiGHS the program, its matrix row by row."""
    rows, columns, count = program.rows, len(program.cost), len(program.rows.most)
    order = np.lexsort((rows.column, rows.row))
    starts = np.searchsorted(rows.row[order], np.arange(count + 1))
    whole = np.zeros(columns, np.int32) if program.whole is None else program.whole.astype(np.int32)
    highs.passModel(
        columns,
        count,
        len(order),
        int(MatrixFormat.kRowwise),
        int(ObjSense.kMinimize),
        0.0,
        program.cost,
        np.zeros(columns),
        program.most,
        rows.least,
        rows.most,
        starts.astype(np.int32),
        rows.column[order].astype(np.int32),
        rows.value[order],
        whole,
    )
