"""A power loss: of what a killed node had written and not synced some sectors never reached its
disk. preload_cache.c keeps what lay there before; here it is put back."""
import os
import struct

HEAD = struct.Struct("<QQQQ")  # kind, inode, offset, bytes
WRITE, RANGE_SYNCED, FILE_SYNCED = 1, 2, 3
SECTOR = 512


def read_unsynced(path):
    """{inode: {sector: the bytes that the media may still hold}}"""
    files = {}
    with open(path, "rb") as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            kind, inode, offset, count = HEAD.unpack(head)
            sectors = files.setdefault(inode, {})
            places = range(offset // SECTOR, (offset + count) // SECTOR)
            if kind == WRITE:
                old = file.read(count)
                if len(old) < count:
                    break  # killed before it began to write
                for at, place in enumerate(places):
                    sectors.setdefault(place, old[at * SECTOR:(at + 1) * SECTOR])
            elif kind == RANGE_SYNCED:
                for place in places:
                    sectors.pop(place, None)
            else:
                sectors.clear()
    return files


def find_files(directory):
    return {os.stat(path).st_ino: path
            for path in (os.path.join(directory, name) for name in os.listdir(directory))}


def lose(control_path, directory, share, chance):
    """Puts old sectors back, each with this chance. Answers how many."""
    path = control_path + ".unsynced"
    if not os.path.exists(path):
        return 0
    found = find_files(directory)
    lost = 0
    for inode, sectors in read_unsynced(path).items():
        if not sectors or inode not in found:
            continue
        with open(found[inode], "r+b") as file:
            for place, old in sorted(sectors.items()):
                if chance.random() < share:
                    file.seek(place * SECTOR)
                    file.write(old)
                    lost += 1
            file.flush()
            os.fsync(file.fileno())
    os.unlink(path)
    return lost
