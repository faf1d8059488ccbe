"""Hands on what a playbook says with set_stats as the outputs of its task. Enabled by the runner, for workflow tasks only."""

from __future__ import absolute_import, division, print_function

import datetime
import json
import os

from ansible.plugins.callback import CallbackBase

__metaclass__ = type

DOCUMENTATION = """
    name: semaphore_outputs
    type: aggregate
    short_description: Writes run-level set_stats data to $SEMAPHORE_OUTPUTS_FILE
    description:
      - Data of C(set_stats) with C(per_host=false), which is the default, becomes a JSON object in the file that the environment
        variable C(SEMAPHORE_OUTPUTS_FILE) names.
      - Values that a task with C(no_log) set and values encrypted with Ansible Vault are left out.
    options: {}
"""

SET_STATS = ("set_stats", "ansible.builtin.set_stats", "ansible.legacy.set_stats")


class Secret(Exception):
    """The value is not to be shown."""


class CallbackModule(CallbackBase):
    """Needs no entry in callbacks_enabled, so that the one of the user stays as it is."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "semaphore_outputs"

    def __init__(self, *args, **kwargs):
        super(CallbackModule, self).__init__(*args, **kwargs)
        self._hidden = set()

    def v2_runner_on_ok(self, result):
        """Notes the names that a task with no_log has set: the final data does not tell where they come from."""
        fields = getattr(result, "_task_fields", None) or {}
        if fields.get("no_log") and fields.get("action") in SET_STATS:
            data = (fields.get("args") or {}).get("data")
            if isinstance(data, dict):
                self._hidden.update(data)

    v2_runner_item_on_ok = v2_runner_on_ok

    def v2_playbook_on_stats(self, stats):
        path = os.environ.get("SEMAPHORE_OUTPUTS_FILE")
        data = (getattr(stats, "custom", None) or {}).get("_run")
        if not path or not data:
            return
        outputs = {}
        for name, value in data.items():
            try:
                if name in self._hidden:
                    raise Secret("its task has no_log")
                outputs[str(name)] = plain(value)
            except (Secret, TypeError, ValueError) as error:
                self._display.warning("The output %s is left out: %s" % (name, error))
        try:
            with open(path, "w") as stream:
                json.dump(outputs, stream)
        except (IOError, OSError) as error:
            self._display.warning("The outputs cannot be written: %s" % error)


def plain(value):
    """The value as JSON knows it, free of the types that Ansible wraps around texts."""
    if hasattr(value, "__ENCRYPTED__") or type(value).__name__ == "EncryptedString":
        raise Secret("it is encrypted with Ansible Vault")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return dict((str(name), plain(entry)) for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (set, frozenset)):
        return [plain(entry) for entry in sorted(value)]
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, bytes) and not isinstance(value, str):
        return value.decode("utf-8")
    if isinstance(value, float) and value not in (float("inf"), float("-inf")) and value == value:
        return float(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        raise ValueError("JSON has no %r" % value)
    return u"%s" % value
