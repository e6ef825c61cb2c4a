"""Renders the Helm chart with several sets of values, and checks what comes out of it. `npm run test:helm` runs it.

Each resource must fit the schemas of Kubernetes, without an unknown field, and each agent must accept its settings. The container of an
agent runs as a pod runs it, where this machine allows that. Then the check is shown resources and values with faults, all of which it must
find.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import kubernetes_validate
import yaml

VERSION = "1.37"
NAMESPACE = "inference"
IN_NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]

# By values: what is rendered, by kind.
RENDERED = {
    "defaults": {"ConfigMap": 2, "DaemonSet": 2, "NetworkPolicy": 2, "Service": 1, "ServiceAccount": 1},
    "sidecar": {
        "ConfigMap": 2,
        "NetworkPolicy": 2,
        "PodDisruptionBudget": 2,
        "PrometheusRule": 1,
        "Service": 1,
        "ServiceAccount": 1,
        "ServiceMonitor": 1,
        "StatefulSet": 2,
    },
    "credentials": {"ConfigMap": 1, "DaemonSet": 1, "NetworkPolicy": 1, "Service": 1, "ServiceAccount": 1},
    "host-network": {"ConfigMap": 1, "DaemonSet": 1, "Service": 1, "ServiceAccount": 1},
}

# Faults in what was rendered with the values `sidecar`: the text, and what stands there instead.
FAULTS = [
    ("terminationGracePeriodSeconds: 80", "terminationGracePeriod: 80"),
    ("periodSeconds: 10", "periodSeconds: often"),
    ("readOnlyRootFilesystem: true", "readOnlyRootFilesystems: true"),
    ("maxUnavailable: 25%", "maxUnavailable: [25]"),
    ("policyTypes: [Ingress, Egress]", "policyTypes: Ingress"),
    ("serviceName: t-kvferry", "service: t-kvferry"),
    ("jobLabel:", "jobLabels:"),
    ("interval: 15s", "interval: {seconds: 15}"),
    ("runbook:", "- runbook:"),
    ('"arenaPages": 4096', '"arenaPages": 0'),
    ('"retainedPages":', '"retainPages":'),
]

# The name of an agent, by that of its node or pod.
AGENT_NAMES = {
    "ip-10-0-0-1.ec2.internal-decode": "ip-10-0-0-1-ec2-internal-decode",
    "t-kvferry-decode-0": "t-kvferry-decode-0",
    "n" * 70 + "-decode": "n" * 57 + "-decode",
}

# Wrong values, as `--set` takes them, and a part of the reason that Helm gives.
REFUSED = [
    ("pools.decode.arenaPages=1", "arenaPages"),
    ("pools.decode.mode=job", "mode"),
    ("pools.decode.mode=sidecar", "engine.containers"),
    ("pools.decode.sharedMemory.type=emptyDir", "hostPath"),
    ("pools.decode.settings.role=prefill", "'role'"),
    ("pools.decode.role=reader", "role"),
    ("pools.prefill=null,pools.decode=null", "pools"),
    ("nats.tls=true", "tls"),
    ("nats.password=secret", "password"),
]


class Checks:
    def __init__(self, tools: argparse.Namespace) -> None:
        self.tools = tools
        self.chart = tools.root / "deploy/helm/kvferry"
        self.main = tools.root / "dist/src/cli/main.js"

    def render(self, *args: str) -> subprocess.CompletedProcess[str]:
        return run(self.tools.helm, "template", "t", self.chart, "--namespace", NAMESPACE, "--kube-version", VERSION, *args)

    def rendered(self, values: str) -> str:
        file = Path(__file__).parent / "values" / f"{values}.yaml"
        done = self.render(*([] if values == "defaults" else ["--values", str(file)]))
        if done.returncode != 0:
            raise SystemExit(f"helm template with the values {values}: {done.stderr}")
        return done.stdout

    def wrong(self, text: str) -> list[str]:
        """What is wrong with rendered resources."""
        try:
            resources = [one for one in yaml.safe_load_all(text) if one is not None]
        except yaml.YAMLError as error:
            return [f"not YAML: {error}"]
        return [f"{name(one)}: {reason}" for one in resources for reason in self.wrong_in(one)]

    def wrong_in(self, resource: dict) -> list[str]:
        if resource["apiVersion"].startswith("monitoring.coreos.com/"):
            done = run(self.tools.monitoring, input=json.dumps(resource))
            return [done.stderr.strip()] if done.returncode != 0 else []
        try:
            kubernetes_validate.validate(resource, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            return [f"{'.'.join(map(str, error.path))}: {error.message}"]
        return self.wrong_settings(resource["data"]["agent.json"]) if resource["kind"] == "ConfigMap" else []

    def wrong_settings(self, settings: str) -> list[str]:
        """Why an agent does not start with these settings."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "agent.json"
            file.write_text(settings)
            done = run(self.tools.node, self.main, "agent", "--print-config", "--config", file)
            return [done.stderr.strip()] if done.returncode != 0 else []


def run(*command: object, input: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True, input=input)


def name(resource: dict) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


def check_rules(checks: Checks, text: str) -> list[str]:
    """The alert rules are those of Prometheus without the operator, with their braces."""
    [rule] = [one for one in yaml.safe_load_all(text) if one["kind"] == "PrometheusRule"]
    alerts = yaml.safe_load((checks.tools.root / "deploy/prometheus/alerts.yml").read_text())
    return [] if rule["spec"] == alerts else ["PrometheusRule: it is not deploy/prometheus/alerts.yml"]


def check_names(text: str) -> list[str]:
    """The command of an agent makes a name that NATS can have in a subject. `kvferry` is replaced by a program that prints its arguments."""
    [agent] = [
        container
        for one in yaml.safe_load_all(text)
        if one["kind"] == "StatefulSet" and one["metadata"]["name"] == "t-kvferry-decode"
        for container in one["spec"]["template"]["spec"]["initContainers"]
    ]
    broken = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "kvferry"
        program.write_text('#!/bin/sh\necho "$@"\n')
        program.chmod(0o755)
        for place, expected in AGENT_NAMES.items():
            env = {"PATH": f"{folder}:{os.environ['PATH']}", "AGENT_NAME": place}
            done = subprocess.run([*agent["command"], *agent["args"]], check=True, capture_output=True, text=True, env=env)
            made = done.stdout.strip().removeprefix("agent --config /etc/kvferry/agent/agent.json --agent-id ")
            broken += [] if made == expected else [f"the name of {place} is {made}, not {expected}"]
    return broken


def why_not_started(checks: Checks, user: int) -> str | None:
    """Why this machine cannot run a container as a pod does, or nothing."""
    if os.getuid() != 0:
        return "only root can run it as another user"
    if shutil.which("nats-server") is None:
        return "there is no nats-server"
    as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    if run(*as_user, "test", "-r", checks.main, "-a", "-x", checks.tools.node).returncode != 0:
        return f"user {user} cannot read {checks.tools.root}"
    done = run(*IN_NAMESPACES, "mount", "-o", "remount,bind,ro", "/")
    return done.stderr.strip() if done.returncode != 0 else None


def check_start(checks: Checks) -> tuple[bool, list[str]]:
    """Runs the container of the decode agents of the defaults. Whether it ran, and what is wrong."""
    found = {name(one): one for one in yaml.safe_load_all(checks.rendered("defaults")) if one is not None}
    [container] = found["DaemonSet t-kvferry-decode"]["spec"]["template"]["spec"]["containers"]
    reason = why_not_started(checks, container["securityContext"]["runAsUser"])
    if reason is not None:
        print(f"skipped: a container as a pod runs it: {reason}", file=sys.stderr)
        return False, []
    settings = found["ConfigMap t-kvferry-decode"]["data"]["agent.json"]
    order = {"container": container, "settings": settings, "node": str(checks.tools.node), "main": str(checks.main)}
    program = Path(__file__).with_name("start_container.py")
    done = run(*IN_NAMESPACES, sys.executable, program, input=json.dumps(order))
    if done.returncode != 0:
        return True, [f"the container does not run: {done.stderr.strip()}"]
    result = json.loads(done.stdout)
    is_right = set(result["probes"].values()) == {200} and result["status"] == 0
    return True, [] if is_right else [f"the container of an agent: {result}"]


def check_renderings(checks: Checks) -> tuple[Counter, list[str]]:
    kinds: Counter = Counter()
    broken = []
    for values, expected in RENDERED.items():
        text = checks.rendered(values)
        found = Counter(one["kind"] for one in yaml.safe_load_all(text) if one is not None)
        kinds += found
        broken += [f"{values}: {reason}" for reason in checks.wrong(text)]
        if found != expected:
            broken.append(f"{values}: {dict(found)} instead of {expected}")
        if "PrometheusRule" in expected:
            broken += check_rules(checks, text) + check_names(text)
    return kinds, broken


def check_faults(checks: Checks) -> list[str]:
    """Faults that nothing finds."""
    text = checks.rendered("sidecar")
    missed = []
    for right, wrong in FAULTS:
        if right not in text:
            missed.append(f"the fault {wrong!r} has no place: {right!r} is not rendered")
        elif not checks.wrong(text.replace(right, wrong, 1)):
            missed.append(f"nothing finds the fault {wrong!r}")
    for values, reason in REFUSED:
        done = checks.render("--set", values)
        if done.returncode == 0 or reason not in done.stderr:
            missed.append(f"--set {values} is not refused for {reason}: {done.stderr.strip()}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for tool in ("helm", "monitoring", "node", "root"):
        parser.add_argument(f"--{tool}", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object on the last line")
    tools = parser.parse_args()
    checks = Checks(tools)
    lint = run(tools.helm, "lint", "--strict", "--quiet", "--kube-version", VERSION, checks.chart)
    kinds, broken = check_renderings(checks)
    broken += [f"helm lint: {lint.stdout}{lint.stderr}"] if lint.returncode != 0 else []
    started, wrong = check_start(checks)
    broken += wrong
    missed = check_faults(checks)
    faults = len(FAULTS) + len(REFUSED)
    for what in broken + missed:
        print(f"broken: {what}", file=sys.stderr)
    summary = {
        "renderings": len(RENDERED),
        "resources": kinds.total(),
        "kinds": dict(sorted(kinds.items())),
        "started": started,
        "broken": broken,
        "faults": faults,
        "faultsFound": faults - len(missed),
    }
    print(json.dumps(summary) if tools.json else f"{kinds.total()} resources fit; {faults - len(missed)} of {faults} faults found")
    return 1 if broken or missed else 0


sys.exit(main())
