# SPDX-License-Identifier: MIT
"""What ptxas says of every kernel, what its instructions are and how many blocks of it a multiprocessor holds."""
import collections
import re
import subprocess

import machine_code
from toolkit import Failed

COLUMNS = ["kernel", "architecture", "registers", "spill_bytes", "shared_bytes", "blocks_per_sm", "instructions", "HMMA", "HGMMA",
           "LDG.128", "LDG.64", "LDG.32", "LDG.16", "LDG.8", "LDGSTS", "LDS", "STS", "ATOM_RED"]
FLAGS = ["-std=c++20", "-O3", "-DNDEBUG", "-diag-suppress=1675", "-I", "include"]  # as modelgrow::cuda in a Release build
SHARED_OF_SM = {"sm_80": 164 << 10, "sm_90a": 228 << 10}
RESERVED_OF_BLOCK = 1 << 10


def counted(instructions):
    """How often each column occurs in pairs of an instruction and its width."""
    count = collections.Counter()
    for name, width in instructions:
        if name == "NOP":  # they fill up the last line
            continue
        if name.startswith("ATOM") or name in ("RED", "REDG"):
            name = "ATOM_RED"
        elif name == "LDG":
            name = f"LDG.{width}"
        count.update(["instructions", name] if name in COLUMNS else ["instructions"])
    return count


def counts_from_cubin(cubin):
    return {kernel: counted((machine_code.OPCODES.get(code & 0x1FF, ""), machine_code.WIDTHS.get(code >> 73 & 7)) for code in codes)
            for kernel, codes in machine_code.kernels(cubin).items()}


def counts_from_disassembly(text):
    """The same from what cuobjdump -sass prints."""
    instruction = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*)([A-Z0-9_.]*)")

    def width(modifiers):
        return int((re.search(r"[.][US]?(8|16|64|128)\b", modifiers) or [0, 32])[1])
    return {name: counted((base, width(modifiers)) for base, modifiers in instruction.findall(body))
            for name, body in re.findall(r"Function : (\S+)\n(.*?)(?=\n\s*Function : |\Z)", text, re.S)}


def resources(notes):
    """kernel -> registers, spilled bytes and static shared memory, from the notes of ptxas -v."""
    found = {}
    for kernel, body in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry function|\Z)", notes, re.S):
        spilled = sum(map(int, re.findall(r"(\d+) bytes spill", body)))
        shared = re.search(r"(\d+) bytes smem", body)
        found[kernel] = int(re.search(r"Used (\d+) registers", body)[1]), spilled, int(shared[1]) if shared else 0
    return found


def types(kernels):
    """kernel -> the type in C++ whose call operator it is."""
    names = subprocess.run(["c++filt"], input="\n".join(kernels), capture_output=True, text=True, check=True).stdout.split("\n")
    found = {}
    for kernel, name in zip(kernels, names):
        launched = re.fullmatch(r"void modelgrow::v0::kernels::run<(.*)>\(.*\)", name)
        if not launched:
            raise Failed(f"{name} is not launched by kernels::launch, so that its threads and shared memory are not known")
        found[kernel] = launched[1].strip()
    return found


def launch_sizes(toolkit, kernel_types, scratch):
    """type -> threads of a block and its dynamic shared memory, which only the host knows."""
    source = scratch / "launch_sizes.cu"
    source.write_text("#include <modelgrow/backend/cuda.cuh>\n#include <cstdio>\n"
                      "template <class K> void say() {\n"
                      "  using Shared = typename K::Shared;\n"
                      '  std::printf("%d %zu\\n", K::threads, std::is_empty_v<Shared> ? 0 : sizeof(Shared));\n}\n'
                      "int main() {\n" + "".join(f"  say<{kernel}>();\n" for kernel in kernel_types) + "}\n")
    toolkit.run(*FLAGS, "-arch=sm_80", "-o", scratch / "launch_sizes", source)
    lines = subprocess.run([scratch / "launch_sizes"], capture_output=True, text=True, check=True).stdout.split("\n")
    return {kernel: tuple(map(int, line.split())) for kernel, line in zip(kernel_types, lines)}


def blocks_per_sm(architecture, threads, registers, shared):
    """Of 64 warps, 32 blocks, shared memory, and 65,536 registers that four parts give to their warps by 256."""
    warps = -(-threads // 32)
    warps_by_registers = 4 * (16384 // (-(-registers * 32 // 256) * 256))
    by_shared = SHARED_OF_SM[architecture] // (-(-shared // 128) * 128 + RESERVED_OF_BLOCK)
    return min(32, 64 // warps, warps_by_registers // warps, by_shared)


def compiled(toolkit, source, architecture, disassemble, scratch):
    """kernel -> resources, kernel -> counts, and what no kernel may be."""
    cubin = scratch / "kernels.cubin"
    virtual = architecture.replace("sm_", "compute_")
    notes = toolkit.run(*FLAGS, f"-gencode=arch={virtual},code={architecture}", "-Xptxas=-v", "-cubin", "-o", cubin, source)
    contents = cubin.read_bytes()
    faults = [f"{architecture}: {line}" for line in notes.split("\n") if re.search(r"\bC75\d\d\b", line)]
    faults += [f"{architecture}: kernel {kernel} is empty" for kernel in machine_code.empty_kernels(contents)]
    counts = counts_from_cubin(contents)
    if disassemble:
        disassembled = counts_from_disassembly(disassemble(cubin))
        faults += [f"{architecture}: {kernel}: the reader of cubins counts {dict(count)}, the disassembler "
                   f"{dict(disassembled.get(kernel, {}))}; correct OPCODES in scripts/cuda/machine_code.py"
                   for kernel, count in counts.items() if count != disassembled.get(kernel)]
        counts = disassembled
    return resources(notes), counts, faults


def row(architecture, kernel_type, resources_of_it, size, count):
    """The line of the table for a kernel."""
    registers, spilled, static = resources_of_it
    threads, dynamic = size
    return {"kernel": re.sub(r"modelgrow::v0::(kernels::)?", "", kernel_type).replace(" >", ">"), "architecture": architecture,
            "registers": registers, "spill_bytes": spilled, "shared_bytes": static + dynamic,
            "blocks_per_sm": blocks_per_sm(architecture, threads, registers, static + dynamic),
            **{name: count[name] for name in COLUMNS[6:]}}
