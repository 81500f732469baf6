"""Drives the unmodified Python client by lines of JSON, as the README of the folder above says.

Each command runs on the thread it names, since locks belong to threads; commands of one thread run
in order, and a blocking call holds up its own thread only.
"""

import json
import logging
import os
import queue
import sys
import threading
import zlib

import hazelcast
from hazelcast.config import ReconnectMode
from hazelcast.core import DistributedObjectEventType
from hazelcast.predicate import sql as sql_predicate
from hazelcast.predicate import true as true_predicate
from hazelcast.proxy.base import EntryEventType, ItemEventType

ENTRY_TYPES = {
    EntryEventType.ADDED: "ADDED",
    EntryEventType.REMOVED: "REMOVED",
    EntryEventType.UPDATED: "UPDATED",
    EntryEventType.EVICTED: "EVICTED",
    EntryEventType.EXPIRED: "EXPIRED",
    EntryEventType.EVICT_ALL: "EVICT_ALL",
    EntryEventType.CLEAR_ALL: "CLEAR_ALL",
}

out_lock = threading.Lock()
clients = {}
threads = {}
listeners = {}


def write(line):
    with out_lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def decode(value):
    if isinstance(value, dict):
        seed = value["seed"]
        # The pattern repeats every 256 bytes, since only the low byte of seed + 31 i is kept.
        block = bytearray((seed + i * 31) % 256 for i in range(256))
        return (block * (value["$blob"] // 256 + 1))[: value["$blob"]]
    return value


def encode(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$blob": len(value), "crc32": zlib.crc32(value)}
    return value


def encode_all(values):
    return [encode(value) for value in values]


def seconds(command, field):
    return None if field not in command else command[field] / 1000


def start(name, options):
    def on_lifecycle(state):
        write({"event": "lifecycle", "listener": name, "type": state})

    def on_member(kind):
        return lambda member: write(
            {
                "event": "member",
                "listener": name,
                "type": kind,
                "member": str(member.uuid),
                "port": member.address.port,
            }
        )

    config = {
        "cluster_name": options.get("cluster", "dev"),
        "cluster_members": options["addresses"],
        "smart_routing": options.get("smart", True),
        "reconnect_mode": getattr(ReconnectMode, options.get("reconnect", "on").upper()),
        "cluster_connect_timeout": options.get("connect_timeout_ms", 60_000) / 1000,
        "lifecycle_listeners": [on_lifecycle],
        "membership_listeners": [(on_member("ADDED"), on_member("REMOVED"))],
        "statistics_enabled": options.get("statistics", False),
    }
    for key in ("heartbeat_interval", "heartbeat_timeout"):
        if key + "_ms" in options:
            config[key] = options[key + "_ms"] / 1000
    clients[name] = hazelcast.HazelcastClient(**config)


def entry_listener(label):
    def report(event):
        line = {
            "event": "entry",
            "listener": label,
            "type": ENTRY_TYPES.get(event.event_type, str(event.event_type)),
            "member": str(event.uuid),
        }
        if event.event_type in (EntryEventType.EVICT_ALL, EntryEventType.CLEAR_ALL):
            line["count"] = event.number_of_affected_entries
        else:
            line["key"] = encode(event.key)
            line["value"] = encode(event.value)
            line["old"] = encode(event.old_value)
        write(line)

    return report


def add_entry_listener(instance, command):
    label = command["listener"]
    report = entry_listener(label)
    names = ("added", "removed", "updated", "evicted", "expired", "clear_all", "evict_all")
    registration = instance.add_entry_listener(
        include_value=command.get("include_value", True),
        key=decode(command.get("key")),
        **{name + "_func": report for name in names},
    )
    listeners[label] = registration
    return str(registration)


def view(entry):
    if entry is None:
        return None
    return {
        "key": encode(entry.key),
        "value": encode(entry.value),
        "ttl_ms": entry.ttl,
        "max_idle_ms": entry.max_idle,
        "hits": entry.hits,
        "version": entry.version,
        "creation_time": entry.creation_time,
        "expiration_time": entry.expiration_time,
        "last_update_time": entry.last_update_time,
    }


def map_call(client, call, command):
    m = client.get_map(command["name"]).blocking()
    key = decode(command.get("key"))
    value = decode(command.get("value"))
    times = {"ttl": seconds(command, "ttl_ms"), "max_idle": seconds(command, "max_idle_ms")}
    timeout = command.get("timeout_ms", 0) / 1000
    calls = {
        "put": lambda: encode(m.put(key, value, **times)),
        "set": lambda: m.set(key, value, **times),
        "put_if_absent": lambda: encode(m.put_if_absent(key, value, **times)),
        "put_transient": lambda: m.put_transient(key, value, **times),
        "try_put": lambda: m.try_put(key, value, timeout),
        "set_ttl": lambda: m.set_ttl(key, times["ttl"]),
        "replace": lambda: encode(m.replace(key, value)),
        "replace_if_same": lambda: m.replace_if_same(key, decode(command["old"]), value),
        "put_all": lambda: m.put_all({k: decode(v) for k, v in command["entries"].items()}),
        "get": lambda: encode(m.get(key)),
        "remove": lambda: encode(m.remove(key)),
        "remove_if_same": lambda: m.remove_if_same(key, value),
        "delete": lambda: m.delete(key),
        "contains_key": lambda: m.contains_key(key),
        "contains_value": lambda: m.contains_value(value),
        "try_remove": lambda: m.try_remove(key, timeout),
        "evict": lambda: m.evict(key),
        "evict_all": m.evict_all,
        "entry_view": lambda: view(m.get_entry_view(key)),
        "get_all": lambda: {k: encode(v) for k, v in m.get_all(command["keys"]).items()},
        "size": m.size,
        "is_empty": m.is_empty,
        "clear": m.clear,
        "flush": m.flush,
        "key_set": lambda: encode_all(m.key_set()),
        "values": lambda: encode_all(m.values()),
        "entry_set": lambda: {k: encode(v) for k, v in m.entry_set()},
        "remove_all": lambda: m.remove_all(true_predicate()),
        "lock": lambda: m.lock(key, seconds(command, "lease_ms")),
        "try_lock": lambda: m.try_lock(key, seconds(command, "lease_ms"), timeout),
        "unlock": lambda: m.unlock(key),
        "is_locked": lambda: m.is_locked(key),
        "force_unlock": lambda: m.force_unlock(key),
        "add_listener": lambda: add_entry_listener(m, command),
        "remove_listener": lambda: m.remove_entry_listener(listeners.pop(command["listener"])),
        "destroy": m.destroy,
        "add_index": lambda: m.add_index(attributes=["name"]),
        "key_set_where": lambda: encode_all(m.key_set(sql_predicate(command["sql"]))),
        "load_all": m.load_all,
    }
    return calls[call]()


def add_item_listener(s, command):
    label = command["listener"]

    def report(event):
        kind = "ADDED" if event.event_type == ItemEventType.ADDED else "REMOVED"
        write(
            {
                "event": "item",
                "listener": label,
                "type": kind,
                "value": encode(event.item),
                "member": str(event.member.uuid),
            }
        )

    registration = s.add_listener(command.get("include_value", True), report, report)
    listeners[label] = registration
    return str(registration)


def set_call(client, call, command):
    s = client.get_set(command["name"]).blocking()
    value = decode(command.get("value"))
    calls = {
        "add": lambda: s.add(value),
        "contains": lambda: s.contains(value),
        "remove": lambda: s.remove(value),
        "add_all": lambda: s.add_all(command["values"]),
        "contains_all": lambda: s.contains_all(command["values"]),
        "remove_all": lambda: s.remove_all(command["values"]),
        "retain_all": lambda: s.retain_all(command["values"]),
        "get_all": lambda: encode_all(s.get_all()),
        "size": s.size,
        "is_empty": s.is_empty,
        "clear": s.clear,
        "destroy": s.destroy,
        "add_listener": lambda: add_item_listener(s, command),
        "remove_listener": lambda: s.remove_listener(listeners.pop(command["listener"])),
    }
    return calls[call]()


def lock_call(client, call, command):
    lock = client.cp_subsystem.get_lock(command["name"]).blocking()
    calls = {
        "lock": lock.lock,
        "try_lock": lambda: lock.try_lock(command.get("timeout_ms", 0) / 1000),
        "unlock": lock.unlock,
        "is_locked": lock.is_locked,
        "is_mine": lock.is_locked_by_current_thread,
        "count": lock.get_lock_count,
        "destroy": lock.destroy,
    }
    return calls[call]()


def add_object_listener(client, command):
    label = command["listener"]

    def report(event):
        created = event.event_type == DistributedObjectEventType.CREATED
        write(
            {
                "event": "object",
                "listener": label,
                "type": "CREATED" if created else "DESTROYED",
                "service": event.service_name,
                "name": event.name,
            }
        )

    registration = client.add_distributed_object_listener(report).result()
    listeners[label] = registration
    return str(registration)


def instance_call(client, op, command):
    def new_ids():
        ids = client.get_flake_id_generator(command["name"]).blocking()
        return [ids.new_id() for _ in range(command.get("count", 1))]

    calls = {
        "shutdown": client.shutdown,
        "is_running": lambda: client.lifecycle_service.is_running(),
        "flake_id.new_ids": new_ids,
        "objects.list": lambda: [
            o.service_name + "/" + o.name for o in client.get_distributed_objects()
        ],
        "objects.add_listener": lambda: add_object_listener(client, command),
        "objects.remove_listener": lambda: client.remove_distributed_object_listener(
            listeners.pop(command["listener"])
        ).result(),
        "members": lambda: [m.address.port for m in client.cluster_service.get_members()],
        "sql": lambda: client.sql.execute(command["sql"]).result() and None,
        "queue.offer": lambda: client.get_queue(command["name"])
        .blocking()
        .offer(decode(command["value"])),
    }
    return calls[op]()


def dispatch(command):
    op = command["op"]
    name = command.get("client", "default")
    if op == "start":
        return start(name, command)
    client = clients[name]
    family, _, call = op.partition(".")
    families = {"map": map_call, "set": set_call, "lock": lock_call}
    if family in families:
        return families[family](client, call, command)
    return instance_call(client, op, command)


def answer(command):
    line = {"id": command["id"]}
    try:
        line["ok"] = dispatch(command)
    except BaseException as error:  # noqa: B902 - whatever the client raises is the answer
        line["error"] = type(error).__name__
        line["message"] = str(error)
        line["causes"] = [repr(error.__cause__)] if error.__cause__ else []
    write(line)


def serve(commands):
    while True:
        answer(commands.get())


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    for text in sys.stdin:
        command = json.loads(text)
        name = command.get("thread", "main")
        if name not in threads:
            threads[name] = queue.Queue()
            threading.Thread(target=serve, args=(threads[name],), daemon=True).start()
        threads[name].put(command)
    # The client's own threads would keep the process; the test has closed our input.
    os._exit(0)


main()
