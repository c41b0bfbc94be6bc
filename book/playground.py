"""The playground: a widget that trains recurrent language models in the background, for lessons 3 and 6.

Control values are read when Train is clicked; the training thread (book/training.py) writes output widgets only; every
message is shown as text. See `Playground`.
"""

import contextvars
import html
import re
import sys
import threading
import time
import traceback
import unicodedata
from dataclasses import asdict, fields

import ipywidgets as W
from IPython import get_ipython

import utils
from book import require
from book.display import keep_picture, named, show
from book.live_plot import TimeLeft
from book.models import load_model, save_model
from book.panel import TYPED, Panel, code, note, table_of, taken, warning
from book.settings import LABELS, Settings, label, read
from book.training import DONE, STOPPED, Training, require_enough
from book.words import say
from utils import RECIPES, torch


class Playground(Panel):
    """Sliders for layers and hidden units, a live perplexity plot, and a table of the runs so far.

    corpus: a Corpus of load_corpus, None for The Time Machine; ValueError for one that is too short to train on.
    bidirectional: offer that switch (lesson 6). name: playgrounds of the same name end each other's training, so that
    running the cell again leaves no thread.

        playground = Playground()
        playground.show()
        playground.start(layers=2); playground.wait()      # the same as the Train button, then wait for the end
    """

    def __init__(self, corpus=None, *, bidirectional=False, name="playground"):
        self.thread_name = f"train:{name}"
        for thread in _training_threads():
            if thread.name == self.thread_name:
                thread.training.stop.set()
                thread.training.ended.wait(10)
        self.lock, self.current, self.handles, self.draws = threading.RLock(), None, [], 0
        self.trainings, self.model, self.vocab, self.plot = [], None, None, None
        super().__init__(bidirectional)
        self._connect()
        self.first_corpus = corpus or utils.load_corpus()
        self.read_text(self.first_corpus)
        kernel = getattr(get_ipython(), "kernel", None)
        if hasattr(kernel, "saved_sigint_handler"):  # what ipykernel does on an interrupt while no cell is running
            kernel.saved_sigint_handler = lambda *_: [thread.training.stop.set() for thread in _training_threads()]

    def _connect(self):
        """Say what each control does."""
        for name, control in self.controls.items():
            control.observe(self._settings_changed if name != "recipe" else self._recipe_changed, "value")
        self.settings_text.observe(self._settings_pasted, "value")
        self.train_button.on_click(lambda _: self._try(self.start))
        self.stop_button.on_click(lambda _: self.stop())
        self.reset_button.on_click(lambda _: self.reset())
        self.generate_button.on_click(lambda _: self._try(self.generate))
        self.save_button.on_click(lambda _: self._try(self.save))
        self.text_typed.observe(lambda change: change["new"] and self._text_given(change["new"].encode()), "value")
        self.text_file.observe(lambda change: change["new"] and self._text_given(*taken(self.text_file)), "value")
        self.model_file.observe(lambda change: change["new"] and self._model_given(*taken(self.model_file)), "value")
        self.text_back.on_click(lambda _: self._try(lambda: self.read_text(self.first_corpus)))
        self.heartbeat = None
        if "google.colab" in sys.modules:  # which may not show what a thread sends (colabtools issue 3373)
            self.heartbeat = W.Play(interval=500, max=10**9, layout={"display": "none"})
            self.heartbeat.observe(self._send_again, "value")
            self.box.children += (self.heartbeat,)

    def _send_again(self, _=None):
        """Send what the training thread has written once more, from the thread that handles the reader's clicks."""
        training = self.is_training  # asked first: what it writes last is sent too
        self.plot.send_again()
        outputs = (self.bar, self.status, self.message, self.sample, self.traceback, self.table)
        for widget in (*outputs, self.train_button, self.stop_button, self.generate_button, self.save_button):
            widget.send_state()
        self._beat(training)

    def _beat(self, on):
        if self.heartbeat:
            setattr(self.heartbeat, "playing" if hasattr(W.Play, "playing") else "_playing", on)  # ipywidgets 8, 7

    def show(self):
        """Display the playground, again if you like, and warm up: torch takes a second to make its first Adam."""
        show(self.box, self._describe())
        self.handles.append(keep_picture(*self._picture()))
        threading.Thread(target=torch.optim.Adam, args=([torch.zeros(1, requires_grad=True)],), daemon=True).start()

    def _picture(self):
        return self.plot.picture()[0], self._describe()

    def _describe(self):
        return say("RNN playground: {plot}", plot=self.plot.describe())

    # ---- what the controls do

    def _read_controls(self, **changes):
        """Return the Settings that the controls show, changed as given; ValueError for one that is wrong."""
        values = {name: control.value for name, control in self.controls.items()}
        values |= {name: read(name, values[name].strip()) for name in TYPED}
        if changes.get("recipe") in RECIPES:
            values["lr"] = RECIPES[changes["recipe"]].lr
        return Settings(**values | changes)

    def _try(self, action):
        """Do what a control asks for; say below the controls what it cannot do."""
        self.message.value = ""
        try:
            action()
        except ValueError as error:
            self.message.value = warning(
                named(error, {name: label(name) for name in LABELS} | {"text": say("text"), "model": say("model")})
            )
        except Exception:
            self.traceback.value = warning(traceback.format_exc())

    def _settings_changed(self, _):
        def show_settings():
            self.settings_text.value = str(self._read_controls())

        self._try(show_settings)

    def _recipe_changed(self, change):
        self.controls["lr"].value = str(RECIPES[change["new"]].lr)
        self._settings_changed(change)

    def _settings_pasted(self, change):
        def apply():
            settings = Settings.parse(change["new"])
            self._require_switch(settings)
            before = {name: str(control.value) for name, control in self.controls.items()}
            self._set_controls(asdict(settings))
            changed = [
                f"{label(name)} {before[name]} → {value}"
                for name, value in asdict(settings).items()
                if str(value) != before[name]
            ]
            self.settings_text.value = str(settings)
            if changed:
                self.message.value = note(say("set: {changes}", changes=", ".join(changed)))

        if change["new"] != self._settings_shown():
            self._try(apply)

    def _require_switch(self, settings):
        offered = self.offers_bidirectional or not settings.bidirectional
        require(offered, "settings", str(settings), say("without bidirectional=True (lesson 6 has that switch)"))

    def _settings_shown(self):
        """Return the settings string of the controls, "" while one of them is wrong."""
        try:
            return str(self._read_controls())
        except ValueError:
            return ""

    def _set_controls(self, values):
        for name in [f.name for f in fields(Settings) if f.name in values]:  # recipe before lr: it proposes one
            self.controls[name].value = str(values[name]) if name in TYPED else values[name]

    def start(self, **changes):
        """Train in the background with what the controls say, changed as given: start(layers=2, epochs=20).

        A run that is still going is stopped first and keeps its curve. Raises ValueError for a bad setting.
        """
        with self.lock:  # two callbacks may come at once, on kernel subshells
            settings, before = self._read_controls(**changes), self.current
            self._require_switch(settings)
            self._set_controls(asdict(settings))
            if before is not None:
                before.stop.set()
            training = Training(settings, settings.build(len(self.corpus.vocab)))
            self.current = training
            work = contextvars.copy_context().run  # ipykernel 7.0 looks up in it where a widget's messages belong
            thread = threading.Thread(
                target=work, args=(self._work, training, before), name=self.thread_name, daemon=True
            )
            thread.training = training
            self._enable(training=True)
            self._tell(say("starting"))
            thread.start()
            self._beat(True)

    def _enable(self, training):
        """Let those buttons be pressed that make sense."""
        self.train_button.disabled, self.stop_button.disabled = training, not training
        self.generate_button.disabled = self.save_button.disabled = training or self.model is None
        for control in (self.text_file, self.text_typed, self.text_back, self.model_file):
            control.disabled = training

    @property
    def is_training(self):
        """Whether a run is going on."""
        return self.current is not None and not self.current.ended.is_set()

    def stop(self):
        """Stop the training within half a second; the model and the curve stay."""
        if self.is_training:
            self._tell(say("stopping"))
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
        if self.current is not None and self.current.error is not None:
            raise self.current.error

    def reset(self):
        """Stop, forget every run, and put the controls back to where they were."""
        with self.lock:
            self.stop()
            if self.current is not None:
                self.current.ended.wait(10)
            self.current, self.model, self.trainings, self.draws = None, None, [], 0
            self.plot = utils.LivePlot(Settings().epochs, height=utils.LivePlot.LOW)
            self.figure.children = (self.plot.widget,)
            for name, value in self.defaults.items():
                self.controls[name].value = value
            self.settings_text.value = str(self._read_controls())
            for output in (self.message, self.sample, self.generated, self.traceback, self.table):
                output.value = ""
            self.bar.value = 0
            self._enable(training=False)
            self._tell(say("ready: press {train}", train=label("train")))

    def generate(self):
        """Let the model trained last write on from the prefix, at the temperature of the slider, anew at each call."""
        require(self.model is not None, "model", None, say("trained first: press {train}", train=label("train")))
        prefix, notes = self.prefix_text.value, []
        require(len(prefix) <= 1000, "prefix", f"{len(prefix):,}", say("a text of at most 1,000 characters"))
        cleaned = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", prefix).lower())  # as the text was
        known = self.vocab.token_to_idx.keys()
        if not set(prefix) <= known and set(cleaned) <= known:
            prefix = self.prefix_text.value = cleaned
            notes.append(say("prefix in small letters, without punctuation"))
        seed = self.draws
        if self.temperature.value > 0:
            seed += Settings(seed=read("seed", self.controls["seed"].value.strip())).seed
        options = {"temperature": self.temperature.value, "generator": torch.Generator().manual_seed(seed)}
        text = utils.generate(self.model, self.vocab, prefix, 80, **options)
        if self.temperature.value > 0:
            notes.append(say("drawn with seed {seed}", seed=seed))
            self.draws += 1
        self.generated.value = code(text) + html.escape(f" ({', '.join(notes)})" if notes else "")

    # ---- own texts and models

    def read_text(self, corpus):
        """Train on another Corpus from now on; forgets every run, for perplexities of two texts cannot be compared.

        Raises ValueError for a text that is too short.
        """
        require_enough(corpus)
        self.corpus = corpus
        self.prefix = "time traveller"
        if any(c not in corpus.vocab.token_to_idx for c in self.prefix):
            self.prefix = "".join(corpus.vocab.to_tokens(corpus.held_out[:12].tolist()))
        self.reset()
        self.prefix_text.value = self.prefix
        sizes = {"train": len(corpus.train), "held_out": len(corpus.held_out), "vocab": len(corpus.vocab)}
        told = say(
            "text: {name}, {train:,} characters to train on, {held_out:,} held out; vocabulary: {vocab:,}",
            name=label("text_back") if corpus.source == "embedded" else corpus.source,
            **sizes,
        )
        self.text_name.value = html.escape(told)

    def _text_given(self, data, name=None):
        shown = name or say("typed text")

        def use():
            letters, encoding = utils.letters_of(data)
            train, held_out = min(10_000, 2 * len(letters) // 3), min(5_000, len(letters) // 3)
            require(train, "text", shown, say("a text with letters"))
            corpus = utils.load_corpus(data, max_tokens=train, held_out_tokens=held_out)
            self.read_text(corpus._replace(source=f"{shown} ({encoding})"))
            self.text_typed.value = ""  # so that the same text can be given again
            self.message.value = note(say("another text: the runs so far are gone"))

        self._try(use)

    def _model_given(self, data, name):
        self._try(lambda: self.load(data))

    def save(self, path=None):
        """Write the model trained last, with its settings and vocabulary, to a file; return its path.

        path: where to; None for the notebook's folder and a name that tells the settings.
        """
        require(self.model is not None, "model", None, say("trained first: press {train}", train=label("train")))
        path = save_model(path, self.model, self.model_settings, self.vocab)
        self.message.value = note(say("saved as {path}", path=path))
        return path

    def load(self, file):
        """Take a model that `save` has written, to let it generate; the controls show its settings.

        file: a path, or the file's bytes. Raises ValueError for anything else than such a file.
        """
        idle = say("loaded when nothing is trained: press {stop} first", stop=label("stop"))
        require(not self.is_training, "model", say("a run that goes on"), idle)
        self.model, self.model_settings, self.vocab = load_model(file)
        offered = {
            k: v for k, v in asdict(self.model_settings).items() if self.offers_bidirectional or k != "bidirectional"
        }
        self._set_controls(offered)
        self._enable(training=self.is_training)
        self.message.value = note(
            say("loaded {network}: press {generate}", network=self.model_settings.label, generate=label("generate"))
        )

    # ---- the training thread

    def _work(self, training, before):
        try:
            if before is not None:
                before.ended.wait()
            if training.stop.is_set():  # before it began
                training.status = STOPPED
            else:
                self._train(training)
        except BaseException as error:
            training.fail(error)
        try:
            self._show_end(training)
        except BaseException as error:  # a widget that cannot be written to; `wait` raises it
            training.fail(error)
        finally:
            training.ended.set()

    def _show_end(self, training):
        """Say how a run ended, and what is to know about it."""
        self.traceback.value = warning(training.problem) if training.problem else ""
        self.table.value = table_of(self.trainings) if self.trainings else ""
        if self.current is training:  # no later Train is waiting for this one to end
            status = say(training.status)
            self._tell(f"{status} · {_progress(training)}" if training.records else status)
            self._enable(training=False)

    def _train(self, training):
        self.trainings.append(training)
        self.plot.num_epochs = max([training.settings.epochs, *(len(t.records) for t in self.trainings)])
        self.plot.start(training.settings.label)
        self.traceback.value, self.bar.value = "", 0
        self.table.value = table_of(self.trainings)
        left, started, due, spent = TimeLeft(), time.monotonic(), 0.0, 0.0

        def progress(share, epoch, loss):
            nonlocal due
            if time.monotonic() >= due:
                self.bar.value = share
                self._tell(_now(epoch, utils.perplexity_of(loss)) + left.after(share))
                due = time.monotonic() + 0.1

        def record(each):
            nonlocal spent
            self.plot.add(each)
            began = time.monotonic()
            if spent <= 0.02 * (began - started):
                self._write_sample(training.model)
                spent += time.monotonic() - began

        training.run(self.corpus, progress, record)
        if training.status in (DONE, STOPPED) and training.records:
            self.model, self.model_settings, self.vocab = training.model, training.settings, self.corpus.vocab
        if training.status == DONE:
            self.bar.value = 1
            self._write_sample(training.model)
        self.plot.num_epochs = max([1, *(len(t.records) for t in self.trainings)])
        self.plot.draw(finished=True)
        picture = self._picture() if any(self.handles) else None
        for handle in filter(None, self.handles):  # what a stored page shows
            keep_picture(*picture, handle)

    def _write_sample(self, model):
        """Show what the model writes now."""
        self.sample.value = say("the model writes: ") + code(utils.generate(model, self.corpus.vocab, self.prefix, 40))

    def _tell(self, text):
        self.status.value = html.escape(text)


def _training_threads():
    """Return the threads that train, of all playgrounds."""
    return [thread for thread in threading.enumerate() if hasattr(thread, "training")]


def _now(epoch, perplexity):
    return say("epoch {epoch}: training {perplexity}", epoch=epoch, perplexity=utils.shorten(perplexity))


def _progress(training):
    last, scored = training.records[-1], training.last_scored
    held_out = say(", held-out {perplexity}", perplexity=utils.shorten(scored.held_out)) if scored else ""
    return _now(last.epoch, last.perplexity) + held_out
