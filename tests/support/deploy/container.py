"""A container without a container runtime: the image's command as its user, on a root that can't be written.

The root is a tmpfs in a mount namespace of its own, remounted read-only: in it are the system's libraries, a Python, and
/opt/meterline with the wheel, all read-only; no shell or other program; /data and a tmpfs on /tmp, as `docker run --read-only
--tmpfs /tmp -v DIR:/data` has them. Needs root, to become somebody else.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tests.support.deploy.dockerfile import Image

ROOT = Path(__file__).parents[3]
_MOUNTS = """
set -e
root=$1; shift
/usr/bin/mount -t tmpfs -o mode=0755 tmpfs "$root"
/usr/bin/mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/data" "$root/tmp" "$root/opt/meterline"
# Before what is seen of this machine, which may lie there.
/usr/bin/mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
for link in bin lib lib64; do /usr/bin/ln -s "usr/$link" "$root/$link"; done
read_only() {
  /usr/bin/mkdir -p "$root$2"
  /usr/bin/mount --bind "$1" "$root$2"
  /usr/bin/mount -o remount,bind,ro "$root$2"
}
read_only /usr /usr
read_only "$PYTHON_HOME" "$PYTHON_HOME"
read_only "$LIBRARIES" "$LIBRARIES"
read_only "$INSTALLED" /opt/meterline
/usr/bin/mount -t tmpfs -o ro,mode=0755 tmpfs "$root/usr/bin"
for seen in $SEEN; do
  /usr/bin/mkdir -p "$root$seen"
  /usr/bin/mount --bind "$seen" "$root$seen"
done
for copied in $COPIED; do
  place=${copied##*:}
  /usr/bin/mkdir -p "$root${place%/*}"
  /usr/bin/cp "${copied%%:*}" "$root$place"
done
/usr/bin/mount --rbind /proc "$root/proc"
/usr/bin/mount --rbind /sys "$root/sys"
/usr/bin/mount --rbind /dev "$root/dev"
/usr/bin/mount --bind "$DATA" "$root/data"
/usr/bin/mount -o remount,ro "$root"
exec /usr/bin/env -i "$@"
"""


def install(directory: Path) -> Path:
    """An environment for /opt/meterline: the wheel, built from the checkout, beside the libraries at hand."""
    dist = directory / "dist"
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = dist.glob("*.whl")
    made = directory / "meterline"
    venv.create(made, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(made / "bin" / "python"), "install", "-qq"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    script = made / "bin" / "meterline"
    script.write_text(script.read_text().replace(str(made), "/opt/meterline"), encoding="utf-8")
    (site,) = made.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return made


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Container:
    """One run of the image's command. `log`: what it has said, line by line, once it has ended or served.

    files: place in the container -> what is mounted there, as a configuration file is. directories: seen at their own places, where other
    servers' sockets are.
    """

    def __init__(
        self,
        image: Image,
        installed: Path,
        data: Path,
        files: Mapping[str, Path] = MappingProxyType({}),
        directories: Sequence[Path] = (),
        **environment: str,
    ) -> None:
        self._image = image
        self.log: list[str] = []
        root = data.parent / "root"
        root.mkdir(exist_ok=True)
        copied = {place: ROOT / source for place, source in image.files.items()} | dict(files)
        self._variables = image.environment | environment
        outside = {
            "PYTHON_HOME": sys.base_prefix,
            "LIBRARIES": sysconfig.get_path("purelib"),
            "INSTALLED": str(installed),
            "DATA": str(data),
            "SEEN": " ".join(map(str, directories)),
            "COPIED": " ".join(f"{source}:{place}" for place, source in copied.items()),
        }
        self._process = subprocess.Popen(
            [
                *("/usr/bin/unshare", "--mount", "/bin/sh", "-c", _MOUNTS, "sh", str(root)),
                *(f"{name}={value}" for name, value in self._variables.items()),
                *("/usr/bin/setpriv", "--no-new-privs"),
                *("/usr/sbin/chroot", f"--userspec={image.user}", "--groups=", str(root), *image.command),
            ],
            env=outside, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def serves(self) -> dict[str, object]:
        """Waits until it serves; what it then says of itself."""
        for line in self._process.stderr:
            self.log.append(line)
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("event") == "serving":
                return entry
        raise AssertionError("".join(self.log))

    def user(self) -> tuple[int, int]:
        """As whom it runs: uid and gid."""
        status = Path(f"/proc/{self._process.pid}").stat()
        return status.st_uid, status.st_gid

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Another command inside, as `docker exec` runs it: the same root, user and variables."""
        user, group = self.user()
        enter = ["/usr/bin/nsenter", "-t", str(self._process.pid), "-m", "-r"]
        return subprocess.run(
            [*enter, f"--setuid={user}", f"--setgid={group}", *command],
            env=self._variables, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def stop(self) -> int:
        """As a container runtime does; the exit code."""
        os.kill(self._process.pid, getattr(signal, self._image.stop_signal))
        return self.ended()

    def ended(self) -> int:
        self.log += self._process.stderr.readlines()
        return self._process.wait(60)

    def kill(self) -> None:
        self._process.kill()
        self.ended()
