"""A class on a shared machine: 1, 2, 4 and 8 kernels train in the playground at once. Tokens per second, and Stop.

Against one kernel that trains alone on one core: what several cores give to it, they cannot give to others.
"""

import time

from benchmarks.kernels import kernels
from benchmarks.timing import spread

COUNTS = (1, 2, 4, 8)
PREPARE = "import time; from book.playground import Playground; playground = Playground(); playground.show()"
NOW = "(time.monotonic(), playground.bar.value)"  # the clock is the system's, the same in all kernels


def measure(counts=COUNTS, rounds=5, seconds=8, settings="layers=2, hidden_units=256, epochs=2000"):
    """Total tokens per second and each kernel's seconds from the click on Stop, by the number of kernels training.

    With a count of 1, the one kernel uses one core.
    Returns ({count: total of each round}, {count: list of latencies}).
    """
    totals, latencies = {n: [] for n in counts}, {n: [] for n in counts}
    with kernels(max(counts)) as students:
        for student in students:
            student.run(PREPARE)
        stop_buttons = [student.run("", "playground.stop_button.model_id") for student in students]
        for _ in range(rounds):
            for count in counts:
                speeds, waits = train_at_once(students[:count], stop_buttons, seconds, settings)
                totals[count].append(sum(speeds))
                latencies[count] += waits
    return totals, latencies


def train_at_once(students, stop_buttons, seconds, settings):
    """Tokens per second and seconds until Stop of each kernel, all training for so many seconds."""
    most = 1 if len(students) == 1 else 4
    for student in students:
        student.run(f"import book.shards; book.shards.MOST = {most}; playground.start({settings})")
    time.sleep(1)  # all are in their first epochs
    begins = [student.run("", NOW) for student in students]
    time.sleep(seconds)
    ends = [student.run("", NOW) for student in students]
    tokens = students[0].run(
        "import utils; batches = utils.Batches(playground.corpus.train)",
        "playground.current.settings.epochs * len(batches) * batches.batch_size * batches.num_steps",
    )  # when the progress bar is at 1
    waits = []
    for student, button in zip(students, stop_buttons, strict=False):  # one after the other: the rest still train
        started = time.monotonic()
        student.click(button)
        student.run("playground.current.ended.wait(60)")
        waits.append(time.monotonic() - started)
    return [(b - a) * tokens / (t - s) for (s, a), (t, b) in zip(begins, ends, strict=True)], waits


def rows(rounds=5):
    """A row of text per number of kernels."""
    totals, latencies = measure(rounds=rounds)
    for count in COUNTS:
        ratios = [total / alone for total, alone in zip(totals[count], totals[1], strict=True)]
        what = f"{count} kernel{'s' * (count > 1)} training: total tokens/s, and each one's Stop"
        aim = "1.6 x; below 1 s" if count == 4 else "below 1 s"
        yield what, "1 kernel on one core", aim, f"{spread(ratios, 'x')}; {spread(latencies[count], 's')}"
