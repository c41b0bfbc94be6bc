import os, pathlib, subprocess, sys
os.environ.setdefault("BOOK_LANGUAGE", "{{language}}")
here = pathlib.Path.cwd()
root = next((p for p in (here, *here.parents) if (p / "book" / "live_plot.py").exists()), here / "deep-rnn-book")
if "google.colab" in sys.modules:
    if not root.exists():
        subprocess.check_call(["git", "clone", "--depth", "1", "{{repository}}", root])
    subprocess.check_call([sys.executable, *"-m pip install -q --no-deps {{pins}}".split()])
assert (root / "book").exists(), "open this lesson inside the course: no book/live_plot.py here or in a folder above"
sys.path.insert(0, str(root))
import utils
assert utils.__file__ == str(root / "utils.py"), "another utils.py is loaded: restart the kernel, run this cell first"
