#!/usr/bin/env python3
"""chaos.py --minutes M --seed S: real processes, real faults, histories checked.

The time is divided into rounds of two minutes at most. Each has a seed of its own (S, S+1, ...),
a new cluster of three or five nodes, clients that write a history, and a nemesis (nemesis.py).
At the end of a round everything is healed and read once more, the nodes are stopped, and the
history goes to build/release/lincheck.

A check that fails prints the line that replays its round and keeps the round's files. The last
line is `N passed, N failed`. Needs root: namespaces and loop mounts; without them it fails.
"""
import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cluster as clusters  # noqa: E402
from clients import Workload  # noqa: E402
from cluster import Cluster, Failure  # noqa: E402
from nemesis import Nemesis  # noqa: E402

WORK = os.path.abspath("build/chaos")
ROUND_SECONDS = 120
CLIENTS = 10
FORM_SECONDS = 20
FILES_MAX = 110  # 45 of an idle node, one for each of 32 HTTP threads, connections
MEMORY_GROWTH_MAX_MIB = 160  # the state, the ring and windows of large values, queues to peers
NO_PROGRESS_LEAST = 100  # acknowledged writes a minute below which a round tests nothing


class Round:
    def __init__(self, seed, seconds):
        self.seed = seed
        self.seconds = seconds
        self.directory = os.path.join(WORK, f"seed-{seed}")
        self.cluster = Cluster(self.directory, 3 if seed % 2 else 5,
                               os.path.abspath(os.environ.get("CONSENS",
                                                              "build/release/consens")),
                               os.path.abspath("build/release/chaos-preload.so"))
        self.nemesis = None
        self.workload = None
        self.began = time.monotonic()
        self.passed = []
        self.failed = []

    def say(self, text):
        print(f"seed {self.seed} {time.monotonic() - self.began:6.1f} s: {text}", flush=True)

    def check(self, what, problem):
        """One promise: `problem` says how it was broken, or is empty."""
        if problem:
            self.failed.append(f"{what}: {problem}")
            self.say(f"FAIL {what}: {problem}")
        else:
            self.passed.append(what)

    def run(self):
        try:
            self.cluster.make()
            self.cluster.network.enter_as_client()
            self._run_cluster()
        except Failure as failure:
            self.check("the round", str(failure))
        finally:
            if self.workload is not None:
                self.workload.is_over.set()
            if self.nemesis is not None:
                self.nemesis.stalls.is_over = True
            self.cluster.remove()

    def _run_cluster(self):
        nodes = self.cluster.nodes
        for node in nodes:
            node.start()
        self.nemesis = Nemesis(self.cluster, self.seed, self.say)
        self._form()
        addresses = [self.cluster.network.address(node.index) for node in nodes]
        self.workload = Workload(addresses, clusters.HTTP_PORT, self.seed, CLIENTS,
                                 os.path.join(self.directory, "history"))
        self.workload.start()
        self.nemesis.rest(2)
        usage = Usage(nodes)
        self.check("each node serves a write within 5 s of each healing, and only those die "
                   "that were killed or given a failing disk", self._strike(usage))
        self.workload.stop()
        self.say(f"at most {usage.most_files} open files, {usage.most_growth} MiB more memory "
                 "than at a start")
        self.check("open files and memory stay bounded", usage.problem)
        self._end()

    def _strike(self, usage):
        """Fault after fault; the problem that ended it early, or nothing. Whatever it was, what
        clients were told is judged afterwards."""
        deadline = self.began + self.seconds * 0.85
        try:
            while time.monotonic() < deadline:
                self.nemesis.one_step(deadline)
                usage.look()
                if self.workload.problem:
                    raise Failure(self.workload.problem)
        except Failure as failure:
            self.cluster.mend()
            return str(failure)
        return ""

    def _form(self):
        deadline = time.monotonic() + FORM_SECONDS
        while time.monotonic() < deadline:
            self.cluster.judge_alive()
            if all(node.ask("GET", "/-/ready")[0] == 200 for node in self.cluster.nodes):
                return
            time.sleep(0.1)
        raise Failure(f"the cluster is not ready after {FORM_SECONDS} s")

    def _end(self):
        missing = self.workload.read_everything()
        self.check("every acknowledged write is there",
                   f"{len(missing)} are not: {missing[0]}" if missing else "")
        acknowledged = sum(count for (_, word), count in self.workload.statuses.items()
                           if word in ("created", "updated", "deleted"))
        least = NO_PROGRESS_LEAST * self.seconds / 60
        self.check("enough was acknowledged to mean something",
                   f"{acknowledged} writes" if acknowledged < least else "")
        self.check("all nodes hold the same", self._compare_states())
        if self.nemesis.blocks_spoiled > 0:
            self.check("what was spoiled on a disk was repaired",
                       "" if self.nemesis.slots_repaired else
                       f"of {self.nemesis.blocks_spoiled} blocks no slot")
        self._stop_all()
        self._check_history()

    def _compare_states(self):
        told = []
        for _ in range(50):
            told = [node.status() for node in self.cluster.nodes]
            states = {(one.get("revision"), one.get("state_digest")) for one in told}
            if len(states) == 1 and None not in next(iter(states)):
                return ""
            time.sleep(0.1)
        return " ".join(f"{one.get('revision')}:{one.get('state_digest')}" for one in told)

    def _stop_all(self):
        try:
            for node in self.cluster.nodes:
                node.end(signal.SIGTERM)
            self.check("each node ends with 0 on SIGTERM", "")
        except Failure as failure:
            self.check("each node ends with 0 on SIGTERM", str(failure))

    def _check_history(self):
        done = subprocess.run([os.path.abspath("build/release/lincheck"),
                               os.path.join(self.directory, "history")],
                              capture_output=True, text=True, check=False)
        with open(os.path.join(self.directory, "lincheck.out"), "w",
                  encoding="utf-8") as file:
            file.write(done.stdout + done.stderr)
        for line in (done.stdout + done.stderr).splitlines()[:40]:
            self.say(line)
        self.check("the history is linearizable",
                   f"lincheck exit code {done.returncode}" if done.returncode else "")


class RoundOfLiars(Round):
    """Disks that say synced and are not, and a power loss of all: acknowledged writes are gone, and
    that must be found. Who tests this test?"""

    def _strike(self, usage):
        self.nemesis.rest(2)
        for node in self.cluster.nodes:
            node.control.lie()
        self.nemesis.rest(4)
        try:
            for node in self.cluster.nodes:
                node.end(signal.SIGKILL)
            for node in self.cluster.nodes:  # all, or who is left would tell of what is lost
                self.nemesis.lose_power(node, share=1)
                node.start()
            self.nemesis.wait_live()
        except Failure as failure:
            return str(failure)
        return ""

    def judge(self):
        """The other way round: what must be found was. What else broke is no wonder."""
        wanted = ("every acknowledged write is there", "the history is linearizable")
        found = {line.split(":")[0] for line in self.failed}
        self.passed, self.failed = [], []
        for what in wanted:
            self.check(f"disks that lie are found out: {what}",
                       "" if what in found else "it was not")


class Usage:
    """Open files of each process, and its memory compared with the first look at it."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.problem = ""
        self.most_files = 0
        self.most_growth = 0
        self.look()

    def look(self):
        for node in self.nodes:
            if not node.is_running():
                continue
            files, memory = node.usage()
            if node.baseline is None:
                node.baseline = memory
            self.most_files = max(self.most_files, files)
            self.most_growth = max(self.most_growth, memory - node.baseline)
            if files > FILES_MAX or memory - node.baseline > MEMORY_GROWTH_MAX_MIB:
                self.problem = (f"n{node.index} has {files} open files and {memory} MiB, "
                                f"{memory - node.baseline} more than when it began")


def add_up(total, counts):
    for name, count in counts.items():
        total[name] = total.get(name, 0) + count


def print_summary(rounds):
    faults, answers = {}, {}
    for one in rounds:
        if one.nemesis is not None:
            add_up(faults, one.nemesis.counts)
        if one.workload is not None:
            add_up(answers, {f"{kind} {word}": count for (kind, word), count
                             in one.workload.statuses.items()})
    live = sorted(took for one in rounds if one.nemesis for took in one.nemesis.live_times)
    print("faults:", ", ".join(f"{count} {name}" for name, count in sorted(faults.items())))
    print("answers:", ", ".join(f"{count} {name}" for name, count in sorted(answers.items())))
    print(f"operations: {sum(answers.values())}; faults: {sum(faults.values())}; "
          + "; ".join(f"{what.replace('_', ' ')}: "
                      f"{sum(getattr(one.nemesis, what) for one in rounds if one.nemesis)}"
                      for what in ("kills", "power_losses", "sectors_lost", "blocks_spoiled",
                                   "slots_repaired")))
    if live:
        print(f"live again after: median {live[len(live) // 2]:.2f} s, "
              f"p99 {live[len(live) * 99 // 100]:.2f} s, worst {live[-1]:.2f} s of {len(live)}")


def run_round(seed, seconds):
    one = Round(seed, seconds)
    one.run()
    if one.failed:
        print(f"chaos: seed {seed} failed; replay: make chaos MINUTES={seconds / 60:g} "
              f"SEED={seed}; its files: {one.directory}",
              flush=True)
    else:
        shutil.rmtree(one.directory, ignore_errors=True)
    return one


def take_lock(directory):
    """One driver a build: the second would unmount what the first works on."""
    os.makedirs(directory, exist_ok=True)
    lock = open(os.path.join(directory, "lock"), "w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"chaos: another run works in {directory}")
    return lock


def interrupt(number, _):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--liars", action="store_true",
                        help="one short round whose disks lie; finding that out is to pass")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupt)
    lock = take_lock(WORK)
    clusters.sweep(WORK)
    if options.liars:
        one = RoundOfLiars(options.seed, 20)
        one.run()
        one.judge()
        print(f"{len(one.passed)} passed, {len(one.failed)} failed")
        return 1 if one.failed or not one.passed else 0
    end = time.monotonic() + options.minutes * 60
    rounds = []
    seed = options.seed
    while not rounds or end - time.monotonic() > ROUND_SECONDS / 2:
        seconds = min(ROUND_SECONDS, options.minutes * 60)
        rounds.append(run_round(seed, seconds))
        seed += 1
    print_summary(rounds)
    passed = sum(len(one.passed) for one in rounds)
    failed = sum(len(one.failed) for one in rounds)
    print(f"{passed} passed, {failed} failed")
    lock.close()
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
