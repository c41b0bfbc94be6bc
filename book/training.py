"""A training that runs in a thread of its own while a notebook stays usable; the playground starts and shows it."""

import threading
import time
import traceback
from dataclasses import dataclass, field

import utils
from book import require
from book.settings import Settings
from book.words import mark, say
from utils import RECIPES, torch

BATCH_SIZE, NUM_STEPS = 32, 35
# what a run's status can be
RUNNING, DONE, STOPPED = mark("running"), mark("done"), mark("stopped")
DIVERGED, FAILED = mark("diverged"), mark("failed")


def is_scored(epoch, num_epochs):
    """Return whether held-out text is scored: after the first eight, then every second, then every fourth.

    Reading 5,000 characters takes up to a sixth of an epoch's time; so all of it takes less than a tenth.
    """
    return epoch <= 8 or epoch % (2 if epoch <= 20 else 4) == 0 or epoch == num_epochs


class _Stopped(BaseException):
    """Raised between two minibatches, or inside a forward or backward pass, when Stop was pressed."""


def require_enough(corpus):
    """Raise ValueError for a text that is too short to train on, or to be scored."""
    parts = (
        (say("training"), corpus.train, (BATCH_SIZE + 1) * NUM_STEPS + 1),
        (say("held-out"), corpus.held_out, NUM_STEPS + 1),
    )
    for part, ids, needed in parts:
        found = len(ids)
        longer = say("longer: its part for {part} needs {needed:,} characters", part=part, needed=needed)
        require(found >= needed, "text", f"{found:,}", longer)


@dataclass
class Training:
    """One run: its settings, what it has measured so far, the event that stops it and the one that tells its end.

    status: "running", then "done", "stopped", "diverged" (it ended worse than blind guessing, or its loss was no number
    any more) or "failed"; problem: what to know then, a text. error: what was raised when it failed.
    """

    settings: Settings
    model: torch.nn.Module
    status: str = RUNNING
    problem: str = ""
    error: BaseException | None = None
    records: list = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0

    @property
    def last_scored(self):
        """The newest record with a held-out perplexity, None if there is none yet."""
        return next((r for r in reversed(self.records) if r.held_out is not None), None)

    def run(self, corpus, progress, record):
        """Train to the end; whatever happens is told by `status` and `problem`, nothing is raised.

        progress: a function told after each minibatch (share of the whole training, epoch, loss so far in nats).
        record: a function told each EpochRecord.
        """
        started = time.monotonic()
        try:
            self._train(corpus, progress, record)
            self.status = DONE
            blind, scored = len(corpus.vocab), self.last_scored  # the first epoch's own perplexity begins untrained
            if self.records[-1].perplexity > blind and scored.held_out > blind:
                self.status = DIVERGED
                self.problem = say(
                    "It ended worse than blind guessing ({blind}): lower the learning rate.", blind=blind
                )
        except _Stopped:
            self.status = STOPPED
        except FloatingPointError as error:
            self.status, self.problem = DIVERGED, str(error)
        except BaseException as error:
            self.fail(error)
        self.seconds = time.monotonic() - started
        for weights in self.model.parameters():
            weights.grad = None  # as large as the model

    def fail(self, error):
        """Note what was raised; only the first error counts, the next ones may follow from it."""
        if self.error is None:
            self.status, self.error = FAILED, error
            self.problem = "".join(traceback.format_exception(error))

    def _train(self, corpus, progress, record):
        settings, recipe = self.settings, RECIPES[self.settings.recipe]
        batches, num_epochs = utils.Batches(corpus.train, BATCH_SIZE, NUM_STEPS, settings.seed), settings.epochs
        epoch_tokens, whole = len(batches) * BATCH_SIZE * NUM_STEPS, utils.epochs(num_epochs)
        self.model.to(utils.d2l.try_gpu())

        def watch(epoch, tokens, loss):
            progress(min(1, (epoch - 1 + tokens / epoch_tokens) / whole), epoch, loss)

        options = {"lr": settings.lr, "num_epochs": num_epochs, "optimizer": recipe.optimizer, "watch": watch}
        hooks = self._hook_stop()
        try:
            for each in utils.fit(self.model, batches, **options):
                if is_scored(each.epoch, whole):
                    each = each._replace(held_out=utils.perplexity(self.model, corpus.held_out, NUM_STEPS))
                self.records.append(each)
                record(each)
        finally:
            for hook in hooks:
                hook.remove()

    def _hook_stop(self):
        """Hook into the model's passes; a step of 4 x 512 takes half a second, most of it backward."""

        def stop_here(*_):
            if self.stop.is_set():
                raise _Stopped

        model, before = self.model, self.model.register_forward_pre_hook(stop_here)
        after = model.register_forward_hook(stop_here)
        return [before, after, *(weights.register_hook(stop_here) for weights in model.parameters())]
