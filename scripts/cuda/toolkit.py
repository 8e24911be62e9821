# SPDX-License-Identifier: MIT
"""Where nvcc and a disassembler are: the toolkit at hand, or packages of PyPI in environments outside of the repository."""
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import venv

ENVIRONMENTS = pathlib.Path(os.environ.get("MODELGROW_CUDA_TOOLS", pathlib.Path.home() / ".cache/modelgrow/cuda-tools"))
DISASSEMBLER = ["nvidia-cuda-cuobjdump==13.5.37", "nvidia-cuda-nvdisasm==13.5.37"]


class Failed(Exception):
    """A tool is missing or does not do its work; the message says which and what to do."""


@dataclasses.dataclass
class Toolkit:
    nvcc: pathlib.Path
    version: str  # 13.0

    def run(self, *arguments):
        """What nvcc and ptxas say. Throws when nvcc fails."""
        done = subprocess.run([self.nvcc, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{self.nvcc} {' '.join(map(str, arguments))} failed:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr


def toolkit_of(nvcc):
    try:
        said = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    except OSError as error:
        raise Failed(f"{nvcc} does not run ({error.strerror}); set CUDACXX to an nvcc") from error
    version = re.search(r"release (\d+\.\d+)", said)
    if not version:
        raise Failed(f"{nvcc} is no nvcc: it does not tell its release; set CUDACXX to one")
    return Toolkit(pathlib.Path(nvcc), version[1])


def at_hand():
    nvcc = os.environ.get("CUDACXX") or shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if not nvcc:
        raise Failed("no nvcc here; put it on PATH, or set CUDACXX to it")
    return toolkit_of(nvcc)


def install(environment, *requirements):
    """Installs just these packages and returns the folder of their bin, include and nvvm."""
    if not (environment / "bin/pip").exists():
        venv.create(environment, with_pip=True)
    pip = [environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--no-deps"]
    done = subprocess.run([*pip, *requirements], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"pip could not install {' '.join(requirements)} into {environment}: {done.stderr.strip()}")
    return next(environment.glob("lib/python*/site-packages/nvidia/cu*/bin")).parent


def packaged(environment, version=None, also=()):
    """nvcc of PyPI (the newest, or one), its nvvm, its headers and the packages `also` of one version: nvcc's own requirements
    would mix two compilers."""
    environment = ENVIRONMENTS / environment
    install(environment, f"nvidia-cuda-nvcc=={version}" if version else "nvidia-cuda-nvcc")
    version = re.search(r"nvcc-([\d.]+)[.]dist-info", str(next(environment.glob("lib/python*/site-packages/nvidia_cuda_nvcc-*"))))[1]
    major, minor = version.split(".")[:2]
    root = install(environment, *(f"{package}=={version}" for package in ("nvidia-nvvm", "nvidia-cuda-crt", *also)),
                   f"nvidia-cuda-runtime=={major}.{minor}.*", f"nvidia-cuda-cccl=={major}.*", "nvidia-cuda-cuobjdump", "nvidia-cuda-nvdisasm")
    headers = list((at_hand().nvcc.resolve().parent.parent / "include").glob("cublas*.h"))
    if not headers:
        raise Failed("the toolkit at hand has no cublas_v2.h; install its cuBLAS headers")
    for header in headers:  # these alone are hundreds of megabytes as a package
        (root / "include" / header.name).unlink(missing_ok=True)
        (root / "include" / header.name).symlink_to(header)
    return toolkit_of(root / "bin/nvcc")


def newest():
    return packaged("newest")


def disassembler(toolkit):
    """A function from a cubin to its disassembly, or None where there is no disassembler and none can be had."""
    beside = toolkit.nvcc.parent
    if not (beside / "cuobjdump").exists() or not (beside / "nvdisasm").exists():
        environment = ENVIRONMENTS / "disassembler"
        there = next(environment.glob("lib/python*/site-packages/nvidia/cu*/bin/nvdisasm"), None)
        try:
            beside = there.parent if there else install(environment, *DISASSEMBLER) / "bin"
        except Failed as reason:
            print(f"cubins are read without a disassembler: {reason}", file=sys.stderr)
            return None
    path = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}"}
    return lambda cubin: subprocess.run([beside / "cuobjdump", "-sass", cubin], env=path, capture_output=True, text=True,
                                        check=True).stdout
