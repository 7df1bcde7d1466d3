"""The control file of one node's preloaded libraries: control.h has the same fields."""
import errno
import mmap
import os
import struct

FORMAT = "<IIIIqQI28x"  # write errno, sync errno, short, delay us, clock ns, count, lying


class Control:
    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(struct.calcsize(FORMAT)))
        handle = os.open(path, os.O_RDWR)
        self.memory = mmap.mmap(handle, struct.calcsize(FORMAT))
        os.close(handle)

    def _set(self, offset, form, value):
        struct.pack_into("<" + form, self.memory, offset, value)

    def fail_writes(self, name):
        self._set(0, "I", getattr(errno, name))

    def fail_syncs(self, name):
        self._set(4, "I", getattr(errno, name))

    def cut_writes(self):
        self._set(8, "I", 1)

    def delay_syncs(self, seconds):
        self._set(12, "I", int(seconds * 1e6))

    def jump_clock(self, seconds):
        self._set(16, "q", int(seconds * 1e9))

    def lie(self):
        """Of every sync from now on; only self-tests of the driver do."""
        self._set(32, "I", 1)

    def heal_disk(self):
        for offset in (0, 4, 8, 12):
            self._set(offset, "I", 0)

    def struck(self):
        """How many calls met a fault since the last time it was asked."""
        count = struct.unpack_from("<Q", self.memory, 24)[0]
        self._set(24, "Q", 0)
        return count
