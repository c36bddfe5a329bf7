"""A real Slurm of several nodes on this machine, in its own folder, for as long as it is needed.

Its daemons track processes by control group, as real sites do, and hand out pretended GPUs. It
needs root, Debian's packages of Slurm and a cgroup file system with the freezer (version 1).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
CGROUPS = Path("/sys/fs/cgroup")
GPUS = 4  # of each node
# Without a network it ends soon; beside another apt-get it waits.
APT_OPTIONS = [
    *("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30"),
    *("-o", "DPkg::Lock::Timeout=300"),
]

CONF = """\
ClusterName=mac
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/cgroup
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
KillWait=5
SlurmdTimeout={node_timeout}
SlurmctldTimeout=20
MessageTimeout=30
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
DefMemPerCPU=500
NodeName={name}[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] \
CPUs=16 Boards=1 SocketsPerBoard=1 CoresPerSocket=16 ThreadsPerCore=1 \
RealMemory=64000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=low Nodes={name}[1-{nodes}] Default=YES MaxTime=1-00:00:00 State=UP PriorityTier=1 \
PreemptMode=REQUEUE GraceTime=0
PartitionName=high Nodes={name}[1-{nodes}] Default=NO MaxTime=1-00:00:00 State=UP PriorityTier=10 \
PreemptMode=OFF
{accounting}
"""
CGROUP_CONF = f"""\
CgroupPlugin=cgroup/v1
CgroupMountpoint={CGROUPS}
ConstrainCores=no
ConstrainRAMSpace=no
ConstrainDevices=no
"""


class Impossible(Exception):
    """This machine cannot run a cluster, and why."""


def obstacle() -> str | None:
    """Why no cluster can run here, or None; what only lacks packages can be helped."""
    if os.geteuid() != 0:
        return "starting Slurm needs root"
    if not (CGROUPS / "freezer").is_dir():
        return f"{CGROUPS}/freezer is missing: Slurm's process tracking needs cgroup version 1"
    if not os.access(CGROUPS / "freezer", os.W_OK):
        return f"{CGROUPS}/freezer cannot be written"
    return None


def install(packages: tuple[str, ...] = PACKAGES) -> None:
    """Install Debian's packages as far as they are missing, without starting their services."""
    query = ["dpkg-query", "--show", "--showformat", "${Status}\n", *packages]
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    if found.stdout.count("install ok installed") == len(packages):
        return
    if shutil.which("apt-get") is None:
        raise Impossible(f"{', '.join(packages)} are missing, and so is apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        command = ["apt-get", "--quiet", "--quiet", *APT_OPTIONS, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Impossible(f"apt-get {arguments[0]}: {last}")


_first_ports = iter(range(21000, 32000, 50))
_lock = threading.Lock()


def free_ports(count: int) -> list[int]:
    """Neighbouring ports that nobody listens on, and that were not given out before."""
    while True:
        with _lock:
            first = next(_first_ports, None)
        if first is None:
            raise Impossible("no free ports")
        with ExitStack() as opened, suppress(OSError):
            for port in range(first, first + count):
                opened.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return list(range(first, first + count))


class Cluster:
    """Nodes and a controller, without accounting; all of it ends with it.

    Args:
        folder: where everything of it lies; made and left.
        nodes: number of nodes.
        node_timeout: seconds after which a silent node counts as down; Slurm's own default.
    """

    def __init__(self, folder: Path, nodes: int, *, node_timeout: int = 300) -> None:
        self.folder, self.nodes, self.node_timeout = folder, nodes, node_timeout
        self.ports = free_ports(nodes + 1)
        self.name = f"mac{self.ports[0]}n"
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which Slurm's commands find this cluster and no other."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def node(self, number: int) -> str:
        """Name of a node, counted from 1."""
        return f"{self.name}{number}"

    def __enter__(self) -> Cluster:
        try:
            self._start()
        except PermissionError as error:
            self.close()
            raise Impossible(str(error)) from None
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self.folder.mkdir(parents=True)
        self._devices()
        self._munge()
        self._write_conf("AccountingStorageType=accounting_storage/none\n")
        if accounting := self._start_accounting():
            self._write_conf(accounting)
        self._wrap_srun()
        self.start_controller("-i")
        for number in range(1, self.nodes + 1):
            self.start_node(number)
        self.until(
            lambda: self.run("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == str(self.nodes),
            120,
        )
        self._probe()

    def _probe(self) -> None:
        """Whether it can run anything at all, on every node."""
        command = ["srun", "--nodes", str(self.nodes), "--time", "2", "true"]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = done.stderr.strip() or f"srun ends with {done.returncode}"
            raise Impossible(f"no job runs: {said.splitlines()[0]}")

    def _start_accounting(self) -> str:
        """Start what accounts for jobs; lines of slurm.conf that name it, where there is any."""
        return ""

    def _munge(self) -> None:
        """The daemon by which Slurm's parts trust each other, with a key of its own."""
        folder = self.folder / "munge"
        folder.mkdir()
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        for path in (folder, key):
            shutil.chown(path, "munge", "munge")
        places = {"key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
        options = [f"--{option}={folder / name}" for option, name in places.items()]
        options.append(f"--socket={self.folder / 'munge/socket'}")
        self.daemon("munged", "munged", "--foreground", *options, user="munge")
        self.until((folder / "socket").exists, 60)

    def _devices(self) -> None:
        """GPUs as far as Slurm looks at them: character devices."""
        for number in range(GPUS):
            device = self.folder / f"nvidia{number}"
            try:
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            except PermissionError:
                raise Impossible("pretended GPUs need the right to make devices (mknod)") from None

    def _write_conf(self, accounting: str) -> None:
        text = CONF.format(
            host=socket.gethostname(),
            folder=self.folder,
            name=self.name,
            nodes=self.nodes,
            node_timeout=self.node_timeout,
            gpus=GPUS,
            port=self.ports[0],
            first=self.ports[1],
            last=self.ports[-1],
            accounting=accounting,
        )
        gres = (
            f"NodeName={self.name}[1-{self.nodes}] Name=gpu "
            f"File={self.folder}/nvidia[0-{GPUS - 1}] Flags=nvidia_gpu_env\n"
        )
        contents = {"slurm.conf": text, "cgroup.conf": CGROUP_CONF, "gres.conf": gres}
        for name, content in contents.items():
            (self.folder / name).write_text(content)

    def _wrap_srun(self) -> None:
        """An ``srun`` that finds this cluster although Snakemake's plugin drops SLURM_CONF."""
        path = self.folder / "bin" / "srun"
        path.parent.mkdir()
        conf = self.folder / "slurm.conf"
        path.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n')
        path.chmod(0o755)

    def daemon(
        self, name: str, *command: str, user: str = "root", variables: Mapping[str, str] = {}
    ) -> None:
        """Start a program that belongs to the cluster; its output goes to ``NAME.out``."""
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                command,
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[],
            )

    def start_controller(self, *options: str) -> None:
        """Start the daemon that knows all jobs."""
        self.daemon("slurmctld", "slurmctld", "-D", *options)

    def start_node(self, number: int) -> None:
        """Start the daemon of a node."""
        self.daemon(self.node(number), "slurmd", "-D", "-N", self.node(number))

    def kill(self, name: str) -> None:
        """Kill a daemon, as a power cut would."""
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def run(self, *command: str) -> str:
        """Output of one of Slurm's commands; empty where it failed."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    def until(self, condition: Callable[[], object], seconds: float) -> None:
        """Wait for something to become true.

        Raises:
            Impossible: it did not, or a daemon ended meanwhile.
        """
        end = time.monotonic() + seconds
        while not condition():
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    text = (self.folder / f"{name}.out").read_text(errors="replace").strip()
                    raise Impossible(
                        f"{name} ended: {text.splitlines()[-1] if text else 'silently'}"
                    )
            if time.monotonic() > end:
                raise Impossible(f"the cluster was not ready after {seconds:.0f} s")
            time.sleep(0.1)

    def group(self, node: str) -> Path:
        """The control group of all jobs on a node."""
        return CGROUPS / "freezer" / f"slurm_{node}"

    def processes(self, *words: str) -> list[int]:
        """Processes of jobs whose command line holds all these words, whatever started them."""
        found = []
        for file in (CGROUPS / "freezer").glob(f"slurm_{self.name}*/**/cgroup.procs"):
            with suppress(OSError):
                for process in map(int, file.read_text().split()):
                    line = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
                    text = [part.decode(errors="replace") for part in line]
                    if text[1:2] and Path(text[1]).name == "mac" and set(words) <= set(text):
                        found.append(process)
        return found

    def power_off(self, node: str) -> None:
        """End a node at once: its daemon, and every process of its jobs."""
        self.kill(node)
        self._empty(self.group(node))

    def close(self) -> None:
        """End every job and daemon; what is left of a job is found by its control group."""
        if "slurmctld" in self.daemons:
            self.run("scancel", "--user", "root", "--signal", "KILL", "--full")
            self.run("scancel", "--user", "root")
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()
        for group in sorted(CGROUPS.glob(f"*/slurm_{self.name}*"), reverse=True):
            self._empty(group)

    @staticmethod
    def _empty(group: Path) -> None:
        """Kill what still runs in a control group, and remove it and those below it."""
        for _ in range(50):
            left = [int(p) for f in group.rglob("cgroup.procs") for p in f.read_text().split()]
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            if not left:
                break
            time.sleep(0.1)
        folders = [path for path in group.rglob("*") if path.is_dir()]
        for path in (*sorted(folders, reverse=True), group):
            with suppress(OSError):
                path.rmdir()
