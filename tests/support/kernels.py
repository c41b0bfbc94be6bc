"""Notebooks run as JupyterLab runs them, each in a kernel of its own, cut off from the network if the system can."""

import os
import shutil
import subprocess
import sys

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from traitlets import List

WITHOUT_NETWORK = ["unshare", "--map-root-user", "--net"]


class OneKernel(KernelSpecManager):
    """Knows one kernel, whatever its name: ipykernel, started by a command."""

    argv = List()

    def get_kernel_spec(self, kernel_name):
        return KernelSpec(argv=[*self.argv, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python")


def can_cut_off():
    """Whether this system can run a command without a network (Linux, if it lets its users)."""
    if not shutil.which(WITHOUT_NETWORK[0]):
        return False
    return subprocess.run([*WITHOUT_NETWORK, "true"], capture_output=True).returncode == 0


def run_in_kernel(notebook, folder, sockets, argv=(sys.executable,), cut_off=True, **env):
    """Run a notebook in a folder, every training cut short (FAST=1), and return it with its outputs.

    sockets: an empty folder for what the kernel is talked to through, None for TCP, which only a kernel with a network
    has; argv: the kernel's Python; cut_off: without a network; env: what is added to the environment.
    """
    command = [*(WITHOUT_NETWORK if cut_off else []), *map(str, argv)]
    options = {"transport": "ipc", "ip": str(sockets / "ipc")} if sockets else {}
    manager = AsyncKernelManager(kernel_spec_manager=OneKernel(argv=command), **options)
    client = NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, "FAST": "1", **env})
    return notebook
