'use strict';
// Drives the unmodified Node client by lines of JSON, as the README of the folder above says.
//
// Commands that name the same thread run in order; a call that waits holds up its own thread only.
// Here a thread is a chain of promises, since the client has no threads of its own.

const readline = require('readline');
const zlib = require('zlib');
const { Client, Predicates } = require('hazelcast-client');

const clients = new Map();
const threads = new Map();
const listeners = new Map();
const fences = new Map();

function write(line) {
    const text = JSON.stringify(line, (key, value) =>
        typeof value === 'bigint' ? value.toString() : value);
    process.stdout.write(text + '\n');
}

function decode(value) {
    if (value !== null && typeof value === 'object' && '$blob' in value) {
        const bytes = Buffer.alloc(value.$blob);
        for (let i = 0; i < bytes.length; i++) {
            bytes[i] = (value.seed + i * 31) & 0xff;
        }
        return bytes;
    }
    return value;
}

// CRC-32 as in zlib; the module has it from Node 22 on only.
function crc32(bytes) {
    if (zlib.crc32 !== undefined) {
        return zlib.crc32(bytes);
    }
    let sum = 0xffffffff;
    for (const byte of bytes) {
        sum ^= byte;
        for (let bit = 0; bit < 8; bit++) {
            sum = (sum >>> 1) ^ (0xedb88320 & -(sum & 1));
        }
    }
    return (sum ^ 0xffffffff) >>> 0;
}

// Numbers of the client's Long type go as numbers: those that tests use are small enough.
function encode(value) {
    if (Buffer.isBuffer(value)) {
        return { $blob: value.length, crc32: crc32(value) };
    }
    if (value !== null && typeof value === 'object' && typeof value.toNumber === 'function') {
        return value.toNumber();
    }
    return value === undefined ? null : value;
}

// What the client calls, level by level; `log` is the general form.
const logger = {
    log: (level, object, message, error) =>
        process.stderr.write(`${level} ${object} ${message} ${error || ''}\n`),
};
for (const level of ['error', 'warn', 'info', 'debug', 'trace']) {
    logger[level] = (object, message, error) => logger.log(level, object, message, error);
}

function entries(pairs) {
    return Object.fromEntries(pairs.map(([key, value]) => [key, encode(value)]));
}

async function start(name, options) {
    const member = (type) => (event) => write({
        event: 'member', listener: name, type,
        member: event.member.uuid.toString(), port: event.member.address.port,
    });
    const config = {
        clusterName: options.cluster || 'dev',
        network: {
            clusterMembers: options.addresses,
            smartRouting: options.smart !== false,
        },
        connectionStrategy: {
            reconnectMode: options.reconnect || 'on',
            connectionRetry: { clusterConnectTimeoutMillis: options.connect_timeout_ms || 60000 },
        },
        lifecycleListeners: [(type) => write({ event: 'lifecycle', listener: name, type })],
        membershipListeners: [{ memberAdded: member('ADDED'), memberRemoved: member('REMOVED') }],
        properties: {
            'hazelcast.client.statistics.enabled': options.statistics === true,
        },
        // The log goes where the answers do not.
        customLogger: logger,
        nearCaches: Object.fromEntries((options.near_cache || []).map(
            (map) => [map, { invalidateOnChange: true }])),
    };
    if (options.heartbeat_interval_ms) {
        config.properties['hazelcast.client.heartbeat.interval'] = options.heartbeat_interval_ms;
    }
    if (options.heartbeat_timeout_ms) {
        config.properties['hazelcast.client.heartbeat.timeout'] = options.heartbeat_timeout_ms;
    }
    clients.set(name, await Client.newHazelcastClient(config));
    return null;
}

function entryListener(label) {
    const one = (type) => (event) => write({
        event: 'entry', listener: label, type, key: encode(event.key), value: encode(event.value),
        old: encode(event.oldValue), member: event.member.uuid.toString(),
    });
    const whole = (type) => (event) => write({
        event: 'entry', listener: label, type, count: event.numberOfAffectedEntries,
        member: event.member.uuid.toString(),
    });
    return {
        added: one('ADDED'), updated: one('UPDATED'), removed: one('REMOVED'),
        evicted: one('EVICTED'), expired: one('EXPIRED'),
        mapCleared: whole('CLEAR_ALL'), mapEvicted: whole('EVICT_ALL'),
    };
}

function itemListener(label) {
    const one = (type) => (event) => write({
        event: 'item', listener: label, type, value: encode(event.item),
        member: event.member.uuid.toString(),
    });
    return { itemAdded: one('ADDED'), itemRemoved: one('REMOVED') };
}

function view(entry) {
    if (entry === null) {
        return null;
    }
    return {
        key: encode(entry.key), value: encode(entry.value), ttl_ms: String(entry.ttl),
        max_idle_ms: String(entry.maxIdle), hits: encode(entry.hits),
        version: encode(entry.version), creation_time: encode(entry.creationTime),
    };
}

async function mapCall(client, call, command) {
    const map = await client.getMap(command.name);
    const key = decode(command.key);
    const value = decode(command.value);
    const ttl = command.ttl_ms;
    const maxIdle = command.max_idle_ms;
    const timeout = command.timeout_ms || 0;
    const label = command.listener;
    const calls = {
        put: () => map.put(key, value, ttl, maxIdle),
        set: () => map.set(key, value, ttl, maxIdle),
        put_if_absent: () => map.putIfAbsent(key, value, ttl, maxIdle),
        put_transient: () => map.putTransient(key, value, ttl, maxIdle),
        try_put: () => map.tryPut(key, value, timeout),
        set_ttl: () => map.setTtl(key, ttl),
        replace: () => map.replace(key, value),
        replace_if_same: () => map.replaceIfSame(key, decode(command.old), value),
        put_all: () => map.putAll(
            Object.entries(command.entries).map(([k, v]) => [k, decode(v)])),
        get: () => map.get(key),
        remove: () => map.remove(key),
        remove_if_same: () => map.remove(key, value),
        delete: () => map.delete(key),
        contains_key: () => map.containsKey(key),
        contains_value: () => map.containsValue(value),
        try_remove: () => map.tryRemove(key, timeout),
        evict: () => map.evict(key),
        evict_all: () => map.evictAll(),
        entry_view: async () => view(await map.getEntryView(key)),
        get_all: async () => entries(await map.getAll(command.keys)),
        size: () => map.size(),
        is_empty: () => map.isEmpty(),
        clear: () => map.clear(),
        flush: () => map.flush(),
        key_set: async () => [...await map.keySet()].map(encode),
        values: async () => [...await map.values()].map(encode),
        entry_set: async () => entries([...await map.entrySet()]),
        remove_all: () => map.removeAll(Predicates.alwaysTrue()),
        lock: () => map.lock(key, command.lease_ms),
        try_lock: () => map.tryLock(key, timeout, command.lease_ms),
        unlock: () => map.unlock(key),
        is_locked: () => map.isLocked(key),
        force_unlock: () => map.forceUnlock(key),
        add_listener: async () => {
            const withValue = command.include_value !== false;
            const id = command.key === undefined
                ? await map.addEntryListener(entryListener(label), undefined, withValue)
                : await map.addEntryListener(entryListener(label), key, withValue);
            listeners.set(label, id);
            return id;
        },
        remove_listener: () => map.removeEntryListener(listeners.get(label)),
        destroy: () => map.destroy(),
        add_index: () => map.addIndex({ type: 'HASH', attributes: ['name'] }),
        key_set_where: async () =>
            [...await map.keySetWithPredicate(Predicates.sql(command.sql))].map(encode),
        load_all: () => map.loadAll(),
    };
    return encode(await calls[call]());
}

async function setCall(client, call, command) {
    const set = await client.getSet(command.name);
    const value = decode(command.value);
    const calls = {
        add: () => set.add(value),
        contains: () => set.contains(value),
        remove: () => set.remove(value),
        add_all: () => set.addAll(command.values),
        contains_all: () => set.containsAll(command.values),
        remove_all: () => set.removeAll(command.values),
        retain_all: () => set.retainAll(command.values),
        get_all: async () => [...await set.toArray()].map(encode),
        size: () => set.size(),
        is_empty: () => set.isEmpty(),
        clear: () => set.clear(),
        destroy: () => set.destroy(),
        add_listener: async () => {
            const listener = itemListener(command.listener);
            const id = await set.addItemListener(listener, command.include_value !== false);
            listeners.set(command.listener, id);
            return id;
        },
        remove_listener: () => set.removeItemListener(listeners.get(command.listener)),
    };
    return encode(await calls[call]());
}

// The client identifies a holder by the fence it was given: it is kept by client, lock and thread.
async function lockCall(client, call, command) {
    const lock = await client.getCPSubsystem().getLock(command.name);
    const holder = [command.client || 'default', command.name, command.thread || 'main'].join('\n');
    const taken = (fence) => {
        if (fence !== undefined) {
            fences.set(holder, fence);
        }
        return fence === undefined ? 0 : fence;
    };
    const calls = {
        lock: async () => taken(await lock.lock()),
        try_lock: async () => taken(await lock.tryLock(command.timeout_ms || 0)),
        // A fence that was never given stands for a thread that does not hold the lock.
        unlock: () => lock.unlock(fences.get(holder)),
        is_locked: () => lock.isLocked(),
        destroy: () => lock.destroy(),
    };
    return encode(await calls[call]());
}

async function instanceCall(client, op, command) {
    const calls = {
        shutdown: () => client.shutdown(),
        is_running: () => client.getLifecycleService().isRunning(),
        'flake_id.new_ids': async () => {
            const ids = await client.getFlakeIdGenerator(command.name);
            const made = [];
            for (let i = 0; i < (command.count || 1); i++) {
                // 64 bits do not fit a JSON number here.
                made.push((await ids.newId()).toString());
            }
            return made;
        },
        'objects.list': async () => (await client.getDistributedObjects())
            .map((object) => `${object.getServiceName()}/${object.getName()}`),
        'objects.add_listener': async () => {
            const id = await client.addDistributedObjectListener((event) => write({
                event: 'object', listener: command.listener,
                type: event.eventType.toUpperCase(),
                service: event.serviceName, name: event.objectName,
            }));
            listeners.set(command.listener, id);
            return id;
        },
        'objects.remove_listener': () =>
            client.removeDistributedObjectListener(listeners.get(command.listener)),
        members: () => client.getCluster().getMembers().map((member) => member.address.port),
        sql: async () => { await (await client.getSql().execute(command.sql)).close(); },
        'queue.offer': async () =>
            (await client.getQueue(command.name)).offer(decode(command.value)),
    };
    return encode(await calls[op]());
}

async function dispatch(command) {
    const name = command.client || 'default';
    if (command.op === 'start') {
        return start(name, command);
    }
    const client = clients.get(name);
    const dot = command.op.indexOf('.');
    const families = { map: mapCall, set: setCall, lock: lockCall };
    const family = families[command.op.slice(0, Math.max(dot, 0))];
    return family === undefined
        ? instanceCall(client, command.op, command)
        : family(client, command.op.slice(dot + 1), command);
}

async function answer(command) {
    const line = { id: command.id };
    try {
        const value = await dispatch(command);
        line.ok = value === undefined ? null : value;
    } catch (error) {
        // Most classes of the client leave the name at that of their base.
        line.error = error.name === 'Error' ? error.constructor.name : error.name;
        line.message = error.message;
        line.causes = error.cause ? [String(error.cause)] : [];
    }
    write(line);
}

readline.createInterface({ input: process.stdin })
    .on('line', (text) => {
        const command = JSON.parse(text);
        const thread = command.thread || 'main';
        const before = threads.get(thread) || Promise.resolve();
        threads.set(thread, before.then(() => answer(command)));
    })
    // The client's sockets would keep the process; the test has closed our input.
    .on('close', () => process.exit(0));
