"""damage.py: what a log file holds, and how to spoil it, for 70_damaged_disks.sh.

  damage.py slots FILE                  the last slot that any block of the file writes
  damage.py spoil FILE FIRST LAST       flips a byte in each block that writes only slots FIRST..LAST,
                                        but the last two blocks of the file; prints how many slots
  damage.py touch FILE FIRST LAST       the same in each block that writes any of these slots: none of
                                        them is sound any more but in the last two blocks
  damage.py pages FILE FROM COUNT       flips a byte in COUNT pages of 4 KiB from page FROM on
"""
import struct
import sys

PAGE = 4096


def blocks(data):
    """(offset, bytes, first slot, last slot) of each block; first 0: it writes none. Format:
    src/wal/block.c."""
    at = PAGE
    while at + PAGE <= len(data):
        if data[at : at + 8] != b"CNSBLOCK":  # not written yet, or spoiled there before
            at += PAGE
            continue
        body = struct.unpack_from("<I", data, at + 24)[0]
        first, _, length = struct.unpack_from("<QQQ", data, at + 128)
        yield at, 208 + body, first, length
        at += -(-(208 + body) // PAGE) * PAGE


def flip(file, offset, bits=0x10):
    file.seek(offset)
    byte = file.read(1)[0]
    file.seek(offset)
    file.write(bytes([byte ^ bits]))


def main():
    what, path = sys.argv[1], sys.argv[2]
    with open(path, "rb") as file:
        data = file.read(64 * 1024 * 1024)
    found = list(blocks(data))
    if what == "slots":
        print(max(length for _, _, _, length in found))
        return
    first, last = int(sys.argv[3]), int(sys.argv[4])
    with open(path, "r+b") as file:
        if what == "pages":
            for page in range(first, first + last):
                flip(file, page * PAGE + 77)
            return
        written = [(at, low, high) for at, _, low, high in found[:-2] if 0 < low]
        if what == "touch":
            chosen = [block for block in written if block[1] <= last and block[2] >= first]
        else:
            chosen = [block for block in written if block[1] >= first and block[2] <= last]
        for at, _, _ in chosen:
            flip(file, at + 213)
        print(sum(high - low + 1 for _, low, high in chosen))


if __name__ == "__main__":
    main()
