"""What tests and benchmarks share: lessons' code, their stored outputs, kernels, JupyterLab in a browser."""
