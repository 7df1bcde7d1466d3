"""What goes wrong, by the seed: one fault at a time is made, kept and healed.

A fault is a function (nemesis) -> a sentence; it makes the fault, waits, heals it. Afterwards
every node must run and serve a fresh write within LIVE_SECONDS.
"""
import glob
import os
import random
import signal
import sys
import threading
import time

import power
from cluster import Failure

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from damage import blocks, flip  # noqa: E402

LIVE_SECONDS = 5.0
STALL_SECONDS = 0.25  # a thread that sleeps 50 ms and oversleeps this much: no machine for us
SYNC_SECONDS = 0.1  # of one page: what it takes longer, there was no disk for us
STATUS_SECONDS = 10
DISK_EXIT = 74
FULL_WRITES_MAX = 160  # of 1 MiB: more than a segment in use and two made ready


class Stalls:
    """How long this machine gave us no time at all, or no disk: no node can be blamed for that."""

    def __init__(self, directories):
        self.past = 0.0  # seconds
        self.counted_to = 0.0  # no moment counts twice, whoever was kept waiting then
        self.late_since = {}  # by who waits now: from when on that is a stall
        self.lock = threading.Lock()
        self.is_over = False
        self.threads = [threading.Thread(target=self._watch_processor, daemon=True)]
        self.threads += [threading.Thread(target=self._watch_disk, args=(directory,), daemon=True)
                         for directory in directories]

    def start(self):
        for thread in self.threads:
            thread.start()

    def total(self):
        """Seconds up to now, with what still lasts."""
        now = time.monotonic()
        with self.lock:
            lasting = [now - max(since, self.counted_to) for since in self.late_since.values()]
            return self.past + max(lasting + [0.0])

    def _add(self, since):
        now = time.monotonic()
        with self.lock:
            self.past += max(0.0, now - max(since, self.counted_to))
            self.counted_to = now

    def _watch_processor(self):
        while not self.is_over:
            due = time.monotonic() + 0.05
            time.sleep(0.05)
            if time.monotonic() - due > STALL_SECONDS:
                self._add(due)

    def _watch_disk(self, directory):
        handle = os.open(os.path.join(directory, "stalls"), os.O_RDWR | os.O_CREAT, 0o600)
        while not self.is_over:
            late = time.monotonic() + SYNC_SECONDS
            with self.lock:
                self.late_since[directory] = late
            os.pwrite(handle, bytes(4096), 0)  # the same page: it needs no room
            os.fdatasync(handle)
            if time.monotonic() > late:
                self._add(late)
            with self.lock:
                del self.late_since[directory]
            time.sleep(0.05)
        os.close(handle)


class Nemesis:
    def __init__(self, cluster, seed, say):
        self.cluster = cluster
        self.nodes = cluster.nodes
        self.seed = seed
        self.chance = random.Random(seed)
        self.say = say
        self.counts = {}
        self.kills = 0
        self.power_losses = 0
        self.sectors_lost = 0  # by them
        self.blocks_spoiled = 0
        self.slots_repaired = 0
        self.live_times = []
        self.stalls = Stalls([cluster.directory, cluster.disk.mount_point])
        self.stalls.start()
        self.left = []

    def one_step(self, deadline):
        """Every fault comes before any comes again."""
        if not self.left:
            self.left = list(FAULTS)
            self.chance.shuffle(self.left)
        fault = self.left.pop()
        name = fault.__name__.replace("_", "-")
        began = time.monotonic()
        sentence = fault(self)
        self.counts[name] = self.counts.get(name, 0) + 1
        live = self.wait_live()
        self.say(f"{name} {sentence}; {time.monotonic() - began - live:.1f} s; "
                 f"live again after {live:.2f} s")
        self.rest(min(self.chance.uniform(0.3, 1.5), max(0, deadline - time.monotonic())))

    def wait_live(self):
        """Until each node serves a fresh write; answers the seconds it took."""
        began = time.monotonic()
        stalled = self.stalls.total()
        waiting = list(self.nodes)
        code = 0
        while waiting:
            self.cluster.judge_alive()
            node = waiting[0]
            code, _ = node.ask("PUT", "/live?timeout=500ms", b"0|")
            if code in (200, 201):
                waiting.pop(0)
                continue
            took = time.monotonic() - began - (self.stalls.total() - stalled)
            if took > LIVE_SECONDS:
                raise Failure(f"n{node.index} serves no write {took:.1f} s after healing "
                              f"(its last answer: {code or 'none'})")
            time.sleep(0.02)
        took = time.monotonic() - began - (self.stalls.total() - stalled)
        self.live_times.append(took)
        return took

    def status_of(self, node):
        """Asked until it answers: one answer may come too late."""
        end = time.monotonic() + STATUS_SECONDS
        while time.monotonic() < end:
            self.cluster.judge_alive()
            status = node.status()
            if status:
                return status
        raise Failure(f"n{node.index} does not tell its status within {STATUS_SECONDS} s")

    def rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.cluster.judge_alive()
            time.sleep(min(0.1, max(0, end - time.monotonic())))

    def pick(self, count):
        return self.chance.sample(self.nodes, count)

    def one(self):
        """The leader, half of the time."""
        leader = self.cluster.leader() if self.chance.random() < 0.5 else None
        return leader or self.chance.choice(self.nodes)

    def majority(self):
        return self.pick(len(self.nodes) // 2 + 1)

    def kill(self, nodes):
        """Half of the times their machines lose power."""
        loses_power = self.chance.random() < 0.5
        for node in nodes:
            node.end(signal.SIGKILL)
            self.kills += 1
            if loses_power:
                self.lose_power(node)

    def lose_power(self, node, share=None):
        """Of a node that has ended: all that was not synced, nothing, or each with this chance."""
        share = self.chance.choice((0, 0.5, 1)) if share is None else share
        self.power_losses += 1
        self.sectors_lost += power.lose(node.control.path, node.data, share, self.chance)


def names(nodes):
    return " ".join(f"n{node.index}" for node in nodes)


# ---- processes -------------------------------------------------------------------------


def kill_and_restart(nemesis, nodes):
    nemesis.kill(nodes)
    nemesis.rest(nemesis.chance.choice((0, 0.2, 1.0, 2.5)))
    for node in nodes:
        node.start()
    return names(nodes)


def kill_one(nemesis):
    return kill_and_restart(nemesis, [nemesis.one()])


def kill_majority(nemesis):
    return kill_and_restart(nemesis, nemesis.majority())


def kill_all(nemesis):
    return kill_and_restart(nemesis, nemesis.nodes)


def kill_again_and_again(nemesis):
    """Also while it starts."""
    node = nemesis.one()
    for _ in range(nemesis.chance.randint(3, 5)):
        nemesis.kill([node])
        node.start()
        nemesis.rest(nemesis.chance.uniform(0.02, 0.6))
    return names([node])


def stop_gracefully(nemesis):
    node = nemesis.one()
    node.end(signal.SIGTERM)
    nemesis.rest(nemesis.chance.uniform(0, 1.5))
    node.start()
    return names([node])


def pause(nemesis, nodes):
    for node in nodes:
        node.pause()
    seconds = nemesis.chance.choice((0.1, 0.4, 1.0, 4.0))
    time.sleep(seconds)
    for node in nodes:
        node.resume()
    return f"{names(nodes)} for {seconds} s"


def pause_one(nemesis):
    return pause(nemesis, [nemesis.one()])


def pause_majority(nemesis):
    return pause(nemesis, nemesis.majority())


def pause_all(nemesis):
    return pause(nemesis, nemesis.nodes)


# ---- the network -----------------------------------------------------------------------


def cut_between(nemesis, left, right):
    for one in left:
        for other in right:
            nemesis.cluster.network.cut(one.index, other.index)
            nemesis.cluster.network.cut(other.index, one.index)


def keep_and_heal(nemesis):
    nemesis.rest(nemesis.chance.uniform(0.5, 5))
    nemesis.cluster.heal_network()


def cut_one_way(nemesis):
    one, other = nemesis.pick(2)
    nemesis.cluster.network.cut(one.index, other.index)
    keep_and_heal(nemesis)
    return f"from n{one.index} to n{other.index}"


def deafen_leader(nemesis):
    """It is heard, and hears nobody."""
    leader = nemesis.one()
    for other in nemesis.nodes:
        if other is not leader:
            nemesis.cluster.network.cut(other.index, leader.index)
    keep_and_heal(nemesis)
    return names([leader])


def cut_off_one(nemesis):
    one = nemesis.one()
    cut_between(nemesis, [one], [node for node in nemesis.nodes if node is not one])
    keep_and_heal(nemesis)
    return names([one])


def cut_in_two(nemesis):
    """No half need have the leader."""
    left = nemesis.majority()
    cut_between(nemesis, left, [node for node in nemesis.nodes if node not in left])
    keep_and_heal(nemesis)
    return f"{names(left)} from the rest"


def cut_chain(nemesis):
    """Each reaches only its neighbours."""
    order = nemesis.pick(len(nemesis.nodes))
    for at, node in enumerate(order):
        cut_between(nemesis, [node], order[at + 2:])
    keep_and_heal(nemesis)
    return names(order)


def cut_all(nemesis):
    for at, node in enumerate(nemesis.nodes):
        cut_between(nemesis, [node], nemesis.nodes[at + 1:])
    keep_and_heal(nemesis)
    return names(nemesis.nodes)


def flap(nemesis):
    one = nemesis.one()
    others = [node for node in nemesis.nodes if node is not one]
    for _ in range(nemesis.chance.randint(4, 10)):
        cut_between(nemesis, [one], others)
        nemesis.rest(nemesis.chance.uniform(0.05, 0.4))
        nemesis.cluster.heal_network()
        nemesis.rest(nemesis.chance.uniform(0.05, 0.3))
    return names([one])


# ---- the disk --------------------------------------------------------------------------


def fail_disk(nemesis, make, may_go_on):
    """One node's disk: the process must end with 74, or serve on where that is right."""
    node = nemesis.one()
    node.may_end_with.add(DISK_EXIT)
    make(node.control)
    end = time.monotonic() + nemesis.chance.uniform(1.5, 4)
    while node.is_running() and time.monotonic() < end:
        time.sleep(0.02)
    struck = node.control.struck()
    code = None
    if not node.is_running():
        code = node.reap()
        nemesis.lose_power(node)  # what could not be synced is not on the disk
    node.control.heal_disk()
    if code is None and struck and not may_go_on:
        raise Failure(f"n{node.index} met {struck} failures of its disk and runs on")
    if code is not None:
        node.start()
    else:
        # What it met just now may still end it.
        nemesis.rest(0.3)
        if node.process is None:
            node.start()
        node.may_end_with.discard(DISK_EXIT)
    return f"{names([node])} (struck {struck} times, exit code {code})"


def disk_fails(nemesis):
    return fail_disk(nemesis, lambda control: control.fail_writes("EIO"), False)


def disk_write_says_full(nemesis):
    # A log that finds no room for its next segment says 507 and goes on.
    return fail_disk(nemesis, lambda control: control.fail_writes("ENOSPC"), True)


def disk_cuts_writes_short(nemesis):
    return fail_disk(nemesis, lambda control: control.cut_writes(), True)


def disk_sync_fails(nemesis):
    return fail_disk(nemesis, lambda control: control.fail_syncs("EIO"), False)


def disk_slow(nemesis):
    nodes = nemesis.pick(nemesis.chance.randint(1, len(nemesis.nodes)))
    seconds = nemesis.chance.choice((0.005, 0.05, 0.2, 1.0))
    for node in nodes:
        node.control.delay_syncs(seconds)
    nemesis.rest(nemesis.chance.uniform(1, 4))
    for node in nodes:
        node.control.heal_disk()
        node.control.struck()
    return f"{names(nodes)} by {seconds * 1000:.0f} ms"


def file_system_full(nemesis):
    """n0's: to the last block, and writes that use up the segments it had made ready, until
    it says 507 or, now and then, whatever it says. It may end with 74. Then there is room."""
    node = nemesis.nodes[0]
    stops_at_507 = nemesis.chance.random() < 0.7
    node.may_end_with.add(DISK_EXIT)
    nemesis.cluster.disk.fill()
    told = set()
    for at in range(FULL_WRITES_MAX):
        other = nemesis.nodes[at % len(nemesis.nodes)]
        told.add(other.ask("PUT", "/big?timeout=1s", bytes(1 << 20), timeout=2)[0])
        if (507 in told and stops_at_507) or not node.is_running():
            break
    end = time.monotonic() + nemesis.chance.uniform(0.2, 2)
    while node.is_running() and time.monotonic() < end:
        time.sleep(0.05)
    nemesis.cluster.disk.free()
    code = None
    if not node.is_running():
        code = node.reap()
        node.start()
    else:
        node.may_end_with.discard(DISK_EXIT)
    return f"n0 (exit code {code}, {at + 1} MiB written, answers {sorted(told)})"


# ---- the clock -------------------------------------------------------------------------


def clock_jumps(nemesis):
    nodes = nemesis.pick(nemesis.chance.randint(1, len(nemesis.nodes)))
    jumps = [nemesis.chance.choice((-86400, -60, -1.5, 0.3, 7, 3600, 86400 * 400))
             for _ in range(nemesis.chance.randint(1, 4))]
    for seconds in jumps:
        for node in nodes:
            node.control.jump_clock(seconds)
        nemesis.rest(nemesis.chance.uniform(0.2, 1))
    if nemesis.chance.random() < 0.5:
        for node in nodes:
            node.control.jump_clock(0)
    return f"{names(nodes)} by {jumps}"


# ---- files -----------------------------------------------------------------------------


def edit_files(nemesis):
    """Flips bits in blocks of a segment of a node that is down; always the same node of a round,
    so that the others keep a sound copy of everything. Not in the last two, which may be torn."""
    node = nemesis.nodes[nemesis.seed % len(nemesis.nodes)]
    nemesis.kill([node])
    segments = sorted(glob.glob(os.path.join(node.data, "log-*")))
    segment = nemesis.chance.choice(segments)
    with open(segment, "r+b") as file:
        data = file.read()
        found = list(blocks(data))[:-2]
        spoiled = [(at, used) for at, used, first, last in found
                   if 0 < first <= last and at + used <= len(data)]
        spoiled = nemesis.chance.sample(spoiled, min(len(spoiled), nemesis.chance.randint(1, 4)))
        for at, used in spoiled:
            flip(file, at + nemesis.chance.randrange(used), 1 << nemesis.chance.randrange(8))
        file.flush()
        os.fsync(file.fileno())
    node.start()
    nemesis.wait_live()
    nemesis.blocks_spoiled += len(spoiled)
    nemesis.slots_repaired += nemesis.status_of(node).get("slots_repaired", 0)
    return f"{names([node])} {os.path.basename(segment)}, {len(spoiled)} blocks"


def several_at_once(nemesis):
    """A slow disk, a link that is cut one way and a pause, while another node is killed."""
    slow, killed, paused = nemesis.pick(3)
    sender, receiver = nemesis.pick(2)
    slow.control.delay_syncs(nemesis.chance.choice((0.02, 0.3)))
    nemesis.cluster.network.cut(sender.index, receiver.index)
    nemesis.rest(nemesis.chance.uniform(0, 1))
    nemesis.kill([killed])
    paused.pause()
    nemesis.rest(nemesis.chance.uniform(0, 1.5))
    killed.start()
    nemesis.rest(nemesis.chance.uniform(0, 1))
    paused.resume()
    slow.control.heal_disk()
    slow.control.struck()
    nemesis.cluster.heal_network()
    return f"slow n{slow.index}, killed n{killed.index}, paused n{paused.index}"


FAULTS = [
    kill_one, kill_majority, kill_all, kill_again_and_again, stop_gracefully,
    pause_one, pause_majority, pause_all,
    cut_one_way, deafen_leader, cut_off_one, cut_in_two, cut_chain, cut_all, flap,
    disk_fails, disk_write_says_full, disk_cuts_writes_short, disk_sync_fails, disk_slow,
    file_system_full, clock_jumps, several_at_once, edit_files,
]
