"""What does a solver cost in FLOPs? Solvers and decompositions of matrices (..., m, n), by their leading terms.

Formulas by Golub and Van Loan, Matrix Computations (4th edition), and LAPACK Working Note 41.
"""

from typing import Any

from harness.compute.formula import Formula, prod


def _sides(matrix: Any) -> tuple[int, int, int]:
    """How many matrices, their longer and their shorter side."""
    return prod(matrix[:-2]), int(max(matrix[-2:])), int(min(matrix[-2:]))


def _cholesky(matrix: Any, *_: Any, **__: Any) -> int:
    return prod(matrix[:-2]) * int(matrix[-1]) ** 3 // 3


def _cholesky_solve(right: Any, factor: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(factor) * int(right[-1])


def _lu(matrix: Any, *_: Any, **__: Any) -> int:
    many, m, n = _sides(matrix)
    return many * (m * n * n - n**3 // 3)


def _solve(matrix: Any, right: Any, *_: Any, **__: Any) -> int:
    n = int(matrix[-1])
    columns = int(right[-1]) if len(right) >= len(matrix) else 1
    return prod(matrix[:-2]) * (2 * n**3 // 3 + 2 * n**2 * columns)


def _solve_factored(factor: Any, _pivots: Any, right: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(right) * int(factor[-1])


def _triangular(matrix: Any, right: Any, *_: Any, **__: Any) -> int:
    return prod(right) * int(matrix[-1])


def _triangular_solve(right: Any, matrix: Any, *_: Any, **__: Any) -> int:
    return prod(right) * int(matrix[-1])


def _inverse(matrix: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(matrix) * int(matrix[-1])


def _r_of_qr(matrix: Any) -> int:
    many, m, n = _sides(matrix)
    return many * (2 * m * n * n - 2 * n**3 // 3)


def _geqrf(matrix: Any, *_: Any, **__: Any) -> int:
    return _r_of_qr(matrix)


def _qr(matrix: Any, mode: str = "reduced", *_: Any, **__: Any) -> int:
    many, rows, columns = prod(matrix[:-2]), int(matrix[-2]), int(matrix[-1])
    made = {"r": 0, "complete": rows}.get(mode, min(rows, columns))
    return _r_of_qr(matrix) + many * _reflected(rows, made, min(rows, columns))


def _reflected(rows: int, columns: int, reflections: int) -> int:
    """The columns of Q written out (LAPACK's orgqr)."""
    m, n, k = rows, columns, reflections
    return max(0, 4 * m * n * k - 2 * (m + n) * k * k + 4 * k**3 // 3) if n else 0


def _householder_product(matrix: Any, tau: Any, *_: Any, **__: Any) -> int:
    return prod(matrix[:-2]) * _reflected(int(matrix[-2]), int(matrix[-1]), int(tau[-1]))


def _ormqr(_reflectors: Any, tau: Any, other: Any, left: bool = True, *_: Any, **__: Any) -> int:
    k, along = int(tau[-1]), int(other[-2] if left else other[-1])
    return max(0, (4 * prod(other) * k) - 2 * prod(other) // max(1, along) * k * k)


def _lstsq(matrix: Any, right: Any, *_: Any, **__: Any) -> int:
    # The factor, what it makes of the right side, and a triangle to solve.
    n = _sides(matrix)[2]
    columns = int(right[-1]) if len(right) >= len(matrix) else 1
    return _r_of_qr(matrix) + prod(matrix[:-2]) * columns * (4 * int(matrix[-2]) * n - n * n)


def _svd(matrix: Any, full: bool = False, vectors: bool = True, *_: Any, **__: Any) -> int:
    many, m, n = _sides(matrix)
    if not vectors:
        return many * (4 * m * n * n - 4 * n**3 // 3)
    return many * ((4 * m * m * n + 22 * n**3) if full else (6 * m * n * n + 20 * n**3))


def _pinv(matrix: Any, *_: Any, **__: Any) -> int:
    return _svd(matrix) + 2 * prod(matrix) * int(min(matrix[-2:]))


def _eigh(matrix: Any, _triangle: str = "L", vectors: bool = True, *_: Any, **__: Any) -> int:
    return prod(matrix[:-2]) * int(matrix[-1]) ** 3 * (27 if vectors else 4) // 3


def _eig(matrix: Any, *_: Any, **__: Any) -> int:
    return 25 * prod(matrix[:-2]) * int(matrix[-1]) ** 3


def _eigenvalues(matrix: Any, *_: Any, **__: Any) -> int:
    return 10 * prod(matrix[:-2]) * int(matrix[-1]) ** 3


SOLVERS: dict[str, Formula] = {
    "aten::linalg_cholesky_ex": _cholesky,
    "aten::cholesky_solve": _cholesky_solve,
    "aten::_cholesky_solve_helper": _cholesky_solve,
    "aten::cholesky_inverse": _inverse,
    "aten::linalg_lu": _lu,
    "aten::linalg_lu_factor_ex": _lu,
    "aten::_linalg_det": _lu,
    "aten::_linalg_slogdet": _lu,
    "aten::linalg_ldl_factor_ex": _cholesky,
    "aten::linalg_lu_solve": _solve_factored,
    "aten::linalg_ldl_solve": _solve_factored,
    "aten::_linalg_solve_ex": _solve,
    "aten::linalg_solve_triangular": _triangular,
    "aten::triangular_solve": _triangular_solve,
    "aten::linalg_inv_ex": _inverse,
    "aten::geqrf": _geqrf,
    "aten::linalg_qr": _qr,
    "aten::linalg_householder_product": _householder_product,
    "aten::ormqr": _ormqr,
    "aten::linalg_lstsq": _lstsq,
    "aten::_linalg_svd": _svd,
    "aten::linalg_pinv": _pinv,
    "aten::_linalg_eigh": _eigh,
    "aten::linalg_eig": _eig,
    "aten::linalg_eigvals": _eigenvalues,
    "aten::_linalg_eigvals": _eigenvalues,
}
"""By the name of the operation."""
