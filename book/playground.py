"""The playground: a widget that trains recurrent language models in the background, for lessons 3 and 6.

Slider values are read when Train is clicked; the training thread writes output widgets only; every message is shown as
text. See `Playground`.
"""

import contextvars
import html
import statistics
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass, field, fields

import ipywidgets as W
from IPython import get_ipython

import utils
from book import require
from book.display import bundle, show
from book.live_plot import seconds_left
from book.settings import CELLS, LABELS, RANGES, Settings
from utils import RECIPES, torch

NUM_STEPS = 35


@dataclass
class Training:
    """One run: its settings, what it has measured so far, the event that stops it and the one that tells its end."""

    settings: Settings
    model: torch.nn.Module
    status: str = "running"
    records: list = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0


class _Stopped(Exception):
    """Raised inside the model's forward or backward pass when Stop was pressed."""


class Playground:
    """Sliders for layers and hidden units, a live perplexity plot, and a table of the runs so far.

    corpus: a Corpus of load_corpus, None for The Time Machine. bidirectional: offer that switch (lesson 6).
    name: playgrounds of the same name end each other's training, so that running the cell again leaves no thread.

        playground = Playground()
        playground.show()
        playground.start(layers=2); playground.wait()      # the same as the Train button, then wait for the end
    """

    def __init__(self, corpus=None, *, bidirectional=False, name="playground"):
        self.thread_name = f"train:{name}"
        for thread in threading.enumerate():
            if thread.name == self.thread_name:
                thread.training.stop.set()
                thread.training.ended.wait(10)
        self.corpus = corpus or utils.load_corpus()
        self.prefix = "time traveller"
        if any(c not in self.corpus.vocab.token_to_idx for c in self.prefix):  # a reader's own text
            self.prefix = "".join(self.corpus.vocab.to_tokens(self.corpus.held_out[:12].tolist()))
        self.lock, self.current, self.error, self.handle = threading.Lock(), None, None, None
        self.trainings, self.model, self.plot = [], None, None
        self.offers_bidirectional = bidirectional
        self._build_controls()
        self._build_outputs()
        self._connect()
        self._lay_out()
        self.reset()
        kernel = getattr(get_ipython(), "kernel", None)
        if hasattr(kernel, "saved_sigint_handler"):  # what ipykernel does on an interrupt while no cell is running
            kernel.saved_sigint_handler = lambda *_: self.current and self.current.stop.set()

    # ---- what a reader sees

    def _build_controls(self):
        d, wide = Settings(), {"style": {"description_width": "95px"}, "layout": {"width": "320px"}}
        recipes = [(recipe.label, name) for name, recipe in RECIPES.items()]

        def narrow(width):
            return {"style": {"description_width": "initial"}, "layout": {"width": width}}

        def slider(name, step):
            low, high = RANGES[name]
            return W.IntSlider(getattr(d, name), min=low, max=high, step=step, description=LABELS[name], **wide)

        self.controls = {
            "layers": slider("layers", 1),
            "hidden_units": slider("hidden_units", 16),
            "cell": W.Dropdown(options=list(CELLS), value=d.cell, description=LABELS["cell"], **narrow("130px")),
            "recipe": W.Dropdown(options=recipes, value=d.recipe, description=LABELS["recipe"], **narrow("190px")),
            "lr": W.FloatText(d.lr, description=LABELS["lr"], **narrow("165px")),
            "epochs": W.IntText(d.epochs, description=LABELS["epochs"], **narrow("125px")),
            "seed": W.IntText(d.seed, description=LABELS["seed"], **narrow("120px")),
            "bidirectional": W.Checkbox(d.bidirectional, description=LABELS["bidirectional"], indent=False),
        }
        self.defaults = {name: control.value for name, control in self.controls.items()}
        self.settings_text = W.Text(
            description=LABELS["settings"], continuous_update=False, layout={"width": "740px"}, style=wide["style"]
        )
        self.prefix_text = W.Text(self.prefix, description=LABELS["prefix"], **wide)
        self.temperature = W.FloatSlider(0, min=0, max=2, step=0.1, description=LABELS["temperature"], **wide)
        self.train_button = W.Button(description=LABELS["train"], button_style="primary")
        self.stop_button = W.Button(description=LABELS["stop"], disabled=True)
        self.reset_button = W.Button(description=LABELS["reset"])
        self.generate_button = W.Button(description=LABELS["generate"])

    def _build_outputs(self):
        room = {"height": "20px", "width": "0", "overflow": "visible"}  # a message moves nothing when it appears
        self.warnings = {name: W.HTML(layout=room) for name in [*self.controls, "settings", "prefix"]}
        self.bar = W.FloatProgress(0, min=0, max=1, layout={"width": "200px"})
        self.status = W.HTML()
        self.sample = W.HTML(layout={"min_height": "32px"})
        self.figure = W.Box(layout={"height": f"{utils.LivePlot.HEIGHT + 10}px", "overflow": "hidden"})
        self.table, self.traceback = W.HTML(), W.HTML()
        self.generated = W.HTML(layout={"min_height": "32px"})

    def _connect(self):
        """Say what each control does."""
        for name, control in self.controls.items():
            control.observe(self._settings_changed if name != "recipe" else self._recipe_changed, "value")
        self.settings_text.observe(self._settings_pasted, "value")
        self.train_button.on_click(lambda _: self._try(self.start))
        self.stop_button.on_click(lambda _: self.stop())
        self.reset_button.on_click(lambda _: self.reset())
        self.generate_button.on_click(lambda _: self._try(self.generate))

    def _lay_out(self):
        wrap = {"flex_flow": "row wrap", "overflow": "visible"}

        def row(*names):
            around = {"margin": "0 14px 0 0", "overflow": "visible"}
            return W.HBox([W.VBox([self.controls[n], self.warnings[n]], layout=around) for n in names], layout=wrap)

        buttons = [self.train_button, self.stop_button, self.reset_button, self.bar]
        writing = [self.prefix_text, self.temperature, self.generate_button]
        rows = [
            row("layers", "hidden_units", *(["bidirectional"] if self.offers_bidirectional else [])),
            row("cell", "recipe", "lr", "epochs", "seed"),
            W.HBox(buttons, layout={"flex_flow": "row wrap"}),
            *(self.status, self.figure, self.sample, self.traceback, self.table),
            W.HBox(writing, layout={"flex_flow": "row wrap"}),
            *(self.warnings["prefix"], self.generated, self.settings_text, self.warnings["settings"]),
        ]
        self.heartbeat = None
        if "google.colab" in sys.modules:  # which may not show what a thread sends (colabtools issue 3373)
            self.heartbeat = W.Play(interval=500, max=10**9, layout={"display": "none"})
            self.heartbeat.observe(self._send_again, "value")
            rows.append(self.heartbeat)
        self.box = W.VBox(rows)
        self.box.add_class("book-playground")

    def _send_again(self, _=None):
        """Send what the training thread has written once more, from the thread that handles the reader's clicks."""
        training = self.is_training  # asked first: what it writes last is sent too
        self.plot.send_again()
        outputs = (self.bar, self.status, self.sample, self.traceback, self.table)
        for widget in (*outputs, self.stop_button, self.generate_button):
            widget.send_state()
        self._beat(training)

    def _beat(self, on):
        if self.heartbeat:
            setattr(self.heartbeat, "playing" if hasattr(W.Play, "playing") else "_playing", on)  # ipywidgets 8, 7

    def show(self):
        """Display the playground."""
        self.handle = show(*self._picture())

    def _picture(self):
        png, words = self.plot.picture()
        return self.box, png, f"RNN playground: {words}"

    # ---- what the controls do

    def _read_controls(self):
        return Settings(**{name: control.value for name, control in self.controls.items()})

    def _try(self, action):
        """Do what a control asks for; show a ValueError beside the control that it is about."""
        for warning in self.warnings.values():
            warning.value = ""
        try:
            action()
        except ValueError as error:
            about = getattr(error, "name", "settings")
            self.warnings.get(about, self.warnings["settings"]).value = _warning(error)
        except Exception:
            self.traceback.value = _warning(traceback.format_exc())

    def _settings_changed(self, _):
        def show_settings():
            self.settings_text.value = str(self._read_controls())

        self._try(show_settings)

    def _recipe_changed(self, change):
        self.controls["lr"].value = RECIPES[change["new"]].lr
        self._settings_changed(change)

    def _settings_pasted(self, change):
        def apply():
            settings = Settings.parse(change["new"])
            offered = self.offers_bidirectional or not settings.bidirectional
            require(offered, "settings", change["new"], "without bidirectional=True (lesson 6 has that switch)")
            self._set_controls(asdict(settings))

        self._try(apply)

    def _set_controls(self, values):
        for name in [f.name for f in fields(Settings) if f.name in values]:  # recipe before lr: it proposes one
            self.controls[name].value = values[name]

    def start(self, **changes):
        """Train in the background with what the controls say, changed as given: start(layers=2, epochs=20).

        A run that is still going is stopped first and keeps its curve. Raises ValueError for a bad setting.
        """
        with self.lock:  # two callbacks may come at once, on kernel subshells
            Settings(**{**asdict(self._read_controls()), **changes})  # refuses a bad value, which a slider would clamp
            self._set_controls(changes)
            settings, before = self._read_controls(), self.current
            if before is not None:
                before.stop.set()
            self.current = training = Training(settings, settings.build(len(self.corpus.vocab)))
            self.error = None
            work = contextvars.copy_context().run  # ipykernel 7.0 looks up in it where a widget's messages belong
            thread = threading.Thread(
                target=work, args=(self._work, training, before), name=self.thread_name, daemon=True
            )
            thread.training = training
            self.stop_button.disabled, self.generate_button.disabled = False, True
            self._say("starting")
            thread.start()
            self._beat(True)

    @property
    def is_training(self):
        """Whether a run is going on."""
        return self.current is not None and not self.current.ended.is_set()

    def stop(self):
        """Stop the training within half a second; the model and the curve stay."""
        if self.is_training:
            self._say("stopping")
            self.current.stop.set()

    def wait(self):
        """Wait until the training ends; an exception in it is raised here, an interrupt of the kernel stops it."""
        try:
            while self.is_training:
                self.current.ended.wait(0.1)
        except KeyboardInterrupt:  # not from Thread.join, which takes an interrupted thread for an ended one (3.11)
            self.stop()
            self.current.ended.wait(10)
            raise
        if self.handle is not None:  # the picture that is stored; not after each Train, because it redraws the controls
            data, metadata = bundle(*self._picture())
            self.handle.update(data, metadata=metadata, raw=True)
        if self.error is not None:
            raise self.error

    def reset(self):
        """Stop, forget every run, and put the controls back to where they were."""
        with self.lock:
            self.stop()
            if self.current is not None:
                self.current.ended.wait(10)
            self.current, self.error, self.model, self.trainings = None, None, None, []
            self.plot = utils.LivePlot(self.defaults["epochs"])
            self.figure.children = (self.plot.widget,)
            for name, value in self.defaults.items():
                self.controls[name].value = value
            self.settings_text.value = str(self._read_controls())
            self.sample.value = self.generated.value = self.traceback.value = self.table.value = ""
            self.generate_button.disabled, self.bar.value = True, 0
            self._say("ready: press Train")

    def generate(self):
        """Let the model trained last write on from the prefix, at the temperature of the slider."""
        generator = torch.Generator().manual_seed(self.controls["seed"].value)
        options = {"temperature": self.temperature.value, "generator": generator}
        text = utils.generate(self.model, self.corpus.vocab, self.prefix_text.value, 80, **options)
        self.generated.value = _code(text)

    # ---- the training thread

    def _work(self, training, before):
        if before is not None:
            before.ended.wait()
        try:
            if not training.stop.is_set():
                self._train(training)
            if self.current is training:  # no later Train is waiting for this one to end
                self.stop_button.disabled, self.generate_button.disabled = True, self.model is None
                if training.status == "running":  # stopped before it began
                    self._say("stopped")
        except BaseException as error:  # a widget that cannot be written to; `wait` raises it
            self.error = error
        finally:
            training.ended.set()

    def _train(self, training):
        settings, started = training.settings, time.monotonic()
        num_epochs, recipe = utils.epochs(settings.epochs), RECIPES[settings.recipe]
        batches = utils.Batches(self.corpus.train, num_steps=NUM_STEPS, seed=settings.seed)
        self.trainings.append(training)
        self.plot.num_epochs = max([settings.epochs, *(len(t.records) for t in self.trainings)])
        self.plot.start(settings.label)
        self.traceback.value = ""
        training.model.to(utils.d2l.try_gpu())
        hooks = self._hook(training, num_epochs * len(batches))
        options = {"lr": settings.lr, "num_epochs": num_epochs, "optimizer": recipe.optimizer}
        try:
            for record in utils.fit(training.model, batches, held_out=self.corpus.held_out, **options):
                training.records.append(record)
                if self.plot.add(record):
                    self._write_sample(training.model)
            training.status = "done"
        except _Stopped:
            training.status = "stopped"
        except FloatingPointError as error:
            training.status, self.traceback.value = "diverged", _warning(error)
        except BaseException as error:
            training.status, self.error = "failed", error
            self.traceback.value = _warning("".join(traceback.format_exception(error)))
        finally:
            for hook in hooks:
                hook.remove()
        training.seconds = time.monotonic() - started
        self._finish(training)

    def _hook(self, training, num_minibatches):
        """Hook into the model's passes, to stop within one and to move the bar; return the hooks, to be removed."""
        started, done, due = time.monotonic(), 0.0, 0.0

        def stop_here(_=None):
            """After each layer's gradient: a step of 4 x 512 takes half a second, most of it backward."""
            if training.stop.is_set():
                raise _Stopped

        def watch(model, *_):
            """Before and after each forward pass: stop here if asked to, and move the bar four times a second."""
            nonlocal done, due
            stop_here()
            done += model.training / 2
            if done >= 1 and time.monotonic() >= due:
                self.bar.value = min(1, done / num_minibatches)
                self._say(f"{_progress(training)} · {seconds_left(started, self.bar.value):.0f} s left")
                due = time.monotonic() + 0.25

        hooks = [training.model.register_forward_pre_hook(watch), training.model.register_forward_hook(watch)]
        return hooks + [
            weights.register_post_accumulate_grad_hook(stop_here) for weights in training.model.parameters()
        ]

    def _finish(self, training):
        """Show how a run ended, and keep its model if it is one to write with."""
        self._say(f"{training.status} · {_progress(training)}")
        if training.status in ("done", "stopped"):
            self.model = training.model
        if training.status == "done":
            self.bar.value = 1
            self._write_sample(training.model)
        self.plot.num_epochs = max([1, *(len(t.records) for t in self.trainings)])
        self.plot.draw()
        self.table.value = _table(self.trainings)

    def _write_sample(self, model):
        """Show what the model writes now; the time that takes counts as drawing."""
        started = time.perf_counter()
        self.sample.value = "the model writes: " + _code(utils.generate(model, self.corpus.vocab, self.prefix, 50))
        self.plot.rest(time.perf_counter() - started)

    def _say(self, text):
        self.status.value = html.escape(text)


def _progress(training):
    if not training.records:
        return "epoch 1"
    last = training.records[-1]
    return f"epoch {last.epoch}: training {utils.shorten(last.perplexity)}, held-out {utils.shorten(last.held_out)}"


def _warning(error):
    style = "white-space: pre-wrap; line-height: 1.3; width: max-content; max-width: 900px"
    style += "; color: var(--jp-error-color1, #b00020)"
    return f'<div role="alert" style="{style}">⚠ {html.escape(str(error))}</div>'


def _code(text):
    return f'<code style="white-space: pre-wrap">{html.escape(text)}</code>'


def _table(trainings):
    """Return the table of runs as HTML, one row per run; the numbers in the first column are those on the curves."""
    head = ["run", "network", "recipe", "lr", "seed", "parameters", "epochs", "training", "held-out"]
    head += ["best held-out", "tokens/s", "seconds", "status"]
    rows = []
    for number, t in enumerate(trainings, start=1):
        row = [number, t.settings.label, t.settings.recipe, f"{t.settings.lr:g}", t.settings.seed]
        row += [f"{sum(p.numel() for p in t.model.parameters()):,}", len(t.records)]
        if t.records:
            last, best = t.records[-1], utils.best(t.records)
            row += [utils.shorten(last.perplexity), utils.shorten(last.held_out)]
            row += [f"{utils.shorten(best.held_out)} (epoch {best.epoch})"]
            row += [f"{statistics.median(r.tokens_per_sec for r in t.records):,.0f}"]
        else:
            row += ["", "", "", ""]
        rows.append([*row, f"{t.seconds:.1f}", t.status])
    narrow = "<style>.book-playground .book-table :is(th, td) { padding: 0 4px }</style>"  # it fits a laptop's window
    return narrow + utils.table(head, rows).data
