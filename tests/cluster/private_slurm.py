# SPDX-License-Identifier: Apache-2.0
"""A slurmctld and a slurmd of one's own on this machine: on loopback and free ports, without authentication, with all
state in one folder. No munge, no systemd, no accounting database; whatever belongs to it is ended with it.

A node of as many processors as asked for, whatever the machine has, and two partitions: `low`, the default, whose jobs are
requeued when one of `high` wants their place. Times are short (lost nodes, kills), so that tests are.
"""

import ctypes
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, List, Set, Tuple

DAEMONS = ("slurmctld", "slurmd")
PROGRAMS = (*DAEMONS, "sbatch", "scontrol", "scancel", "squeue")
PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
CONFIG = """ClusterName=precipice
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ReturnToService=2
SlurmdTimeout=6
SlurmctldTimeout=6
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2
NodeName={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cores} RealMemory=16000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""
PR_SET_PDEATHSIG = 1


def missing_programs() -> List[str]:
    return [program for program in PROGRAMS if not shutil.which(program, path=PATH)]


def free_ports(count: int) -> List[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(what: str, is_so: Callable[[], bool], seconds: float, pause: float = 0.1) -> None:
    """`seconds`: what a quiet machine may need; a loaded one gets ten times that. It bounds what would hang."""
    until = time.monotonic() + 10 * seconds
    while not is_so():
        if time.monotonic() > until:
            raise AssertionError(f"not within {10 * seconds:g} s: {what}")
        time.sleep(pause)


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class PrivateSlurm:
    def __init__(self, folder: Path, cores: int = 4) -> None:
        self.folder = folder
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        ports = free_ports(2)
        config = folder / "slurm.conf"
        config.write_text(CONFIG.format(host=host, controller_port=ports[0], node_port=ports[1], user=getpass.getuser(),
                                        folder=folder, cores=cores))
        self.environment = {**{name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))},
                            "SLURM_CONF": str(config), "PATH": PATH}
        self.daemons: Dict[str, subprocess.Popen] = {}
        self.seen: Dict[Tuple[str, ...], float] = {}

    def __enter__(self) -> "PrivateSlurm":
        try:
            for daemon in DAEMONS:
                self.start(daemon)
            wait_for("an idle node", lambda: self.node_state() == "IDLE", 30)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *ignored: object) -> None:
        self.stop()

    def start(self, daemon: str) -> None:
        with open(self.folder / f"{daemon}.out", "ab") as output:
            self.daemons[daemon] = subprocess.Popen(
                [daemon, "-D"], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, preexec_fn=die_with_parent,
            )  # fmt: skip

    def kill(self, daemon: str) -> None:
        self.daemons[daemon].kill()
        self.daemons[daemon].wait()

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        wait_for("the end of all its processes", self.kill_all, 10)

    def kill_all(self) -> bool:
        """Steps and their tasks are in sessions of their own and outlive the daemons."""
        left = self.processes()
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left

    def processes(self, name: str = "") -> Set[int]:
        """Of this instance: by the path of its configuration in their environment, or, of steps, which write their titles
        over it, by the folder that they are in. `name`: those of this name."""
        mark = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                comm = (entry / "comm").read_text().strip()
                if name not in ("", comm):
                    continue
                is_step = comm == "slurmstepd" and os.readlink(entry / "cwd").startswith(str(self.folder))
                if is_step or mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
            except OSError:
                continue  # it has ended meanwhile
        return found

    def call(self, *words: object, check: bool = True) -> str:
        done = subprocess.run([str(word) for word in words], env=self.environment, cwd=self.folder, capture_output=True,
                              text=True, timeout=300, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def node_state(self) -> str:
        found = re.search(r"State=([A-Z]+)\S*", self.call("scontrol", "show", "nodes", "--oneliner", check=False))
        return found.group(1) if found else ""

    def tasks(self, job: str) -> Dict[str, Dict[str, str]]:
        """By the index of a task what scontrol says of it; tasks that wait together are under one name, "2-7"."""
        listed = self.call("scontrol", "show", "job", "--oneliner", job, check=False).splitlines()
        records = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in listed if line.startswith("JobId=")]
        return {record.get("ArrayTaskId", ""): record for record in records}

    def states(self, job: str) -> Dict[str, str]:
        return {task: record["JobState"] for task, record in self.tasks(job).items()}

    def has_ended(self, job: str) -> bool:
        live = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED"}
        states = self.states(job)
        return bool(states) and not live & set(states.values())

    def hasten(self, job: str) -> None:
        """What is requeued waits for two minutes; nobody is served by that here. But a job that starts again while its
        node still clears up after it fails to start."""
        for task, record in self.tasks(job).items():
            if record["JobState"] != "PENDING" or record.get("Reason") != "BeginTime":
                continue
            first = self.seen.setdefault((job, task, record.get("Restarts", "")), time.monotonic())
            if time.monotonic() - first > 3:
                self.call("scontrol", "update", f"JobId={job}_{task}", "StartTime=now", check=False)

    def wait(self, job: str, seconds: float, hasten: bool = True) -> None:
        def is_over() -> bool:
            if hasten:
                self.hasten(job)
            return self.has_ended(job)

        try:
            wait_for(f"the end of job {job}", is_over, seconds, 0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.states(job)}") from None

    def processes_of(self, job: str, task: str, name: str = "") -> Set[int]:
        """The processes that a task has; `name`: those of this name."""
        mark = f"SLURM_JOB_ID={self.tasks(job).get(task, {}).get('JobId', '')}".encode()
        found = set()
        for process in self.processes(name):
            try:
                if mark in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
                    found.add(process)
            except OSError:
                continue
        return found
