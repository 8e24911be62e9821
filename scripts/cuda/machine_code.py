# SPDX-License-Identifier: MIT
"""Reads what nvcc leaves: the parts of a fat binary, the kernels of a cubin (instructions of 128 bits, sm_70 and later) and of PTX."""
import ctypes
import ctypes.util
import re
import struct

PTX, CUBIN = 1, 2  # kinds of parts
COMPRESSED_BY_ZSTD = 0x8000
PROGRAM_BITS = 1  # the type of a section with contents

# The low 9 bits of an instruction; the 3 above them say where its operands come from. scripts/check-kernels compares what is
# counted by them with what a disassembler says.
OPCODES = {0x002: "MOV", 0x182: "LDC", 0x14D: "EXIT", 0x147: "BRA", 0x118: "NOP", 0x03C: "HMMA", 0x1F0: "HGMMA", 0x181: "LDG",
           0x1AE: "LDGSTS", 0x184: "LDS", 0x188: "STS", 0x18A: "ATOM", 0x1A2: "ATOM", 0x1A3: "ATOM", 0x1A8: "ATOM", 0x1A9: "ATOM",
           0x18C: "ATOM", 0x18D: "ATOM", 0x18E: "RED", 0x1A6: "RED"}
WIDTHS = {0: 8, 1: 8, 2: 16, 3: 16, 4: 32, 5: 64, 6: 128}  # of a load, by bits 73 to 75
NOTHING_DONE = {"MOV", "LDC", "EXIT", "BRA", "NOP"}  # a kernel of these alone sets up its stack and ends


class Unreadable(Exception):
    """The file is not what these functions read; the message says what was found and what to do."""


def unzstd(data, size):
    name = ctypes.util.find_library("zstd")
    if not name:
        raise Unreadable("its code is compressed and there is no libzstd; install it, or build with --compress-mode=none")
    library = ctypes.CDLL(name)
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    out = ctypes.create_string_buffer(size)
    if library.ZSTD_decompress(out, size, data, len(data)) != size:
        raise Unreadable(f"compressed code does not unpack to the {size} bytes it names; is the file cut?")
    return out.raw


def sections(elf):
    """Yields (name, contents) of a 64-bit ELF file."""
    if elf[:5] != b"\x7fELF\x02":
        raise Unreadable("not a 64-bit ELF file")
    table, = struct.unpack_from("<Q", elf, 0x28)
    entry, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + i * entry) for i in range(count)]
    for name_at, kind, _, _, offset, size in headers:
        start = headers[names][4] + name_at
        if kind == PROGRAM_BITS:
            yield elf[start:elf.index(b"\0", start)].decode(), elf[offset:offset + size]


def parts(program):
    """Yields (architecture, contents) for every PTX text (compute_90, str) and cubin (sm_90a, bytes) in a program or object."""
    fat_binary, part = struct.Struct("<IHHQ"), struct.Struct("<HHIQI20xQ8xQ")
    for name, data in sections(program):
        at = 0
        while name == ".nv_fatbin" and at < len(data):
            magic, _, header, size = fat_binary.unpack_from(data, at)
            if magic != 0xBA55ED50:  # zeros up to the next one
                at += 8
                continue
            at += header
            end = at + size
            while at < end:
                kind, _, header, size, packed, flags, unpacked = part.unpack_from(data, at)
                contents = data[at + header:at + header + (packed or size)]
                if packed and not flags & COMPRESSED_BY_ZSTD:
                    raise Unreadable("its code is compressed in an older form; build with --compress-mode=none or --no-compress")
                contents = unzstd(contents, unpacked) if packed else contents
                if kind == PTX:
                    text = contents.rstrip(b"\0").decode()
                    yield "compute_" + re.search(r"^\.target sm_(\w+)", text, re.M)[1], text
                elif kind == CUBIN:
                    yield re.search(rb"-arch (sm_\w+)", contents)[1].decode(), contents
                at += header + size


def kernels(contents):
    """The kernels of a part: their names and instructions, of PTX as text, of a cubin as numbers of 128 bits."""
    if isinstance(contents, str):
        entries = re.finditer(r"\.entry\s+(\w+)\s*(?:\([^)]*\))?[^{]*\{(.*?)^\}", contents, re.S | re.M)
        return {name: [line for line in re.split(r"[;\n]\s*", body) if re.match(r"(@!?%\w+ )?[a-z]", line)]
                for name, body in (entry.groups() for entry in entries)}
    return {name[6:]: [int.from_bytes(code[at:at + 16], "little") for at in range(0, len(code), 16)]
            for name, code in sections(contents) if name.startswith(".text.")}


def empty_kernels(contents):
    """Names of kernels that do nothing: their body stood behind a macro that this architecture does not set."""
    def does_nothing(instruction):
        if isinstance(instruction, str):
            return instruction == "ret"
        return OPCODES.get(instruction & 0x1FF) in NOTHING_DONE
    return [name for name, code in kernels(contents).items() if all(map(does_nothing, code))]
