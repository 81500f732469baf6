//! Map: the distributed map.

use crate::custom::SimpleEntryView;
use crate::data::Data;
use crate::field::{Entries, ProtocolUuid};
use crate::message::messages;

messages! {
    service Map = 0x01;

    0x01 Put put once by_key
        { name: String, key: Data, value: Data, thread_id: i64, ttl: i64 }
        => { response: Option<Data> };

    0x02 Get get retryable by_key
        { name: String, key: Data, thread_id: i64 } => { response: Option<Data> };

    0x03 Remove remove once by_key
        { name: String, key: Data, thread_id: i64 } => { response: Option<Data> };

    0x04 Replace replace once by_key
        { name: String, key: Data, value: Data, thread_id: i64 } => { response: Option<Data> };

    0x05 ReplaceIfSame replace_if_same once by_key
        { name: String, key: Data, test_value: Data, value: Data, thread_id: i64 }
        => { response: bool };

    0x06 ContainsKey contains_key retryable by_key
        { name: String, key: Data, thread_id: i64 } => { response: bool };

    0x07 ContainsValue contains_value retryable anywhere
        { name: String, value: Data } => { response: bool };

    0x08 RemoveIfSame remove_if_same once by_key
        { name: String, key: Data, value: Data, thread_id: i64 } => { response: bool };

    0x09 Delete delete once by_key
        { name: String, key: Data, thread_id: i64 } => { #[since("2.7")] response: bool };

    0x0a Flush flush once anywhere
        { name: String } => {};

    0x0b TryRemove try_remove once by_key
        { name: String, key: Data, thread_id: i64, timeout: i64 } => { response: bool };

    0x0c TryPut try_put once by_key
        { name: String, key: Data, value: Data, thread_id: i64, timeout: i64 }
        => { response: bool };

    0x0d PutTransient put_transient once by_key
        { name: String, key: Data, value: Data, thread_id: i64, ttl: i64 } => {};

    0x0e PutIfAbsent put_if_absent once by_key
        { name: String, key: Data, value: Data, thread_id: i64, ttl: i64 }
        => { response: Option<Data> };

    0x0f Set set once by_key
        { name: String, key: Data, value: Data, thread_id: i64, ttl: i64 } => {};

    0x10 Lock lock retryable by_key
        { name: String, key: Data, thread_id: i64, ttl: i64, reference_id: i64 } => {};

    0x11 TryLock try_lock retryable by_key
        { name: String, key: Data, thread_id: i64, lease: i64, timeout: i64, reference_id: i64 }
        => { response: bool };

    0x12 IsLocked is_locked retryable by_key
        { name: String, key: Data } => { response: bool };

    0x13 Unlock unlock retryable by_key
        { name: String, key: Data, thread_id: i64, reference_id: i64 } => {};

    0x18 AddEntryListenerToKey add_entry_listener_to_key once anywhere
        { name: String, key: Data, include_value: bool, listener_flags: i32, local_only: bool }
        => { response: ProtocolUuid }
        event 2 EntryEvent {
            key: Option<Data>, value: Option<Data>, old_value: Option<Data>,
            merging_value: Option<Data>, event_type: i32, uuid: ProtocolUuid,
            number_of_affected_entries: i32
        };

    0x19 AddEntryListener add_entry_listener once anywhere
        { name: String, include_value: bool, listener_flags: i32, local_only: bool }
        => { response: ProtocolUuid }
        event 2 EntryEvent {
            key: Option<Data>, value: Option<Data>, old_value: Option<Data>,
            merging_value: Option<Data>, event_type: i32, uuid: ProtocolUuid,
            number_of_affected_entries: i32
        };

    0x1a RemoveEntryListener remove_entry_listener retryable anywhere
        { name: String, registration_id: ProtocolUuid } => { response: bool };

    0x1d GetEntryView get_entry_view retryable by_key
        { name: String, key: Data, thread_id: i64 }
        => { response: Option<SimpleEntryView>, max_idle: i64 };

    0x1e Evict evict once by_key
        { name: String, key: Data, thread_id: i64 } => { response: bool };

    0x1f EvictAll evict_all once anywhere
        { name: String } => {};

    0x22 KeySet key_set retryable anywhere
        { name: String } => { response: Vec<Data> };

    0x23 GetAll get_all once by_any_key
        { name: String, keys: Vec<Data> } => { response: Entries<Data, Data> };

    0x24 Values values retryable anywhere
        { name: String } => { response: Vec<Data> };

    0x25 EntrySet entry_set retryable anywhere
        { name: String } => { response: Entries<Data, Data> };

    0x2a Size size retryable anywhere
        { name: String } => { response: i32 };

    0x2b IsEmpty is_empty retryable anywhere
        { name: String } => { response: bool };

    0x2c PutAll put_all once by_any_key
        { name: String, entries: Entries<Data, Data>, #[since("2.1")] trigger_map_loader: bool }
        => {};

    0x2d Clear clear once anywhere
        { name: String } => {};

    0x33 ForceUnlock force_unlock retryable by_key
        { name: String, key: Data, reference_id: i64 } => {};

    0x37 FetchKeys fetch_keys retryable by_partition_id
        { name: String, iteration_pointers: Entries<i32, i32>, batch: i32 }
        => { iteration_pointers: Entries<i32, i32>, keys: Vec<Data> };

    0x38 FetchEntries fetch_entries retryable by_partition_id
        { name: String, iteration_pointers: Entries<i32, i32>, batch: i32 }
        => { iteration_pointers: Entries<i32, i32>, entries: Entries<Data, Data> };

    0x3d FetchNearCacheInvalidationMetadata fetch_near_cache_invalidation_metadata once anywhere
        { names: Vec<String>, uuid: ProtocolUuid }
        => {
            name_partition_sequence_list: Entries<String, Entries<i32, i64>>,
            partition_uuid_list: Entries<i32, ProtocolUuid>
        };

    0x3e RemoveAll remove_all once anywhere
        { name: String, predicate: Data } => {};

    0x3f AddNearCacheInvalidationListener add_near_cache_invalidation_listener once anywhere
        { name: String, listener_flags: i32, local_only: bool } => { response: ProtocolUuid }
        event 2 IMapInvalidationEvent {
            key: Option<Data>, source_uuid: ProtocolUuid, partition_uuid: ProtocolUuid,
            sequence: i64
        }
        event 3 IMapBatchInvalidationEvent {
            keys: Vec<Data>, source_uuids: Vec<ProtocolUuid>, partition_uuids: Vec<ProtocolUuid>,
            sequences: Vec<i64>
        };

    0x43 SetTtl set_ttl once by_key
        { name: String, key: Data, ttl: i64 } => { response: bool };

    0x44 PutWithMaxIdle put_with_max_idle once by_key
        { name: String, key: Data, value: Data, thread_id: i64, ttl: i64, max_idle: i64 }
        => { response: Option<Data> };

    0x45 PutTransientWithMaxIdle put_transient_with_max_idle once by_key
        { name: String, key: Data, value: Data, thread_id: i64, ttl: i64, max_idle: i64 }
        => { response: Option<Data> };

    0x46 PutIfAbsentWithMaxIdle put_if_absent_with_max_idle once by_key
        { name: String, key: Data, value: Data, thread_id: i64, ttl: i64, max_idle: i64 }
        => { response: Option<Data> };

    0x47 SetWithMaxIdle set_with_max_idle once by_key
        { name: String, key: Data, value: Data, thread_id: i64, ttl: i64, max_idle: i64 }
        => { response: Option<Data> };
}
