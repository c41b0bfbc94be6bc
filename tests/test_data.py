"""If this fails, a reader trains on another text than is said, or loses a good copy of one.

The corpus: D2L's cleaning, disjoint held-out text, checksums, and errors that say what to do.
"""

import hashlib
import http.server
import re
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch

import utils
from book import text
from utils import d2l

PORTAL = b"<html><title>Campus network</title>Please log in</html>"


BEGINNING = "the time machine by h g wellsithe time traveller for so it w"  # as D2L's edition


def test_the_text_begins_where_the_story_begins(corpus):
    assert spell(corpus, corpus.train)[:60] == BEGINNING and len(BEGINNING) == 60
    whole = "".join(d2l.read_time_machine())
    assert whole.startswith(BEGINNING) and whole.endswith("tendernessstill lived on in the heart of man")
    for heading in ("contentsi", "after the story", "introductionthe time", "gutenberg"):
        assert heading not in whole


def spell(corpus, ids):
    return "".join(corpus.vocab.to_tokens(ids.tolist()))


def test_embedded_text_is_cleaned_as_d2l_does(corpus):
    train_iter, vocab = d2l.load_data_time_machine(32, 35)
    assert corpus.train.tolist() == train_iter.corpus
    assert corpus.vocab.idx_to_token == vocab.idx_to_token
    assert sorted(vocab.idx_to_token) == sorted(["<unk>", " ", *"abcdefghijklmnopqrstuvwxyz"])


def test_the_three_parts_follow_each_other_and_never_overlap(corpus):
    whole, _ = d2l.load_corpus_time_machine(20_000)
    assert [len(part) for part in corpus[:3]] == [10_000, 5_000, 5_000]
    assert all(part.dtype == torch.int64 for part in corpus[:3])
    assert whole == torch.cat(corpus[:3]).tolist()
    windows = [{tuple(window) for window in part.unfold(0, 50, 1).tolist()} for part in corpus[:3]]
    assert not (windows[0] & windows[1] or windows[0] & windows[2] or windows[1] & windows[2])


def test_three_ways_to_the_text_give_the_same(monkeypatch, tmp_path):
    """d2l.read_time_machine, d2l.load_data_time_machine, and what D2L's chapter on text does: download, open, clean."""
    with open(d2l.download("time_machine"), encoding="ascii") as f:  # so that any system's default encoding will do
        lines = [re.sub("[^A-Za-z]+", " ", line).strip().lower() for line in f.readlines()]
    assert lines == d2l.read_time_machine()
    corpus, vocab = d2l.load_corpus_time_machine()
    assert "".join(vocab.to_tokens(corpus)) == "".join(lines)
    assert Path(d2l.download("time_machine", tmp_path / "new")).parent == tmp_path / "new"
    monkeypatch.setattr("os.access", lambda *_: False)  # a course that one may only read
    assert Path(d2l.download("time_machine")).read_text() == Path(d2l.download("time_machine", tmp_path)).read_text()


def test_changed_embedded_text_is_refused(monkeypatch):
    monkeypatch.setattr(text, "_EMBEDDED_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="SHA-256 5da5e87.* instead of 000.*install it again"):
        utils.load_corpus()


def test_own_text_in_any_script(tmp_path):
    file = tmp_path / "own.txt"
    file.write_text("\ufeff时间旅行者 说：Ça va, 123?\n" * 20, encoding="utf-8")
    own = utils.load_corpus(file, max_tokens=100, held_out_tokens=50)
    assert "".join(own.vocab.to_tokens(own.train[:13].tolist())) == "时间旅行者 说 ça va"


@pytest.mark.parametrize(
    "text, letters",
    [
        ("नदी के किनारे।", "नदी के किनारे"),  # Hindi: vowel signs stay with their consonant
        ("ภาษาไทย 123 ที่", "ภาษาไทย ที่"),  # Thai
        ("مَرْحَبًا، بك!", "مَرْحَبًا بك"),  # Arabic with its vowel marks
        ("שָׁלוֹם — עולם", "שָׁלוֹם עולם"),  # Hebrew
        ("می‌خواهم", "می‌خواهم"),  # Persian: a joiner within the word
        ("Tiê\u0301ng Viê\u0323t", "tiếng việt"),  # decomposed Vietnamese
        ("\u0301 e\u0301 7\u0301", "é"),  # a mark without a letter is none
        ("Ünï-Cödé 2", "ünï cödé"),
    ],
)
def test_letters_of_every_script_keep_their_marks(text, letters):
    found, encoding = utils.letters_of(text.encode("utf-8"))
    assert (unicodedata.normalize("NFC", found), encoding) == (unicodedata.normalize("NFC", letters), "UTF-8")


def test_gbk_is_recognised_and_named(tmp_path):
    text = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n" * 10
    assert utils.letters_of(text.encode("gbk")) == (utils.letters_of(text.encode())[0], "GBK")
    file = tmp_path / "poem.txt"
    file.write_bytes(text.encode("gbk"))
    own, same = (utils.load_corpus(s, max_tokens=100, held_out_tokens=50) for s in (file, text.encode("gbk")))
    assert own.train.equal(same.train) and "月" in own.vocab.token_to_idx and same.source == "text in GBK"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "= 60 letters and spaces, not 0"),
        (b"too short", "not 9"),
        (b"1234567890" * 50, "not 0"),
        ("naïve".encode("latin-1") * 50, "text in UTF-8 .*this is neither"),
        ("l'été à la mer, déjà ".encode("latin-1") * 50, "text in UTF-8 .*this is neither"),
        ("some text".encode("utf-16") * 50, "text"),
        (b"some\0text" * 50, "is this UTF-16"),
    ],
    ids=["empty", "short", "no letters", "latin-1", "latin-1 that could be GBK", "UTF-16", "NUL"],
)
def test_unusable_own_text(tmp_path, content, message):
    file = tmp_path / "own.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"source must be (.*){message}"):
        utils.load_corpus(file, max_tokens=40, held_out_tokens=20)


def test_missing_own_text(tmp_path):
    for source in (tmp_path / "nowhere.txt", tmp_path, "Embedded", "", None):
        with pytest.raises(ValueError, match='source must be "embedded", "d2l", a text.s bytes, or the path of a text'):
            utils.load_corpus(source)


@pytest.mark.parametrize("value", [0, -1, 1.5, "many", True])
def test_sizes_must_be_whole_numbers(value):
    with pytest.raises(ValueError, match=r"max_tokens must be a whole number of at least 1, got "):
        utils.load_corpus(max_tokens=value)
    for part in ("held_out_tokens", "test_tokens"):
        with pytest.raises(ValueError, match=f"{part} must be a whole number"):
            utils.load_corpus(**{part: value})


def test_numpy_sizes_do_not_overflow():
    assert len(utils.load_corpus(max_tokens=np.int16(30_000), held_out_tokens=np.int16(30_000)).held_out) == 30_000
    assert len(utils.load_corpus(max_tokens=np.uint8(200), held_out_tokens=np.uint8(200)).held_out) == 200


def test_the_test_part_of_an_own_text_is_what_is_left():
    for letters, left in ((150, 0), (170, 20), (9000, 5000)):
        own = utils.load_corpus(b"ab" * (letters // 2), max_tokens=100, held_out_tokens=50)
        assert len(own.held_out) == 50 and len(own.test) == left


# ---- D2L's own edition is fetched from a server; here from one on this machine


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server on this machine in place of D2L's; its `pages` decide what it answers, `register` what d2l expects."""
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = pages.get(self.path, (404, b"no such page"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{httpd.server_port}/timemachine.txt"

        def register(content):
            monkeypatch.setitem(d2l.DATA_HUB, "time_machine", (url, hashlib.sha1(content).hexdigest()))

        httpd.pages, httpd.register = pages, register
        monkeypatch.setattr(utils, "download", lambda name, original=utils.download: original(name, tmp_path / "data"))
        yield httpd
        httpd.shutdown()


def test_d2l_edition_is_fetched_once(server, tmp_path):
    text = b"The Time Traveller (for so it will be convenient to speak of him)\n" * 10
    server.register(text)
    server.pages["/timemachine.txt"] = (200, text)
    corpus = utils.load_corpus("d2l", max_tokens=300, held_out_tokens=100)
    assert "".join(corpus.vocab.to_tokens(corpus.train[:30].tolist())) == "the time traveller for so it w"
    server.pages.clear()
    assert torch.equal(utils.load_corpus("d2l", max_tokens=300, held_out_tokens=100).train, corpus.train)


def test_log_in_page_is_refused_and_nothing_saved(server, tmp_path):
    server.register(b"the book")
    server.pages["/timemachine.txt"] = (200, PORTAL)
    with pytest.raises(ValueError, match="SHA-1 .* instead of .*Campus network.*Nothing was saved.*Log in"):
        utils.load_corpus("d2l")
    assert not list(tmp_path.rglob("*.txt*"))


def test_bad_download_never_replaces_a_good_copy(server, tmp_path):
    good = tmp_path / "data" / "timemachine.txt"
    good.parent.mkdir()
    good.write_bytes(b"the book")
    server.register(b"the book, second edition")
    server.pages["/timemachine.txt"] = (200, PORTAL)
    with pytest.raises(ValueError, match="instead of"):
        utils.download("time_machine")
    assert good.read_bytes() == b"the book"
    server.register(b"the book")
    assert utils.download("time_machine") == str(good)


def test_an_interrupted_download_leaves_the_good_copy(server, tmp_path, monkeypatch):
    """The disk is full, or the power goes, in the middle of writing a newer edition."""
    good, new = tmp_path / "data" / "timemachine.txt", b"the book, second edition"
    good.parent.mkdir()
    good.write_bytes(b"the book")
    server.register(new)
    server.pages["/timemachine.txt"] = (200, new)

    def write_half(path, content):
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("no space left on device")

    with monkeypatch.context() as context:
        context.setattr(type(good), "write_bytes", write_half)
        with pytest.raises(OSError, match="no space left"):
            utils.download("time_machine")
    assert good.read_bytes() == b"the book"
    assert utils.download("time_machine") == str(good) and good.read_bytes() == new, "the next try mends it"


def test_http_error_and_unknown_name(server):
    server.register(b"the book")
    with pytest.raises(ConnectionError, match="404.*put the file at"):
        utils.download("time_machine")
    with pytest.raises(ValueError, match="name must be one of"):
        utils.download("no_such_file")


def test_d2l_uses_the_careful_download(server, tmp_path):
    """For everything but the book, which it has at hand."""
    server.pages["/timemachine.txt"] = (200, PORTAL)
    server.register(b"other data")
    d2l.DATA_HUB["other"] = d2l.DATA_HUB["time_machine"]
    try:
        with pytest.raises(ValueError, match="Nothing was saved"):
            d2l.download("other", tmp_path)
    finally:
        del d2l.DATA_HUB["other"]


def test_batches_partition_as_d2l(corpus, monkeypatch):
    """From the same offset, the minibatches are those of d2l.seq_data_iter_sequential."""
    monkeypatch.setattr("random.randint", lambda low, high: 7)
    theirs = list(d2l.seq_data_iter_sequential(corpus.train.tolist(), 32, 35))
    batches = utils.Batches(corpus.train)
    monkeypatch.setattr(batches.random, "randint", lambda low, high: 7)
    ours = list(batches)
    assert len(ours) == len(theirs) == len(batches)
    assert all(
        torch.equal(a, b) for pair, other in zip(ours, theirs, strict=True) for a, b in zip(pair, other, strict=True)
    )


@pytest.mark.parametrize("columns, windows", [(70, 2), (71, 2), (69, 1), (35, 1)])
def test_the_last_whole_window_of_a_text_is_used(columns, windows, monkeypatch):
    """The whole text is read once per epoch: what is left is shorter than a window."""
    batches = utils.Batches(torch.arange(4 * columns + 1).repeat(20)[: 4 * columns + 37], batch_size=4, num_steps=35)
    monkeypatch.setattr(batches.random, "randint", lambda low, high: 36)
    seen = list(batches)
    assert len(seen) == windows and all(X.shape == Y.shape == (4, 35) for X, Y in seen)


@pytest.mark.parametrize("as_ids", [list, torch.Tensor.numpy, lambda ids: ids.to(torch.int32)])
def test_batches_take_token_indices_in_any_form(corpus, as_ids):
    """A list such as d2l's train_iter.corpus, an array, narrower whole numbers; but nothing that is no index."""
    ours, theirs = (list(utils.Batches(ids, seed=1)) for ids in (corpus.train, as_ids(corpus.train)))
    assert all(torch.equal(a, b) for one, two in zip(ours, theirs, strict=True) for a, b in zip(one, two, strict=True))
    with pytest.raises(ValueError, match="ids must be whole numbers, the indices of tokens, got 'torch.float32"):
        utils.Batches(corpus.train.float())


def test_batches_repeat_with_their_seed_and_carry_on(corpus):
    first, second = (list(utils.Batches(corpus.train, seed=3)) for _ in range(2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    (X, Y), (X_next, _) = first[:2]
    assert torch.equal(X[:, 1:], Y[:, :-1]) and torch.equal(Y[:, -1], X_next[:, 0])


def test_batches_of_a_text_that_is_too_short():
    with pytest.raises(ValueError, match="ids must be at least 1,156 tokens for 32 x 35, got 1000"):
        utils.Batches(torch.zeros(1000, dtype=torch.long))
