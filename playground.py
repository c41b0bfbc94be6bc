"""The playground: a widget that trains recurrent language models in the background, for lessons 3 and 6.

Use it as utils.Playground. Slider values are read when Train is clicked; the training thread writes output widgets
only; every message is shown as text. See `Playground`.
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
import torch
from IPython import get_ipython
from torch import nn

import utils

CELLS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
RECIPES = {"fast": ("adam", 0.005), "D2L": ("sgd", 2.0)}  # optimizer, learning rate; fast also enlarges weights
NUM_STEPS = 35


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run; `str(settings)` and `Settings.parse` are each other's inverse.

    Raises ValueError naming the setting, its value and what is allowed.
    """

    layers: int = 1
    hidden_units: int = 128
    cell: str = "LSTM"
    recipe: str = "fast"
    lr: float = 0.005
    epochs: int = 40
    seed: int = 0
    bidirectional: bool = False

    def __post_init__(self):
        def is_int(value):
            return isinstance(value, int) and not isinstance(value, bool)

        for name, low, high in (("layers", 1, 4), ("hidden_units", 16, 512), ("epochs", 1, 2000), ("seed", 0, 2**32)):
            value = getattr(self, name)
            utils.require(is_int(value) and low <= value <= high, name, value, f"a whole number from {low} to {high}")
        utils.require(self.cell in CELLS, "cell", self.cell, f"one of {', '.join(CELLS)}")
        utils.require(self.recipe in RECIPES, "recipe", self.recipe, f"one of {', '.join(RECIPES)}")
        is_number = isinstance(self.lr, int | float) and not isinstance(self.lr, bool)
        utils.require(is_number and 0 < self.lr <= 100, "lr", self.lr, "a number above 0, at most 100")
        utils.require(isinstance(self.bidirectional, bool), "bidirectional", self.bidirectional, "True or False")

    def __str__(self):
        return " ".join(f"{name}={value}" for name, value in asdict(self).items() if value is not False)

    @classmethod
    def parse(cls, text):
        """Return the Settings that a string such as "layers=2 lr=0.005" describes; what it leaves out is default."""
        known, values = {f.name: f.type for f in fields(cls)}, {}
        for word in text.split():
            name, _, value = word.partition("=")
            utils.require(name in known, "settings", word, f"name=value pairs, names being {', '.join(known)}")
            try:
                values[name] = {"True": True, "False": False}[value] if known[name] is bool else known[name](value)
            except (ValueError, KeyError):
                raise ValueError(f"{name} must be written as {name}={getattr(cls, name)}, got {word!r}") from None
        return cls(**values)

    @property
    def label(self):
        """The run's name in the legend and in the table, such as "LSTM 2 x 256"."""
        return f"{'Bi' if self.bidirectional else ''}{self.cell} {self.layers} x {self.hidden_units}"

    def build(self, vocab_size):
        """Return a d2l.RNNModel with the weights that the seed gives, torch's own random state left alone."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            layer = CELLS[self.cell](vocab_size, self.hidden_units, self.layers, bidirectional=self.bidirectional)
            model = utils.d2l.RNNModel(layer, vocab_size)
            return utils.enlarge_weights(model) if self.recipe == "fast" else model


@dataclass
class Training:
    """One run: its settings, what it has measured so far, the event that stops it and the one that tells its end."""

    settings: Settings
    model: nn.Module
    status: str = "running"
    records: list = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0


class _Stopped(Exception):
    """Raised inside the model's forward or backward pass when Stop was pressed."""


class Playground:
    """Sliders for layers and hidden units, a live perplexity plot, and a table of the runs so far.

    corpus: a utils.Corpus, None for The Time Machine. bidirectional: offer the bidirectional switch (lesson 6).
    name: playgrounds of the same name end each other's training, so that running the cell again leaves no thread.

        playground = utils.Playground()
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
        self.reset()
        kernel = getattr(get_ipython(), "kernel", None)
        if hasattr(kernel, "saved_sigint_handler"):  # what ipykernel does on an interrupt while no cell is running
            kernel.saved_sigint_handler = lambda *_: self.current and self.current.stop.set()

    # ---- what a reader sees

    def _build_controls(self):
        wide = {"style": {"description_width": "95px"}, "layout": {"width": "320px"}}

        def narrow(width):
            return {"style": {"description_width": "initial"}, "layout": {"width": width}}

        d = Settings()
        self.controls = {
            "layers": W.IntSlider(d.layers, min=1, max=4, description="Layers", **wide),
            "hidden_units": W.IntSlider(d.hidden_units, min=16, max=512, step=16, description="Hidden units", **wide),
            "cell": W.Dropdown(options=list(CELLS), value=d.cell, description="Cell", **narrow("130px")),
            "recipe": W.Dropdown(
                options=[("fast (Adam)", "fast"), ("D2L (SGD)", "D2L")], description="Recipe", **narrow("190px")
            ),
            "lr": W.FloatText(d.lr, description="Learning rate", **narrow("165px")),
            "epochs": W.IntText(d.epochs, description="Epochs", **narrow("125px")),
            "seed": W.IntText(d.seed, description="Seed", **narrow("120px")),
            "bidirectional": W.Checkbox(d.bidirectional, description="Bidirectional", indent=False),
        }
        self.defaults = {name: control.value for name, control in self.controls.items()}
        places = [*self.controls, "settings", "prefix"]
        room = {"height": "20px", "width": "0", "overflow": "visible"}  # a message moves nothing when it appears
        self.warnings = {name: W.HTML(layout=room) for name in places}
        self.train_button = W.Button(description="Train", button_style="primary")
        self.stop_button = W.Button(description="Stop", disabled=True)
        self.reset_button = W.Button(description="Reset")
        self.bar = W.FloatProgress(0, min=0, max=1, layout={"width": "200px"})
        self.status = W.HTML()
        self.sample = W.HTML(layout={"min_height": "32px"})
        self.figure = W.Box(layout={"height": f"{utils.LivePlot.HEIGHT + 10}px", "overflow": "hidden"})
        self.table, self.traceback = W.HTML(), W.HTML()
        self.settings_text = W.Text(
            description="Settings", continuous_update=False, layout={"width": "740px"}, style=wide["style"]
        )
        self.prefix_text = W.Text(self.prefix, description="Prefix", **wide)
        self.temperature = W.FloatSlider(0, min=0, max=2, step=0.1, description="Temperature", **wide)
        self.generate_button = W.Button(description="Generate")
        self.generated = W.HTML(layout={"min_height": "32px"})

        for name, control in self.controls.items():
            control.observe(self._settings_changed if name != "recipe" else self._recipe_changed, "value")
        self.settings_text.observe(self._settings_pasted, "value")
        self.train_button.on_click(lambda _: self._try(self.start))
        self.stop_button.on_click(lambda _: self.stop())
        self.reset_button.on_click(lambda _: self.reset())
        self.generate_button.on_click(lambda _: self._try(self.generate))

        def row(*names):
            around = {"margin": "0 14px 0 0", "overflow": "visible"}
            items = [W.VBox([self.controls[n], self.warnings[n]], layout=around) for n in names]
            return W.HBox(items, layout={"flex_flow": "row wrap", "overflow": "visible"})

        buttons = [self.train_button, self.stop_button, self.reset_button, self.bar]
        writing = [self.prefix_text, self.temperature, self.generate_button]
        self.box = W.VBox(
            [
                row("layers", "hidden_units", *(["bidirectional"] if self.offers_bidirectional else [])),
                row("cell", "recipe", "lr", "epochs", "seed"),
                W.HBox(buttons, layout={"flex_flow": "row wrap"}),
                self.status,
                self.figure,
                self.sample,
                self.traceback,
                self.table,
                W.HBox(writing, layout={"flex_flow": "row wrap"}),
                self.warnings["prefix"],
                self.generated,
                self.settings_text,
                self.warnings["settings"],
            ]
        )
        self.box.add_class("book-playground")
        self.heartbeat = None
        if "google.colab" in sys.modules:  # which may not show what a thread sends (colabtools issue 3373)
            self.heartbeat = W.Play(interval=500, max=10**9, layout={"display": "none"})
            self.heartbeat.observe(self._send_again, "value")
            self.box.children += (self.heartbeat,)

    def _send_again(self, _=None):
        """Send what the training thread has written once more, from the thread that handles the reader's clicks."""
        training = self.is_training  # asked first: what it writes last is sent too
        outputs = (self.plot.image, self.plot.words, self.bar, self.status, self.sample, self.traceback, self.table)
        for widget in (*outputs, self.stop_button, self.generate_button):
            widget.send_state()
        self._beat(training)

    def _beat(self, on):
        if self.heartbeat:
            setattr(self.heartbeat, "playing" if hasattr(W.Play, "playing") else "_playing", on)  # ipywidgets 8, 7

    def show(self):
        """Display the playground."""
        self.handle = utils.show(*self._picture())

    def _picture(self):
        return self.box, self.plot.image.value, f"RNN playground: {self.plot.describe()}"

    # ---- what the controls do

    def _read_controls(self):
        return Settings(**{name: control.value for name, control in self.controls.items()})

    def _try(self, action):
        """Do what a control asks for; show a ValueError beside the control whose name it begins with."""
        for warning in self.warnings.values():
            warning.value = ""
        try:
            action()
        except ValueError as error:
            name = str(error).split()[0]
            self.warnings.get(name, self.warnings["settings"]).value = _warning(error)
        except Exception:
            self.traceback.value = _warning(traceback.format_exc())

    def _settings_changed(self, _):
        def show_settings():
            self.settings_text.value = str(self._read_controls())

        self._try(show_settings)

    def _recipe_changed(self, change):
        self.controls["lr"].value = RECIPES[change["new"]][1]
        self._settings_changed(change)

    def _settings_pasted(self, change):
        def apply():
            settings = Settings.parse(change["new"])
            offered = self.offers_bidirectional or not settings.bidirectional
            utils.require(offered, "settings", change["new"], "without bidirectional=True (lesson 6 has that switch)")
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
            data, metadata = utils.bundle(*self._picture())
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
            self.figure.children = (self.plot.image, self.plot.words)
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
        num_epochs, (optimizer, _) = utils.epochs(settings.epochs), RECIPES[settings.recipe]
        batches = utils.Batches(self.corpus.train, num_steps=NUM_STEPS, seed=settings.seed)
        minibatches, done, due = num_epochs * len(batches), 0.0, 0.0

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
                self.bar.value = min(1, done / minibatches)
                left = (time.monotonic() - started) * (1 / self.bar.value - 1)
                self._say(f"{_progress(training)} · {left:.0f} s left")
                due = time.monotonic() + 0.25

        self.trainings.append(training)
        self.plot.num_epochs = max([settings.epochs, *(len(t.records) for t in self.trainings)])
        self.plot.start(settings.label)
        self.traceback.value = ""
        training.model.to(utils.d2l.try_gpu())
        hooks = [training.model.register_forward_pre_hook(watch), training.model.register_forward_hook(watch)]
        hooks += [weights.register_post_accumulate_grad_hook(stop_here) for weights in training.model.parameters()]
        options = {"lr": settings.lr, "num_epochs": num_epochs, "optimizer": optimizer}
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
        self.plot.due += self.plot.PAUSE * (time.perf_counter() - started)

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
            last, best = t.records[-1], min(t.records, key=lambda r: r.held_out)
            row += [utils.shorten(last.perplexity), utils.shorten(last.held_out)]
            row += [f"{utils.shorten(best.held_out)} (epoch {best.epoch})"]
            row += [f"{statistics.median(r.tokens_per_sec for r in t.records):,.0f}"]
        else:
            row += ["", "", "", ""]
        rows.append([*row, f"{t.seconds:.1f}", t.status])
    narrow = "<style>.book-playground .book-table :is(th, td) { padding: 0 4px }</style>"  # it fits a laptop's window
    return narrow + utils.table(head, rows).data
