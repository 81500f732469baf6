//! The first panic of any task: tasks that openraft or the node own would swallow it.

use parking_lot::Mutex;

static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Notes every panic of this process.
pub(crate) fn note_all() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        FIRST.lock().get_or_insert_with(|| info.to_string());
        shown(info);
    }));
}

/// Panics when anything else has.
pub(crate) fn check() {
    let first = FIRST.lock().clone();
    if let Some(first) = first {
        panic!("a task panicked: {first}");
    }
}

/// What the first one said.
pub(crate) fn first() -> Option<String> {
    FIRST.lock().clone()
}
