"""let_math_threads_sleep: the threads of OpenBLAS, which numpy multiplies by, sleep while there is nothing to do."""

import os
import sys

TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"  # of OpenBLAS: 2 to this power clock ticks
_SHORT = "4"


def let_math_threads_sleep() -> None:
    """Shorten how long they spin after a product: a tenth of a second, by default, of a core that others need.

    OpenBLAS reads it once, as numpy is loaded: afterwards this does nothing. What the environment sets stays.
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault(TIMEOUT, _SHORT)
