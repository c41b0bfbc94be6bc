"""What a reader sees of the playground: its controls, its outputs, where they stand, and how messages and runs look.

What the controls do is in playground.py. It fits a laptop's window: one row of controls, one line for messages.
"""

import html
import statistics

import ipywidgets as W

import utils
from book.settings import CELLS, RANGES, Settings, label
from book.words import say
from utils import RECIPES

TYPED = ("lr", "epochs", "seed")  # settings that are typed as text, and refused as typed


class Panel:
    """The playground's widgets. bidirectional: offer that switch."""

    def __init__(self, bidirectional):
        self.offers_bidirectional = bidirectional
        self._build_controls()
        self._build_outputs()
        self._lay_out()

    def _build_controls(self):
        d, shown = Settings(), {"style": {"description_width": "initial"}}
        recipes = [(say(recipe.label), name) for name, recipe in RECIPES.items()]

        def slider(name, width):
            low, high, step = RANGES[name]
            options = {"min": low, "max": high, "step": step, "layout": {"width": width}}
            return W.IntSlider(getattr(d, name), description=label(name), **options, **shown)

        def typed(name, width):
            options = {"continuous_update": False, "layout": {"width": width}}
            return W.Text(str(getattr(d, name)), description=label(name), **options, **shown)

        def choice(name, options, width):
            layout = {"width": width}
            return W.Dropdown(options=options, value=getattr(d, name), description=label(name), layout=layout, **shown)

        self.controls = {
            "layers": slider("layers", "205px"),
            "hidden_units": slider("hidden_units", "285px"),
            "cell": choice("cell", list(CELLS), "112px"),
            "recipe": choice("recipe", recipes, "170px"),
            "lr": typed("lr", "160px"),
            "epochs": typed("epochs", "115px"),
            "seed": typed("seed", "85px"),
            "bidirectional": W.Checkbox(
                d.bidirectional, description=label("bidirectional"), indent=False, layout={"width": "110px"}
            ),
        }
        self.defaults = {name: control.value for name, control in self.controls.items()}
        wide = {"continuous_update": False, "layout": {"width": "auto", "flex": "1 1 420px"}}
        self.settings_text = W.Text(description=label("settings"), **wide, **shown)
        self.prefix_text = W.Text(description=label("prefix"), layout={"width": "250px"}, **shown)
        width = {"width": "260px"}
        self.temperature = W.FloatSlider(
            0, min=0, max=2, step=0.1, description=label("temperature"), layout=width, **shown
        )
        buttons = [W.Button(description=label(n), layout={"width": "84px"}) for n in ("train", "stop", "reset")]
        self.train_button, self.stop_button, self.reset_button = buttons
        self.train_button.button_style = "primary"
        self.generate_button = W.Button(description=label("generate"), layout={"width": "96px"})
        self.text_file = W.FileUpload(description=label("text_file"), accept=".txt", layout={"width": "150px"})
        self.text_typed = W.Textarea(
            placeholder=label("text_typed"), continuous_update=False, layout={"width": "auto", "flex": "1 1 300px"}
        )
        self.text_typed.layout.height = "56px"
        self.text_back = W.Button(description=label("text_back"), layout={"width": "150px"})
        self.save_button = W.Button(description=label("save"), disabled=True, layout={"width": "120px"})
        self.model_file = W.FileUpload(description=label("model_file"), accept=".pt", layout={"width": "150px"})

    def _build_outputs(self):
        line = {"min_height": "20px", "margin": "0 2px"}  # a message moves nothing when it appears
        self.message, self.sample, self.generated, self.text_name = (W.HTML(layout=line) for _ in range(4))
        self.bar = W.FloatProgress(0, min=0, max=1, layout={"width": "130px"})
        self.status = W.HTML(layout={"margin": "0 8px", "flex": "1 1 280px"})
        self.figure = W.Box(layout={"width": "100%", "min_height": f"{utils.LivePlot.LOW + 54}px"})
        self.table, self.traceback = W.HTML(layout={"margin": "0 2px"}), W.HTML(layout={"margin": "0 2px"})

    def _lay_out(self):
        def row(*widgets):
            return W.HBox(widgets, layout={"flex_flow": "row wrap", "align_items": "center", "overflow": "visible"})

        names = [n for n in self.controls if n != "bidirectional" or self.offers_bidirectional]
        files = row(self.text_back, self.save_button, self.model_file)
        own = W.Accordion([W.VBox([row(self.text_file, self.text_typed), files])])
        own.set_title(0, label("own"))
        own.selected_index = None
        rows = [
            row(*(self.controls[name] for name in names)),
            row(self.train_button, self.stop_button, self.reset_button, self.bar, self.status),
            *(self.message, self.figure, self.sample, self.traceback, self.table),
            row(self.prefix_text, self.temperature, self.generate_button),
            *(self.generated, row(self.settings_text), self.text_name, own),
        ]
        self.box = W.VBox(rows)
        for name in ("book-playground", "book-live"):
            self.box.add_class(name)


def warning(error):
    """Return an error or a text as HTML that is read out at once."""
    style = "white-space: pre-wrap; line-height: 1.3; color: var(--jp-error-color1, #b00020)"
    return f'<div role="alert" style="{style}">⚠ {html.escape(str(error))}</div>'


def note(text):
    """Return a text as HTML that is read out when it suits."""
    return f'<div role="status" style="line-height: 1.3">{html.escape(text)}</div>'


def taken(upload):
    """Return the bytes and the name of the file that was picked, and empty the FileUpload: it may be picked again."""
    old = isinstance(upload.value, dict)  # ipywidgets 7
    file = list(upload.value.values() if old else upload.value)[-1]
    if old:
        upload.set_trait("value", {})
    else:
        upload.value = ()
    return bytes(file["content"]), file["name"] if "name" in file else file["metadata"]["name"]


def code(text):
    """Return what a model has written as HTML."""
    return f'<code style="white-space: pre-wrap">{html.escape(text)}</code>'


def table_of(trainings):
    """Return the table of runs as HTML, one row per run; the numbers in the first column are those on the curves."""
    head = ["#", say("network"), say("recipe"), say("seed"), say("parameters"), say("epochs"), say("training")]
    head += [say("held-out"), say("best held-out (epoch)"), say("tokens/s"), say("status")]
    rows = []
    for number, t in enumerate(trainings, start=1):
        row = [number, t.settings.label, f"{say(t.settings.recipe)} {t.settings.lr:g}", t.settings.seed]
        row += [f"{sum(p.numel() for p in t.model.parameters()):,}", f"{len(t.records)} ({t.seconds:.1f} s)"]
        if t.last_scored:
            last, best = t.records[-1], utils.best(t.records)
            row += [utils.shorten(last.perplexity), utils.shorten(t.last_scored.held_out)]
            row += [f"{utils.shorten(best.held_out)} ({best.epoch})"]
            row += [f"{statistics.median(r.tokens_per_sec for r in t.records):,.0f}"]
        else:
            row += ["", "", "", ""]
        rows.append([*row, say(t.status)])
    narrow = ".book-playground .book-table :is(th, td) { padding: 0 2px; font-size: 11px }"  # it fits a laptop's window
    narrow += ".book-playground .book-table th { white-space: normal; vertical-align: bottom }"
    runs = f"<style>{narrow}</style>{utils.table(head, rows).data}"
    return f'<div style="overflow-x: auto" tabindex="0" role="region" aria-label="{say("runs")}">{runs}</div>'
