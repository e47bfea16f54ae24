//! What is open: handles are numbers in the guise of pointers, which are never followed and never used again.

use std::collections::BTreeMap;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Failure, Outcome};

/// The inside of a handle.
pub(super) enum Entry {
    Model(super::model::Inside),
    Session(super::session::Inside),
    Library(super::library::Inside),
}

/// A kind of handle.
pub(super) trait Handle {
    /// Cheap to clone: whoever has one keeps it open.
    type Inside: Clone;
    const NAME: &'static str;
    fn entry(inside: Self::Inside) -> Entry;
    fn inside(entry: &Entry) -> Option<&Self::Inside>;
}

struct Table {
    open: BTreeMap<usize, Entry>,
    /// Of the handle before.
    last: usize,
}

static TABLE: Mutex<Table> = Mutex::new(Table { open: BTreeMap::new(), last: 0 });

fn table() -> MutexGuard<'static, Table> {
    // Nothing can panic while it is locked but an allocation.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new handle.
pub(super) fn open<H: Handle>(inside: H::Inside) -> *mut H {
    fork::prepare();
    let mut table = table();
    // Pointers are as wide as numbers here: where that is 32 bits, a number may come again after four billion.
    let mut number = table.last;
    loop {
        number = number.wrapping_add(16);
        if number != 0 && !table.open.contains_key(&number) {
            break;
        }
    }
    table.last = number;
    table.open.insert(number, H::entry(inside));
    ptr::without_provenance_mut(number)
}

/// What `handle` stands for.
pub(super) fn get<H: Handle>(handle: *const H) -> Outcome<H::Inside> {
    let found = table().open.get(&handle.addr()).and_then(H::inside).cloned();
    found.ok_or_else(|| unknown(handle))
}

/// Forgets `handle`. What it stands for ends with the last call that uses it.
pub(super) fn close<H: Handle>(handle: *mut H) -> Outcome {
    if handle.is_null() {
        return Ok(());
    }
    let mut table = table();
    if table.open.get(&handle.addr()).and_then(H::inside).is_none() {
        return Err(unknown(handle));
    }
    let closed = table.open.remove(&handle.addr());
    // It may take its time, and the log.
    drop(table);
    drop(closed);
    Ok(())
}

fn unknown<H: Handle>(handle: *const H) -> Failure {
    let name = H::NAME;
    match handle.is_null() {
        true => Failure::invalid(format!("{name} is null")),
        false => Failure::invalid(format!("{name} {handle:?} is closed, or never was one")),
    }
}

/// A child of `fork()` must not find the table locked by a thread that it does not have.
#[cfg(unix)]
mod fork {
    use std::cell::RefCell;
    use std::ffi::c_int;
    use std::sync::{MutexGuard, Once};

    use super::Table;

    unsafe extern "C" {
        /// Of the C library: POSIX.1-2001.
        fn pthread_atfork(
            prepare: Option<extern "C" fn()>,
            parent: Option<extern "C" fn()>,
            child: Option<extern "C" fn()>,
        ) -> c_int;
    }

    thread_local! {
        /// The table, while this thread forks.
        static HELD: RefCell<Option<MutexGuard<'static, Table>>> = const { RefCell::new(None) };
    }

    extern "C" fn before() {
        let guard = super::table();
        let _ = HELD.try_with(|held| held.replace(Some(guard)));
    }

    extern "C" fn after() {
        let _ = HELD.try_with(|held| held.take());
    }

    /// Has the table locked around every `fork()`, by the thread that forks.
    pub fn prepare() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the three functions live as long as the library, and lock or unlock the table, no more.
            let failed = unsafe { pthread_atfork(Some(before), Some(after), Some(after)) };
            if failed != 0 {
                log::warn!("handles may be locked after fork(): error {failed}");
            }
        });
    }
}

#[cfg(not(unix))]
mod fork {
    pub fn prepare() {}
}
