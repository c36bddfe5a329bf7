"""A cluster with an accounting database, which can be stopped and started again."""

from __future__ import annotations

import subprocess
from socket import socket

from tests.slurm.cluster import Cluster, Impossible, free_ports

PACKAGES = ("slurmdbd", "mariadb-server")

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdPort={port}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StoragePort={database}
StorageUser=root
StorageLoc=slurm
"""


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class AccountedCluster(Cluster):
    """A cluster whose controller reports to slurmdbd, over a MariaDB of its own."""

    def _start_accounting(self) -> str:
        port, database = free_ports(2)
        data, path = self.folder / "database", self.folder / "database.socket"
        made = subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root"],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            errors = [line for line in made.stderr.splitlines() if "ERROR" in line]
            raise Impossible(f"mariadb-install-db: {errors[0] if errors else 'no reason given'}")
        options = ["--no-defaults", f"--datadir={data}", f"--socket={path}", "--user=root"]
        self.daemon(
            "mariadbd",
            *("mariadbd", *options, f"--port={database}", "--bind-address=127.0.0.1"),
            *(f"--pid-file={self.folder}/mariadbd.pid", "--skip-grant-tables"),
        )
        self.until(path.exists, 120)
        conf = self.folder / "slurmdbd.conf"  # beside slurm.conf, where slurmdbd looks for it
        conf.write_text(SLURMDBD_CONF.format(folder=self.folder, port=port, database=database))
        conf.chmod(0o600)
        self.start_accounting()
        # A controller without a state of its own does not start before the database answers.
        self.until(lambda: answers(port), 120)
        return (
            "AccountingStorageType=accounting_storage/slurmdbd\n"
            f"AccountingStorageHost=127.0.0.1\nAccountingStoragePort={port}\n"
            f"AccountingStoragePass={self.folder}/munge/socket\n"
        )

    def start_accounting(self) -> None:
        """Start slurmdbd."""
        self.daemon("slurmdbd", "slurmdbd", "-D", variables={"MYSQL_UNIX_PORT": self._socket})

    def stop_accounting(self) -> None:
        """Stop slurmdbd."""
        self.kill("slurmdbd")

    @property
    def _socket(self) -> str:
        return str(self.folder / "database.socket")
