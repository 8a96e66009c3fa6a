"""Lorenz-63 after time 1 from (1, 2, 20), by SciPy: python testdata/golden/lorenz.py > testdata/golden/lorenz.json"""

import json

from scipy.integrate import solve_ivp


def drift(_, state):
    x, y, z = state
    return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]


end = solve_ivp(drift, (0, 1), [1, 2, 20], method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
print(json.dumps(list(end)))
