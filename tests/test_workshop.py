"""If this fails, the workshop calls an innocent model guilty, or a check that catches nothing a good one."""

import ast
import json
import re

import jupytext
import pytest

import utils
from tests.support.lesson_code import SOURCES, run_cells
from tests.support.stored import rows_of, stored
from utils import torch

NAME = "workshop"
CELLS = jupytext.read(SOURCES / f"{NAME}.py").cells
HINTS = {c.metadata["lang"]: c.source for c in CELLS if c.metadata.get("id") == "hints"}
CHECKS = re.findall(r"```python\n(.+?)\n```", HINTS["en"], re.DOTALL)  # six, and one for all


@pytest.fixture(scope="module")
def workshop():
    """The names of its cells but for the trainings; `check` is a list of the checks in the hints."""
    workshop = run_cells(NAME, "exhibits", "layer", "layer-call", "broken-layers", "hunt", "my-check")
    workshop.checks = []
    for code in CHECKS:
        exec(code, workshop.__dict__)
        workshop.checks.append(workshop.check)
    return workshop


def results(workshop, check):
    """What the hunt's table says of a check, by layer."""
    return dict(rows_of(workshop.hunt(check).data))


# ------------------------------------------------------------------------------------------------------- the hunt


def test_right_layer_is_torchs_on_padded_minibatches(workshop):
    """With its outputs, its last states and its gradients."""
    torch.manual_seed(0)
    ours, theirs = workshop.Right(), torch.nn.GRU(5, 4, bidirectional=True)
    ours.load_state_dict(theirs.state_dict())
    X, lengths = torch.randn(7, 3, 5), torch.tensor([4, 7, 1])
    packed = torch.nn.utils.rnn.pack_padded_sequence(X, lengths, enforce_sorted=False)
    output, h_n = theirs(packed)
    output, _ = torch.nn.utils.rnn.pad_packed_sequence(output)
    H, summary, state = ours(X, lengths)
    torch.testing.assert_close(H, output)
    torch.testing.assert_close(state, h_n)
    torch.testing.assert_close(summary, torch.cat([h_n[0], h_n[1]], dim=1))
    for loss in (H.square().sum(), output.square().sum()):
        loss.backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    for a, b in zip(ours(X), ours(X, torch.tensor([7, 7, 7])), strict=True):
        torch.testing.assert_close(a, b)


def test_right_layer_carries_the_forward_state_only(workshop):
    layer, X = workshop.Right(), torch.randn(9, 2, 5)
    whole, _, _ = layer(X)
    _, _, state = layer(X[:5])
    second, _, _ = layer(X[5:], state=state)
    torch.testing.assert_close(second, whole[5:])


def test_broken_layers_have_the_right_ones_shapes_and_parameters(workshop):
    X, lengths = torch.randn(7, 3, 5), torch.tensor([4, 7, 5])
    assert list(workshop.BROKEN) == list("ABCDEF")
    for make in workshop.BROKEN.values():
        layer = make()
        H, summary, state = layer(X, lengths, torch.zeros(2, 3, 4))
        assert H.shape == (7, 3, 8) and summary.shape == (3, 8) and state.shape == (2, 3, 4)
        assert layer.state_dict().keys() == torch.nn.GRU(5, 4, bidirectional=True).state_dict().keys()
        H.sum().backward()


def test_each_broken_layer_is_caught_by_its_check_and_the_right_one_passed_by_all(workshop):
    assert len(workshop.checks) == 7
    table = re.findall(r"^\| \*\*(\w)\*\* .*\| (?:check|检查) (\d) \|", HINTS["en"], re.MULTILINE)
    assert len(table) == 6 and {number for _, number in table} == set("123456")
    for check in workshop.checks:
        assert results(workshop, check)["the right one"] == "passed"
    for layer, number in table:
        assert results(workshop, workshop.checks[int(number) - 1])[layer] == "caught"
    assert set(results(workshop, workshop.checks[6]).values()) == {"passed", "caught"}
    assert list(results(workshop, workshop.checks[6]).values()).count("caught") == 6


@pytest.mark.parametrize("seed", range(5))
def test_checks_do_not_hang_on_the_random_numbers(workshop, seed, monkeypatch):
    manual_seed = torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda _: manual_seed(100 + seed))
    test_each_broken_layer_is_caught_by_its_check_and_the_right_one_passed_by_all(workshop)


def test_five_of_the_checks_need_no_twin(workshop):
    assert ["nn.GRU" in code for code in CHECKS] == [False] * 5 + [True] * 2


def test_hints_are_the_same_code_in_both_languages_but_for_comments():
    chinese = re.findall(r"```python\n(.+?)\n```", HINTS["zh"], re.DOTALL)
    assert [ast.unparse(ast.parse(code)) for code in chinese] == [ast.unparse(ast.parse(code)) for code in CHECKS]
    for comment in re.findall("# (.+)", "\n".join(chinese)):
        assert re.search("[\u4e00-\u9fff]", comment), comment
    rows = [re.findall(r"^\| \*\*(\w)\*\* .*(\d) \|", text, re.MULTILINE) for text in HINTS.values()]
    assert rows[0] == rows[1]
    for text in HINTS.values():
        assert text.count("<details>") == text.count("</details>") == 14


def test_the_first_check_of_the_page_catches_nothing(workshop):
    assert set(results(workshop, workshop.my_check).values()) == {"passed"}


def no_answer(layer):
    layer(torch.randn(3, 1, 5))


def asserts(layer):
    assert type(layer).__name__ == "Right"


def too_strict(layer):
    return False


def odd(layer):
    return torch.ones(3) @ torch.ones(4)


def many(layer):
    return torch.tensor([True, False])


@pytest.mark.parametrize(
    ("check", "right", "broken", "said"),
    [
        (no_answer, "passed", "passed", "never says anything"),
        (asserts, "passed", "caught", ""),
        (too_strict, "called wrong", "caught", "calls the right layer wrong"),
        (odd, "RuntimeError", "RuntimeError", "neither"),
        (many, "RuntimeError", "RuntimeError", "neither"),
        (lambda layer: torch.tensor(True), "passed", "passed", ""),
        (3, "TypeError", "TypeError", "neither"),
    ],
)
def test_odd_checks_get_a_clear_line(workshop, capsys, check, right, broken, said):
    found = results(workshop, check)
    assert list(found) == ["the right one", *"ABCDEF"]
    assert found.pop("the right one").startswith(right) and all(v.startswith(broken) for v in found.values())
    printed = capsys.readouterr().out
    assert said in printed and bool(said) == bool(printed)


# ----------------------------------------------------------------------------------------------------- the museum


@pytest.mark.parametrize(
    ("how", "leaks", "reach"),
    [
        ({"both": True}, True, 34),
        ({"scaled": "window"}, True, 34),
        ({"zeros": (2, 2)}, True, 4),
        ({"zeros": (4, 0)}, False, 0),
        ({"h": 128}, False, 0),
    ],
)
def test_audits_verdict_on_each_exhibit_even_untrained(workshop, how, leaks, reach):
    utils.seed_everything(0)
    report = utils.audit(workshop.Exhibit(**how), workshop.corpus.held_out[: 16 * 35].reshape(16, 35))
    assert report.leaks is leaks and (report.reach == reach if reach < 5 else 5 <= report.reach <= reach)


def test_the_twin_of_exhibit_2_does_not_leak(workshop):
    workshop.train = None  # only the class is wanted, and what is recorded
    run_cells(NAME, "scaled-starts", into=workshop)
    utils.seed_everything(0)
    windows = workshop.corpus.held_out[: 16 * 35].reshape(16, 35)
    assert not utils.audit(workshop.ScaledByThePast(), windows).leaks
    E = torch.nn.functional.one_hot(windows.T, workshop.q).float()[:5]
    expected = (E[4] - E.mean(dim=0)) / (E.std(dim=0, correction=0) + 0.1)
    kept, network = [], workshop.ScaledByThePast()
    network.rnn.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    network(windows, None)
    torch.testing.assert_close(kept[0][4], expected)


def test_stored_scores_are_what_authors_would_be_proud_of():
    one, two, three, four, five = (float(x) for x in rows_of(stored(NAME, "train-exhibits"))[0][1:])
    assert max(one, three, five) < 2 and 6 < two < 7.2 < four < 8.5


def test_stored_verdicts():
    page = stored(NAME, "verdicts")
    found = re.findall(r"It is: ([a-z :]+)\.", page)
    reads = "no: the network reads the answer"
    assert found == [reads, reads, reads, "yes", "no: and an audit cannot see why"]
    assert page.count("<details") == 5 == page.count("<img"), "folded, each with its picture"
    assert re.findall(r"up to (\d+) steps", page)[2] == "4", "the convolution's reach"


def test_stored_report_says_what_an_audit_cannot_find():
    text = stored(NAME, "report")
    assert text.startswith("No leak found") and "overlapping windows" in text.partition("Not found this way")[2]


def test_stored_controls():
    own, further = re.findall(r"(\d+)% known, perplexity ([\d.]+)", stored(NAME, "overlap"))
    assert int(own[0]) > 95 and int(further[0]) == 0 and float(own[1]) < 2 and float(further[1]) > 15
    run = json.loads((SOURCES.parents[1] / "assets" / "runs" / "workshop_scaled.json").read_text("utf-8"))
    assert run["about"]["origin"] == "recorded run" and len(run["rows"]) == 5
    window, past, prefix = zip(*run["rows"], strict=True)
    assert 0.7 < min(past) - max(window) and max(past) - min(window) < 1.3, "about 1 in perplexity"
    assert max(past) < min(prefix)
    text = stored(NAME, "scaled-starts")
    for column in (window, past, prefix):
        assert f"{min(column):.2f} to {max(column):.2f}" in text
    assert "scaled by the window before scaled by the past" in text


def test_exhibit_4_is_the_convolution_of_exhibit_3(workshop):
    sizes = [sum(p.numel() for p in workshop.Exhibit(zeros=z).parameters()) for z in ((2, 2), (4, 0))]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_exhibit_is_explained_before_it_is_judged(language):
    ids = [c.metadata["id"] for c in CELLS if c.metadata.get("lang") in (None, language)]
    assert ids.index("verdicts") < ids.index("explained")
    (text,) = (c.source for c in CELLS if c.metadata.get("id") == "explained" and c.metadata.get("lang") == language)
    assert re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL).strip() == "", "all of it is folded"
    assert text.count("<details>") == 5
