"""How a peer is timed: the same way as shared/tensor/bench times Manifold."""

import statistics
import time

SAMPLE = 0.05  # seconds of work that a sample has at least


def turn(run, seconds):
    """The median time of one run, over samples of at least SAMPLE seconds that together last `seconds`."""
    run()
    begun = time.perf_counter()
    run()
    each = max(1, int(SAMPLE / max(time.perf_counter() - begun, 1e-6)))
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        begun = time.perf_counter()
        for _ in range(each):
            run()
        times.append((time.perf_counter() - begun) / each)
    return statistics.median(times)
