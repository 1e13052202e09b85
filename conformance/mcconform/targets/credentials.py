"""What a server that we start is given to know its user by: files, and the environment variables that name them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

USER, PASSWORD = "mcuser", "mcpass"
"""The user that every conversation may log in as."""

PLACE = "{credentials}"
"""Stands for the file in the options of a conversation."""

DATABASE = r"""
use DB_File;
my ($file, $user, $realm, $password) = @ARGV;
tie my %users, "DB_File", $file, O_RDWR | O_CREAT, 0600, $DB_HASH or die "$file: $!";
$users{"$user\0$realm\0userPassword"} = $password;
"""
"""What saslpasswd2 writes."""


class Credentials:
    """A folder with the user's file, in the forms that servers read."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mcspec-")
        folder = Path(self._folder.name)
        self.path = folder / "users"
        self.path.write_text(f"{USER}:{PASSWORD}\n", encoding="ascii")
        database = folder / "sasldb"
        (folder / "memcached.conf").write_text(
            f"mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\n",
            encoding="ascii",
        )
        self.environment = {"MEMCACHED_SASL_PWDB": str(self.path), "SASL_CONF_PATH": str(folder)}
        perl = shutil.which("perl")
        if perl is not None:
            # A memcached that has its users from Cyrus SASL wants a database of its own kind, which Perl can write.
            words = [perl, "-e", DATABASE, str(database), USER, socket.gethostname(), PASSWORD]
            subprocess.run(words, check=False, capture_output=True)

    def fill(self, options: tuple[str, ...]) -> tuple[str, ...]:
        """The options with the file's path where it is asked for."""
        return tuple(word.replace(PLACE, str(self.path)) for word in options)

    def close(self) -> None:
        """Remove it all."""
        self._folder.cleanup()


def wanted(options: tuple[str, ...]) -> bool:
    """Whether these options need it."""
    return "-S" in options or any(PLACE in word for word in options)
