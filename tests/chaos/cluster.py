"""Real nodes, each in a network namespace of its own, joined by a bridge.

Everything made here carries the driver's pid in its name and is taken away again, also what a
driver that was itself killed has left behind.
"""
import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import time

from control import Control

HTTP_PORT = 3000
CLIENT_HOST = 250
LOOP_MIB = 900
CLONE_NEWNET = 0x40000000


class Failure(Exception):
    """The set-up cannot be made, or the cluster broke a promise."""


def run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def namespaces():
    try:
        return os.listdir("/run/netns")
    except FileNotFoundError:
        return []


def end_processes_in(namespace):
    for pid in run("ip", "netns", "pids", namespace, check=False).split():
        if int(pid) != os.getpid():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended meanwhile


def sweep(directory):
    """Namespaces of drivers that are no more, and what they mounted below `directory`."""
    with open("/proc/mounts", encoding="utf-8") as file:
        for point in [line.split()[1] for line in file]:
            if point.startswith(directory + "/"):
                run("umount", "-l", point, check=False)
    for name in namespaces():
        match = re.fullmatch(r"cc(\d+)-\w+", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            end_processes_in(name)
            run("ip", "netns", "del", name, check=False)


class Network:
    """A hub with a bridge; `cc<pid>-<i>` for each node, `cc<pid>-c` for the clients."""

    def __init__(self, count):
        self.tag = f"cc{os.getpid()}"
        self.count = count

    def address(self, index):
        return f"10.78.0.{index + 1}"

    def make(self):
        run("ip", "netns", "add", f"{self.tag}-hub")
        run("ip", "-n", f"{self.tag}-hub", "link", "add", "br0", "type", "bridge")
        run("ip", "-n", f"{self.tag}-hub", "link", "set", "br0", "up")
        for index in range(self.count):
            self._join(str(index), index)
            self._nft(index, "add table inet chaos")
            self._nft(index, "add chain inet chaos in { type filter hook input priority 0; }")
            self._nft(index, "add chain inet chaos out { type filter hook output priority 0; }")
        self._join("c", CLIENT_HOST)

    def _join(self, name, index):
        space = f"{self.tag}-{name}"
        run("ip", "netns", "add", space)
        run("ip", "link", "add", "eth0", "netns", space, "type", "veth",
            "peer", "name", f"p{name}", "netns", f"{self.tag}-hub")
        run("ip", "-n", f"{self.tag}-hub", "link", "set", f"p{name}", "master", "br0", "up")
        run("ip", "-n", space, "addr", "add", f"{self.address(index)}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")
        run("ip", "-n", space, "link", "set", "lo", "up")

    def _nft(self, index, *commands):
        run("ip", "netns", "exec", f"{self.tag}-{index}", "nft", "; ".join(commands))

    def enter_as_client(self):
        """This process's network is the clients' from now on."""
        handle = os.open(f"/run/netns/{self.tag}-c", os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, CLONE_NEWNET) != 0:
            raise Failure(f"setns: {os.strerror(ctypes.get_errno())}")
        os.close(handle)

    def cut(self, sender, receiver):
        """What `sender` sends to `receiver` is dropped; the other way stays open."""
        self._nft(receiver, f"add rule inet chaos in ip saddr {self.address(sender)} drop")

    def heal(self, index):
        self._nft(index, "flush chain inet chaos in", "flush chain inet chaos out")

    def remove(self):
        for name in namespaces():
            if name.startswith(self.tag + "-"):
                end_processes_in(name)
                run("ip", "netns", "del", name, check=False)


class LoopDisk:
    """A small file system of its own for one node: it can be filled."""

    def __init__(self, directory):
        self.image = os.path.join(directory, "disk.img")
        self.mount_point = os.path.join(directory, "disk")
        self.is_mounted = False

    def make(self):
        os.makedirs(self.mount_point)
        with open(self.image, "wb") as file:
            file.truncate(LOOP_MIB << 20)
        run("mkfs.ext4", "-q", "-F", "-m", "0", self.image)
        run("mount", "-o", "loop", self.image, self.mount_point)
        self.is_mounted = True

    def _filler(self):
        return os.path.join(self.mount_point, "filler")

    def fill(self):
        """To the last block."""
        handle = os.open(self._filler(), os.O_WRONLY | os.O_CREAT, 0o600)
        size = 0
        step = 64 << 20
        while step >= 4096:
            try:
                os.posix_fallocate(handle, size, step)
                size += step
            except OSError:
                step //= 2
        os.close(handle)

    def free(self):
        if os.path.exists(self._filler()):
            os.unlink(self._filler())

    def remove(self):
        deadline = time.monotonic() + 5
        while self.is_mounted and time.monotonic() < deadline:
            run("umount", self.mount_point, check=False)
            self.is_mounted = os.path.ismount(self.mount_point)
        if self.is_mounted:
            run("umount", "-l", self.mount_point, check=False)


class Node:
    """One process at a time; who ends, and how, is compared with what was done to it."""

    def __init__(self, cluster, index):
        self.cluster = cluster
        self.index = index
        self.process = None
        self.may_end_with = set()  # exit codes that what was done to it explains
        self.control = Control(os.path.join(cluster.directory, f"control-{index}"))
        self.data = os.path.join(cluster.directory, "data", f"n{index}")
        self.log_path = os.path.join(cluster.directory, f"node-{index}.log")
        self.is_stopped = False  # by SIGSTOP
        self.baseline = None

    def start(self):
        environment = {name: value for name, value in os.environ.items()
                       if name == "PATH" or name.endswith("SAN_OPTIONS")}
        environment |= {"CHAOS_CONTROL": self.control.path,
                        "LD_PRELOAD": self.cluster.preload}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", f"{self.cluster.network.tag}-{self.index}",
                 self.cluster.program, "server", "--config", self.cluster.config,
                 "--node", f"n{self.index}"],
                stdout=log, stderr=log, env=environment, stdin=subprocess.DEVNULL)
        self.may_end_with = set()
        self.baseline = None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, number=signal.SIGKILL, seconds=10):
        """Ends it by a signal; answers the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            if self.is_stopped:
                self.resume()
            self.may_end_with.add(-signal.SIGKILL if number == signal.SIGKILL else 0)
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failure(f"n{self.index} did not end within {seconds} s of SIGTERM")
        return self.reap()

    def reap(self):
        """The exit code of a process that has ended; judged."""
        code = self.process.returncode
        self.process = None
        if code not in self.may_end_with:
            raise Failure(f"n{self.index} ended with exit code {code}: nothing done to it "
                          f"explains that (allowed: {sorted(self.may_end_with)})")
        return code

    def judge_alive(self):
        """Reaps it if it has ended; it must have had reason to."""
        if self.process is not None and self.process.poll() is not None:
            return self.reap()
        return None

    def pause(self):
        self.is_stopped = True
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.is_stopped = False
        self.process.send_signal(signal.SIGCONT)

    def usage(self):
        """(open files, resident MiB)"""
        directory = f"/proc/{self.process.pid}"
        with open(f"{directory}/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        return len(os.listdir(f"{directory}/fd")), pages * os.sysconf("SC_PAGESIZE") >> 20

    def ask(self, method, path, body=None, timeout=1.0):
        """(status, body), or (0, None) without an answer."""
        connection = http.client.HTTPConnection(
            self.cluster.network.address(self.index), HTTP_PORT, timeout=timeout)
        try:
            connection.request(method, path, body)
            reply = connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def status(self):
        code, body = self.ask("GET", "/-/status")
        return json.loads(body) if code == 200 else {}


class Cluster:
    def __init__(self, directory, count, program, preload):
        self.directory = directory
        self.program = program
        self.preload = preload
        self.config = os.path.join(directory, "chaos.cfg")
        self.network = Network(count)
        self.disk = LoopDisk(directory)
        self.nodes = []

    def make(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(os.path.join(self.directory, "data"))
        self.network.make()
        self.disk.make()
        # n0 lives on the small file system.
        os.makedirs(os.path.join(self.disk.mount_point, "n0"), mode=0o700)
        os.symlink(os.path.join(self.disk.mount_point, "n0"),
                   os.path.join(self.directory, "data", "n0"))
        self._write_config()
        self.nodes = [Node(self, index) for index in range(self.network.count)]

    def _write_config(self):
        lines = ["cluster", '    name = "chaos"', "    insecure = 1", "    node"]
        for index in range(self.network.count):
            address = self.network.address(index)
            lines += [f"        n{index}", f'            http = "{address}:{HTTP_PORT}"',
                      f'            peer = "tcp://{address}:13000"']
        lines += ["server", f'    data = "{self.directory}/data"', "    http",
                  "        threads = 32", "    log", "        segment = 40M"]
        with open(self.config, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def leader(self):
        for node in self.nodes:
            if node.is_running() and not node.is_stopped:
                if node.status().get("role") == "leader":
                    return node
        return None

    def judge_alive(self):
        for node in self.nodes:
            node.judge_alive()

    def mend(self):
        """After a broken promise: everything heals, and all nodes run."""
        self.heal_network()
        self.disk.free()
        for node in self.nodes:
            node.control.heal_disk()
            if node.is_stopped and node.is_running():
                node.resume()
            if not node.is_running():
                node.start()

    def heal_network(self):
        for node in self.nodes:
            self.network.heal(node.index)

    def remove(self):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
                node.process.wait()
        try:
            self.network.remove()
        finally:
            self.disk.remove()
