"""How is a task emulated whose images cannot be had? A generator a domain, with real factors of variation.

Every generator is a frozen dataclass whose fields are its factors; ``render(labels, draws)`` paints images. Pixels are
the same bytes on every CPU by construction: randomness comes from raw generator bits (:mod:`.draws`), and float32
arithmetic uses only operations that IEEE 754 rounds exactly (+, -, *, /, square root, comparison), tables rounded to
integers in place of sine, and matrix products of integers small enough to be exact in any order (:mod:`.canvas`).
Tested with NumPy's vector extensions and BLAS kernels switched; not proved on processors other than x86-64.
"""
