//! Every reader of bytes that come from elsewhere, as a function that must neither panic, abort nor take memory that the bytes are
//! not worth. Each returns whether the bytes were accepted; the tests of the three crates replay the files of `seeds/` and
//! `regressions/` through the same functions.

pub mod extractor_targets;
mod parts;
pub mod retrainer_targets;
pub mod shared_targets;

use std::alloc::{GlobalAlloc, Layout, System};

/// Leaves panics that are caught alone, which libFuzzer's own hook takes for failures: for readers that catch those of a decoder.
pub fn allow_caught_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
}

/// More than any input of a fuzzer is worth, and less than hurts.
const MOST_BYTES: usize = 512 << 20;

/// The system's allocator, which ends the process where one allocation is larger than [`MOST_BYTES`]: sizes that a file merely
/// claims are found even where the machine would have had the memory.
struct Capped;

#[global_allocator]
static ALLOCATOR: Capped = Capped;

fn check(size: usize) {
    if size > MOST_BYTES {
        // Nothing that allocates: a message of fixed text, and the stack trace of the abort.
        let message = b"an allocation above 512 MB\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), message);
        std::process::abort();
    }
}

// SAFETY: every call goes to the system's allocator unchanged, or does not return.
unsafe impl GlobalAlloc for Capped {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller's own guarantees.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller's own guarantees.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's own guarantees.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        // SAFETY: the caller's own guarantees.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
