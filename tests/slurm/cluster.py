"""A Slurm of one node with two pretended GPUs, on this machine's loopback alone: munge, slurmctld and slurmd as Debian packages them.

Everything but the packages lives in one folder. In /etc/slurm stand links to its configuration, because the plugin's inner step drops
SLURM_CONF from the environment. Only root can start it, and only where no other Slurm is.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
ETC = Path("/etc/slurm")
PORTS = {"slurmctld": 16817, "slurmd": 16818}

# Memory and processors are declared, not there. A job that uses more memory than it asked for is killed: the accounting plugin looks
# every second. TaskProlog and TaskEpilog write down when a step began and ended and which GPU it was given.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[slurmctld]}
SlurmdPort={ports[slurmd]}
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
CredType=cred/munge
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={home}/began
TaskEpilog={home}/ended
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
PlugStackConfig={home}/plugstack.conf
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
KillWait=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:h100:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=2880 State=UP
PartitionName=gpu Nodes={host} MaxTime=2880 State=UP
"""
NOTE = """#!/bin/sh
echo "{word} $SLURM_JOB_ID ${{SLURM_STEP_ID:-batch}} $(date +%s.%N) $SLURM_JOB_PARTITION ${{CUDA_VISIBLE_DEVICES:--}}" >>{home}/steps
"""


@dataclass(frozen=True)
class Step:
    """A step of a job, as its task saw it: seconds since the epoch, and CUDA_VISIBLE_DEVICES."""

    job: str
    name: str  # batch: the job's script, which runs as long as the job
    began: float
    ended: float
    partition: str
    devices: tuple[str, ...]


def why_not() -> str | None:
    """Why a cluster cannot be started here, or None."""
    if os.geteuid() != 0:
        return "only root can start a Slurm"
    if shutil.which("apt-get") is None:
        return "Slurm's Debian packages are needed, and there is no apt"
    if (ETC / "slurm.conf").exists() and not (ETC / "slurm.conf").is_symlink():
        return "this machine has a Slurm of its own"
    return None


@contextmanager
def running_cluster(home: Path) -> Iterator["Cluster"]:
    _install()
    cluster = Cluster(home)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


class Cluster:
    def __init__(self, home: Path):
        self.home = home
        self.host = socket.gethostname().split(".")[0]

    def start(self) -> None:
        left = ETC / "slurm.conf"
        if left.is_symlink():  # of a test that was killed
            Cluster(left.readlink().parent).stop()
        self._configure()
        munged = ["munged", "--force", f"--key-file={self.home}/munge.key", f"--socket={self.home}/munge.socket"]
        munged += [
            f"--pid-file={self.home}/munged.pid",
            f"--log-file={self.home}/munged.log",
            f"--seed-file={self.home}/munge.seed",
        ]
        _run("/usr/sbin/" + munged[0], *munged[1:])
        _wait(lambda: _succeeds("munge", "-n", "-S", f"{self.home}/munge.socket"), "munge answers", self.home)
        self.start_controller()
        _run("slurmd", "-c")
        _wait(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"), "the node is idle", self.home)

    def start_controller(self) -> None:
        _run("slurmctld")
        _wait(lambda: _succeeds("scontrol", "ping") and "UP" in self.ask("scontrol", "ping"), "the controller answers", self.home)

    def stop_controller(self) -> None:
        self._end("slurmctld")

    def stop(self) -> None:
        if (self.home / "slurmctld.pid").exists():
            subprocess.run(["scancel", "--user", "root"], capture_output=True, timeout=20)
        for daemon in ("slurmd", "slurmctld", "munged"):
            self._end(daemon)
        for link in ETC.glob("*.conf"):
            if link.is_symlink() and link.readlink().parent == self.home:
                link.unlink()

    def jobs(self, *options: str) -> list[str]:
        """Numbers of the jobs that wait or run."""
        return self.ask("squeue", "--noheader", "--format=%i", *options).split()

    def states(self) -> dict[str, str]:
        """The state of every job there was, by its number."""
        lines = self.ask("squeue", "--noheader", "--states=all", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def job(self, number: str) -> dict[str, str]:
        """What the controller says of a job (`scontrol show job`)."""
        return dict(part.split("=", 1) for part in self.ask("scontrol", "show", "job", number).split() if "=" in part)

    def steps(self) -> list[Step]:
        """All steps so far; one that was killed has ended with the last thing that is known."""
        began: dict[tuple[str, str], list[str]] = {}
        ended: dict[tuple[str, str], float] = {}
        lines = (self.home / "steps").read_text().splitlines() if (self.home / "steps").exists() else []
        for word, job, step, seconds, *rest in map(str.split, lines):
            if word == "began":
                began[job, step] = [seconds, *rest]
            else:
                ended[job, step] = float(seconds)
        return [
            Step(job, step, float(seconds), ended.get((job, step), float(seconds)), partition, tuple(re.findall(r"\d+", devices)))
            for (job, step), (seconds, partition, devices) in began.items()
        ]

    @staticmethod
    def ask(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout

    def _configure(self) -> None:
        for folder in ("state", "spool"):
            (self.home / folder).mkdir(parents=True)
        key = self.home / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        # A file that is no device is passed over in silence, and CUDA_VISIBLE_DEVICES stays empty.
        for number in range(2):
            os.mknod(self.home / f"gpu{number}", 0o600 | 0o020000, os.makedev(1, 3))
        for word in ("began", "ended"):
            (self.home / word).write_text(NOTE.format(word=word, home=self.home))
            (self.home / word).chmod(0o755)
        files = {
            "slurm.conf": CONFIGURATION.format(host=self.host, home=self.home, ports=PORTS),
            "gres.conf": f"NodeName={self.host} Name=gpu Type=h100 File={self.home}/gpu[0-1]\n",
            "cgroup.conf": "",
            "plugstack.conf": "",
        }
        ETC.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.home / name).write_text(text)
            (ETC / name).unlink(missing_ok=True)
            (ETC / name).symlink_to(self.home / name)

    def _end(self, daemon: str) -> None:
        """End a daemon of ours. Process numbers are used again, so its name must be right."""
        file = self.home / f"{daemon}.pid"
        if not file.exists() or not (text := file.read_text().strip()):
            return
        process = Path("/proc") / text

        def is_there() -> bool:
            return process.exists() and (process / "comm").read_text().strip() == daemon

        for number in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + 15
            if is_there():
                os.kill(int(text), number)
            while is_there() and time.monotonic() < until:
                time.sleep(0.1)


def _install() -> None:
    missing = [name for name in PACKAGES if "install ok installed" not in Cluster.ask("dpkg-query", "-W", "-f=${Status}", name)]
    if not missing:
        return
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:  # else the packages start daemons of their own
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(install, check=True, capture_output=True, env=environment)
    finally:
        if ours:
            policy.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _wait(until: Callable[[], bool], what: str, home: Path) -> None:
    end = time.monotonic() + 30
    while not until():
        if time.monotonic() > end:
            logs = "\n".join(path.read_text()[-2000:] for path in home.glob("*.log"))
            raise TimeoutError(f"30 seconds passed before {what}:\n{logs}")
        time.sleep(0.1)
