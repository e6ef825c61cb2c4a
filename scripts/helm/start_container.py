"""Runs the container of an agent as a pod runs it, in namespaces of its own: `check_chart.py` starts it with `unshare`.

The container has its user, no capabilities, a read-only root file system, its settings, and memory at /dev/shm. A NATS server runs beside
it. Standard input has `container`, `settings`, `node` (the program) and `main` (kvferry's). Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ETC = Path("/etc")
FIELDS = {"spec.nodeName": "node-1.example", "metadata.name": "t-kvferry-decode-0", "status.podIP": "127.0.0.1"}
READY_SECONDS = 60
STOP_SECONDS = 30


def sh(*command: str) -> None:
    subprocess.run(command, check=True)


def prepare(order: dict) -> None:
    """The files of the container. /etc is its own: the name of the NATS server leads to this host."""
    sh("ip", "link", "set", "lo", "up")
    sh("mount", "-t", "tmpfs", "-o", "size=1g,mode=1777", "tmpfs", "/dev/shm")
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(ETC))
    (ETC / "hosts").write_text("127.0.0.1 localhost nats\n")
    (ETC / "nsswitch.conf").write_text("hosts: files\n")
    (ETC / "kvferry/agent").mkdir(parents=True)
    (ETC / "kvferry/agent/agent.json").write_text(order["settings"])
    program = ETC / "kvferry/kvferry"
    program.write_text(f'#!/bin/sh\nexec {order["node"]} {order["main"]} "$@"\n')
    program.chmod(0o755)
    sh("mount", "-o", "remount,bind,ro", "/")


def environment(container: dict) -> dict[str, str]:
    """As the kubelet makes it: an earlier variable may be part of a later one."""
    made = {"PATH": f"{ETC}/kvferry:{os.environ['PATH']}"}
    for variable in container["env"]:
        value = variable.get("value") or FIELDS[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        for name, earlier in made.items():
            value = value.replace(f"$({name})", earlier)
        made[variable["name"]] = value
    return made


def start(container: dict) -> subprocess.Popen:
    context = container["securityContext"]
    user = [f"--reuid={context['runAsUser']}", f"--regid={context['runAsGroup']}", "--clear-groups"]
    confined = ["setpriv", *user, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    command = [*confined, *container["command"], *container["args"]]
    return subprocess.Popen(command, env=environment(container), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def probe(container: dict, name: str) -> int:
    """The status that a probe gets, or 0."""
    get = container[name]["httpGet"]
    [port] = [one["containerPort"] for one in container["ports"] if one["name"] == get["port"]]
    try:
        with urllib.request.urlopen(f"http://{FIELDS['status.podIP']}:{port}{get['path']}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def main() -> None:
    order = json.load(sys.stdin)
    container = order["container"]
    prepare(order)
    subprocess.Popen(["nats-server", "--addr", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    agent = start(container)
    until = time.monotonic() + READY_SECONDS
    while probe(container, "readinessProbe") != 200 and agent.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
    probes = {name: probe(container, name) for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    agent.terminate()
    output, _ = agent.communicate(timeout=STOP_SECONDS)
    print(json.dumps({"probes": probes, "status": agent.returncode, "output": output.splitlines()[-5:]}), flush=True)


main()
