"""Performs the operations of a history on unmodified Python clients, by lines of JSON.

The lines are described in the README of the folder above.
"""

import collections
import itertools
import json
import logging
import os
import queue
import sys
import threading
import time

import hazelcast
from hazelcast.config import IntType, ReconnectMode
from hazelcast.lifecycle import LifecycleState
from hazelcast.proxy.base import EntryEventType

EVENTS = {
    EntryEventType.ADDED: "added",
    EntryEventType.REMOVED: "removed",
    EntryEventType.UPDATED: "updated",
    EntryEventType.EVICTED: "evicted",
    EntryEventType.EXPIRED: "expired",
    EntryEventType.EVICT_ALL: "evict-all",
    EntryEventType.CLEAR_ALL: "clear-all",
}
END, LEAVE = object(), object()

out_lock = threading.Lock()


def write(line):
    with out_lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


class NotStarted(Exception):
    """A call that was never given to the client."""


class Worker:
    """One client and the one thread that uses it, for one process after the other."""

    numbers = itertools.count(1)

    def __init__(self, idle):
        self.number = next(Worker.numbers)
        self.idle = idle
        self.client = None
        # A session or a listener stays behind: only the end of the client ends it.
        self.marked = False
        # Calls that were given to the thread, and those that have returned.
        self.taken = 0
        self.done = 0
        self.connected = threading.Event()
        self.listeners = set()
        self.commands = queue.Queue()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            command, due = self.commands.get()
            if command is END:
                return
            if command is LEAVE:
                self.idle.append(self)
            else:
                answer(command, lambda: self.obey(command, due))

    def take(self, command):
        if command.get("object") == "lock" or command.get("f") == "listen":
            self.marked = True
        due = time.monotonic() + command.get("within", 5000) / 1000
        self.taken += 1
        self.commands.put((command, due))

    def leave(self):
        """Its process is gone: the next one gets it once the last call has returned."""
        if not self.marked:
            if self.taken == self.done:
                self.idle.append(self)
            else:
                self.commands.put((LEAVE, 0))
            return
        self.commands.put((END, 0))
        threading.Thread(target=self.crash, daemon=True).start()

    def crash(self):
        # A session that is closed ends earlier than it may: the client is made to forget it.
        self.client._proxy_session_manager._sessions.clear()
        self.client.shutdown()

    def obey(self, command, due):
        try:
            if time.monotonic() > due:
                raise NotStarted("an earlier call took all the time")
            return self.open(command) if "do" in command else self.perform(command)
        finally:
            self.done += 1

    def open(self, options):
        if self.client is None:
            self.client = hazelcast.HazelcastClient(**self.config(options))
        if not self.connected.wait(options["within"] / 1000):
            raise NotStarted("no connection in time")

    def config(self, options):
        def on_lifecycle(state):
            if state == LifecycleState.CONNECTED:
                self.connected.set()
            elif state == LifecycleState.DISCONNECTED:
                self.connected.clear()
                self.lose()

        config = {
            "client_name": "worker-%d" % self.number,
            "cluster_name": options["cluster"],
            "cluster_members": options["addresses"],
            "smart_routing": options.get("smart", False),
            "redo_operation": False,
            "connection_timeout": options["within"] / 1000,
            # While there is no connection, calls are refused at once instead of waiting for one.
            "async_start": True,
            "reconnect_mode": ReconnectMode.ASYNC,
            "retry_initial_backoff": 0.05,
            "retry_max_backoff": 0.5,
            "cluster_connect_timeout": -1,
            "invocation_retry_pause": 0.1,
            "default_int_type": IntType.LONG,
            "lifecycle_listeners": [on_lifecycle],
            "membership_listeners": [(None, lambda member: self.lose())],
        }
        if "invocation_timeout_s" in options:
            config["invocation_timeout"] = options["invocation_timeout_s"]
        for key in ("heartbeat_interval", "heartbeat_timeout"):
            if key + "_ms" in options:
                config[key] = options[key + "_ms"] / 1000
        return config

    def lose(self):
        """The client registers again by itself; what happened meanwhile it never tells."""
        for listener in list(self.listeners):
            self.listeners.discard(listener)
            write({"listener": listener, "f": "lost"})

    def perform(self, op):
        families = {
            "map": (self.client.get_map, self.on_map),
            "set": (self.client.get_set, on_set),
            "lock": (self.client.cp_subsystem.get_lock, on_lock),
            "flake": (self.client.get_flake_id_generator, new_ids),
        }
        if op["object"] not in families:
            raise NotStarted("no such kind of object")
        find, call = families[op["object"]]
        try:
            found = find(op["name"]).blocking()
        except Exception as error:
            # What fails while the object is looked up was not asked of the object.
            raise NotStarted(repr(error)) from error
        return call(found, op)

    def on_map(self, m, op):
        key, value = op.get("key"), op.get("value")
        ttl = op["ttl"] / 1000 if "ttl" in op else None
        calls = {
            "get": lambda: m.get(key),
            "read": lambda: m.get(key),
            "put": lambda: m.put(key, value, ttl),
            "set": lambda: m.set(key, value, ttl),
            "write": lambda: m.set(key, value, ttl),
            "put-if-absent": lambda: m.put_if_absent(key, value, ttl),
            "replace": lambda: m.replace(key, value),
            "replace-if": lambda: compare_and_set(m, key, *value),
            "cas": lambda: compare_and_set(m, key, *value),
            "remove": lambda: m.remove(key),
            "remove-if": lambda: m.remove_if_same(key, value),
            "delete": lambda: m.delete(key),
            "contains": lambda: m.contains_key(key),
            "size": m.size,
            "is-empty": m.is_empty,
            "keys": lambda: list(m.key_set()),
            "entries": lambda: {str(k): v for k, v in m.entry_set()},
            "get-all": lambda: {str(k): v for k, v in m.get_all(value).items()},
            "put-all": lambda: m.put_all(value),
            "clear": m.clear,
            "listen": lambda: self.listen(m, key, op["listener"]),
        }
        return chosen(calls, op)()

    def listen(self, m, key, label):
        def report(event):
            line = {"listener": label, "f": EVENTS.get(event.event_type, "unknown")}
            if event.event_type not in (EntryEventType.EVICT_ALL, EntryEventType.CLEAR_ALL):
                line.update(key=event.key, value=event.value, old=event.old_value)
            write(line)

        self.listeners.add(label)
        names = ("added", "removed", "updated", "evicted", "expired", "clear_all", "evict_all")
        reports = {name + "_func": report for name in names}
        m.add_entry_listener(include_value=True, key=key, **reports)


def chosen(calls, op):
    if op["f"] not in calls:
        raise NotStarted("a %s has no operation %s" % (op["object"], op["f"]))
    return calls[op["f"]]


def compare_and_set(m, key, old, new):
    if old is None:
        return m.put_if_absent(key, new) is None
    return m.remove_if_same(key, old) if new is None else m.replace_if_same(key, old, new)


def on_set(s, op):
    value = op.get("value")
    calls = {
        "add": lambda: s.add(value),
        "remove": lambda: s.remove(value),
        "contains": lambda: s.contains(value),
        "read": lambda: list(s.get_all()),
        "size": s.size,
        "is-empty": s.is_empty,
        "clear": s.clear,
    }
    return chosen(calls, op)()


def on_lock(lock, op):
    calls = {
        "acquire": lock.lock,
        "try-acquire": lambda: lock.try_lock(op.get("value", 0) / 1000),
        "release": lock.unlock,
        "is-locked": lock.is_locked,
        "lock-count": lock.get_lock_count,
    }
    return chosen(calls, op)()


def new_ids(ids, op):
    calls = {"generate": lambda: [ids.new_id() for _ in range(op.get("value", 1))]}
    return chosen(calls, op)()


def cause_of(error):
    return "; caused by %r" % error.__cause__ if error.__cause__ else ""


def answer(command, call):
    line = {"id": command["id"]}
    try:
        line["ok"] = call()
    except BaseException as error:  # noqa: B902 - whatever the client raises is the answer
        line["error"] = type(error).__name__
        line["message"] = (str(error) + cause_of(error))[:500]
    write(line)


def refuse():
    raise NotStarted("the process has no client")


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    processes = {}
    # Workers without a process, by the options they were opened with.
    idle = collections.defaultdict(collections.deque)
    for text in sys.stdin:
        command = json.loads(text)
        number, order = command["process"], command.get("do", "perform")
        if order == "close":
            worker = processes.pop(number, None)
            if worker is not None:
                worker.leave()
            continue
        if order == "open":
            passing = ("id", "process", "within")
            kept = {key: value for key, value in command.items() if key not in passing}
            workers = idle[json.dumps(kept, sort_keys=True)]
            processes[number] = workers.popleft() if workers else Worker(workers)
        if number in processes:
            processes[number].take(command)
        else:
            answer(command, refuse)
    # The clients' own threads would keep the process; the harness has closed our input.
    os._exit(0)


main()
