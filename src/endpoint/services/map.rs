//! Map: the distributed map.

mod listen;
mod lock;
mod read;
mod write;

use statekeeper_protocol::messages::map::{Request, flush};

use crate::call::Call;
use crate::step::Handled;

/// Handles one request.
pub(crate) fn handle(request: Request, call: &mut Call<'_>) -> Handled {
    match request {
        Request::Put(request) => write::put(request, call),
        Request::Get(request) => read::get(request, call),
        Request::Remove(request) => write::remove(request, call),
        Request::Replace(request) => write::replace(request, call),
        Request::ReplaceIfSame(request) => write::replace_if_same(request, call),
        Request::ContainsKey(request) => read::contains_key(request, call),
        Request::ContainsValue(request) => read::contains_value(request, call),
        Request::RemoveIfSame(request) => write::remove_if_same(request, call),
        Request::Delete(request) => write::delete(request, call),
        // There is no map store: nothing is ever unwritten.
        Request::Flush(_) => call.answer(&flush::Response {}),
        Request::TryRemove(request) => write::try_remove(request, call),
        Request::TryPut(request) => write::try_put(request, call),
        Request::PutTransient(request) => write::put_transient(request, call),
        Request::PutIfAbsent(request) => write::put_if_absent(request, call),
        Request::Set(request) => write::set(request, call),
        Request::Lock(request) => lock::lock(request, call),
        Request::TryLock(request) => lock::try_lock(request, call),
        Request::IsLocked(request) => lock::is_locked(request, call),
        Request::Unlock(request) => lock::unlock(request, call),
        Request::ForceUnlock(request) => lock::force_unlock(request, call),
        Request::AddEntryListenerToKey(request) => listen::add_to_key(request, call),
        Request::AddEntryListener(request) => listen::add(&request, call),
        Request::RemoveEntryListener(request) => listen::remove(&request, call),
        Request::GetEntryView(request) => read::entry_view(request, call),
        Request::Evict(request) => write::evict(request, call),
        Request::EvictAll(request) => write::evict_all(&request, call),
        Request::KeySet(request) => read::key_set(&request, call),
        Request::GetAll(request) => read::get_all(request, call),
        Request::Values(request) => read::values(&request, call),
        Request::EntrySet(request) => read::entry_set(&request, call),
        Request::Size(request) => read::size(&request, call),
        Request::IsEmpty(request) => read::is_empty(&request, call),
        Request::PutAll(request) => write::put_all(request, call),
        Request::Clear(request) => write::clear(&request, call),
        Request::FetchKeys(request) => read::fetch_keys(request, call),
        Request::FetchEntries(request) => read::fetch_entries(request, call),
        Request::FetchNearCacheInvalidationMetadata(request) => {
            listen::near_cache_metadata(&request, call)
        }
        Request::RemoveAll(request) => write::remove_all(request, call),
        Request::AddNearCacheInvalidationListener(request) => {
            listen::add_near_cache(&request, call)
        }
        Request::SetTtl(request) => write::set_ttl(request, call),
        Request::PutWithMaxIdle(request) => write::put_with_max_idle(request, call),
        Request::PutTransientWithMaxIdle(request) => {
            write::put_transient_with_max_idle(request, call)
        }
        Request::PutIfAbsentWithMaxIdle(request) => {
            write::put_if_absent_with_max_idle(request, call)
        }
        Request::SetWithMaxIdle(request) => write::set_with_max_idle(request, call),
    }
}
