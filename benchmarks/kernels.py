"""Real Jupyter kernels to measure in, as many at once as a class has students."""

import ast
import contextlib
import os
from pathlib import Path

from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[1]


class Kernel:
    """A running kernel that knows the course; it inherits nothing of the threads that this process uses."""

    def __init__(self):
        env = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(ROOT), env=env)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(60)

    def run(self, code, result="None"):
        """Run code, wait for its end, and return the value of an expression (a number, a list, ...) after it."""
        return self.value_of(self.begin(code, result))

    def begin(self, code, result="None"):
        """As `run`, without waiting; hand what it returns to `value_of`."""
        return self.client.execute(code, user_expressions={"result": result})

    def value_of(self, request):
        """Wait for the answer to `begin`; raises RuntimeError with the kernel's traceback if the code failed."""
        while (reply := self.client.get_shell_msg(timeout=600))["parent_header"].get("msg_id") != request:
            pass
        content = reply["content"]
        answer = content.get("user_expressions", {}).get("result", content)
        if answer["status"] != "ok":
            raise RuntimeError("\n".join(answer["traceback"]))
        return ast.literal_eval(answer["data"]["text/plain"])

    def click(self, model_id):
        """Press a widget's button, with the message that a browser sends."""
        content = {"comm_id": model_id, "data": {"method": "custom", "content": {"event": "click"}}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))


@contextlib.contextmanager
def kernels(count):
    """Start so many kernels, shut them down after the block."""
    started = []
    try:
        for _ in range(count):
            started.append(Kernel())
        yield started
    finally:
        for kernel in started:
            kernel.client.stop_channels()
            kernel.manager.shutdown_kernel(now=True)
