"""What do the numbers stand in? Arrays of 64-bit floats; shapes are in the docstrings of what takes and gives them."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
