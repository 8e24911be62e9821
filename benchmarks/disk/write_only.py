# SPDX-License-Identifier: MIT
"""What the disk takes: a file of a given size, preallocated, written past the page cache in aligned windows, and synced; with
SOURCE while that file is read, past the page cache too.

    write_only.py FILE BYTES [THREADS [WINDOW_MB [SOURCE]]]

prints JSON: seconds, and whether the file system has direct writing. Every 4 kB differ from all others. Standard library only.
"""
from __future__ import annotations

import json
import mmap
import os
import random
import sys
import threading
import time
from array import array

PAGE = 4096


def open_for_writing(path: str) -> tuple[int, bool]:
    """A new file, and whether writing to it goes past the page cache."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
    try:
        return os.open(path, flags | os.O_DIRECT, 0o644), True
    except OSError:
        return os.open(path, flags, 0o644), False


def noise(size: int) -> mmap.mmap:
    """Random bytes in memory that is aligned to pages."""
    buffer = mmap.mmap(-1, size)
    buffer[:] = random.Random(0).randbytes(size)
    return buffer


def write_windows(file: int, size: int, buffer: mmap.mmap, offsets: range) -> None:
    """Writes the buffer at those offsets, its pages numbered; the last time so many as are left."""
    window = len(buffer)
    for offset in offsets:
        length = min(window, -(-(size - offset) // PAGE) * PAGE)
        words = memoryview(buffer)[:length].cast("Q")
        words[:: PAGE // 8] = memoryview(array("Q", range(offset, offset + length, PAGE)))
        view, done = words.cast("B"), 0
        while done < length:
            done += os.pwrite(file, view[done:], offset + done)


def read_windows(path: str, window: int, offsets: range) -> None:
    """Reads those windows of a file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError:
        file = os.open(path, os.O_RDONLY)
    buffer = mmap.mmap(-1, window)
    for offset in offsets:
        os.preadv(file, [buffer], offset)
    os.close(file)


def write(path: str, size: int, threads: int, window: int, source: str = "") -> dict:
    buffers = [noise(window) for _ in range(threads)]
    to_read = os.stat(source).st_size if source else 0
    begin = time.perf_counter()
    file, direct = open_for_writing(path)
    try:
        os.posix_fallocate(file, 0, max(size, 1))
        failed: list[OSError] = []

        def work(task, *args) -> None:
            try:
                task(*args)
            except OSError as e:
                failed.append(e)

        of = lambda i, bytes: range(i * window, bytes, threads * window)  # noqa: E731
        tasks = [(write_windows, file, size, buffers[i], of(i, size)) for i in range(threads)]
        tasks += [(read_windows, source, window, of(i, to_read)) for i in range(threads if source else 0)]
        workers = [threading.Thread(target=work, args=task) for task in tasks]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if failed:
            raise failed[0]
        os.ftruncate(file, size)
        os.fsync(file)
    finally:
        os.close(file)
    seconds = time.perf_counter() - begin
    return {"seconds": {"write": seconds}, "direct": direct, "threads": threads, "window_mb": window / 1e6}


if __name__ == "__main__":
    path, size, threads, window_mb, source = *sys.argv[1:6], *["2", "8", ""][max(0, len(sys.argv) - 3) :]
    print(json.dumps(write(path, int(size), int(threads), int(window_mb) << 20, source)))
