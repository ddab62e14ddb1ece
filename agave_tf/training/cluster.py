"""The processes that TF_CONFIG lists, and which of them this one is.

Cloud services set this environment variable for a single process too, and then often
without a cluster.
"""

import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from absl import logging

from agave_tf.errors import InputError

_EXAMPLE = (
    '{"cluster": {"worker": ["HOST:PORT", ...]}, '
    '"task": {"type": "worker", "index": N}}'
)
# Jobs of which every process trains. TensorFlow 1 called the chief "master".
_JOB = {"chief": "chief", "master": "chief", "worker": "worker"}
# Jobs that TensorFlow knows, and that have no part in this training.
_IDLE = ("evaluator", "ps")


class Cluster(NamedTuple):
    """The processes that train together; none where TF_CONFIG has no cluster."""

    addresses: Mapping[str, list[str]]  # HOST:PORT by job, "chief" or "worker"
    task_type: str  # the job of this process
    task_index: int  # among those of its job

    @property
    def num_processes(self) -> int:
        """The number of processes that train, the chief among them."""
        return sum(len(addresses) for addresses in self.addresses.values())


def read_cluster() -> Cluster:
    """Reads TF_CONFIG.

    The task of a lone process need not be given. Parameter servers and evaluators in
    the cluster are left out.

    Raises:
      InputError: TF_CONFIG is not JSON, its cluster is malformed, this process is none
        that trains, or TF_CONFIG does not tell which one it is.
    """
    content = _content()
    task = _object(content, "task")
    task_type = task.get("type", "worker")
    if task_type in _IDLE:
        raise InputError(
            "`TF_CONFIG` must give this process the task chief or worker; got "
            f"{task_type}. The chief evaluates, and there are no parameter servers: "
            "start neither."
        )
    addresses = _addresses(_object(content, "cluster"))
    cluster = Cluster(addresses, _JOB.get(task_type, task_type), 0)
    if cluster.num_processes < 2:
        return cluster
    return cluster._replace(task_index=_task_index(cluster, task))


def shown_tf_config() -> str:
    """TF_CONFIG as a message quotes it: in one line, which is cut if it is long."""
    text = " ".join(os.environ.get("TF_CONFIG", "").split())
    return (text if len(text) <= 200 else f"{text[:200]}...") or "nothing"


def malformed(required: str) -> InputError:
    """The error for a TF_CONFIG that is not as `required`."""
    return InputError(
        f"`TF_CONFIG` must {required}, as in {_EXAMPLE}; got {shown_tf_config()}. "
        "--strategy=one and --strategy=mirrored do not use it."
    )


def _content() -> dict[str, Any]:
    """TF_CONFIG as JSON; empty where it is not set."""
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise malformed("be valid JSON") from error
    if not isinstance(content, dict):
        raise malformed("be a JSON object")
    return content


def _object(content: dict[str, Any], name: str) -> dict[str, Any]:
    """The object `name`; empty where it is missing or null."""
    value = content.get(name) or {}
    if not isinstance(value, dict):
        raise malformed(f'have an object as its "{name}"')
    return value


def _addresses(cluster: dict[str, Any]) -> dict[str, list[str]]:
    """The addresses of the processes that train, by job."""
    found: dict[str, list[str]] = {}
    for job, addresses in cluster.items():
        if job in _IDLE:
            logging.warning("TF_CONFIG lists the job %s, which is not used.", job)
            continue
        if job not in _JOB:
            raise malformed("list the jobs chief and worker alone")
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            raise malformed("list an address HOST:PORT for each process")
        if addresses:
            found[_JOB[job]] = found.get(_JOB[job], []) + addresses
    if len(found.get("chief", [])) > 1:
        raise malformed("list one chief at most")
    everyone = [address for addresses in found.values() for address in addresses]
    if len(set(everyone)) < len(everyone):
        raise malformed("list every address once")
    return found


def _is_address(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\S+:\d+", value))


def _task_index(cluster: Cluster, task: dict[str, Any]) -> int:
    """The place of this process among those of its job, checked."""
    index = str(task.get("index"))  # Shell scripts write it as a string.
    places = [str(n) for n in range(len(cluster.addresses.get(cluster.task_type, [])))]
    if "type" not in task or index not in places:
        raise malformed('tell by its "task" which process of its cluster this is')
    return int(index)
