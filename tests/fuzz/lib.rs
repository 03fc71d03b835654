//! Feeds one input to a door of the server, which may hold so much memory for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static COUNTED: Counted = Counted;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct Counted;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(held, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

/// Panics where the door does, and where it has held more than so many megabytes at a time.
pub fn feed(door: fn(&[u8]), input: &[u8], megabytes: usize) {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    door(input);
    let most = MOST.load(Relaxed).saturating_sub(before) >> 20;
    assert!(most <= megabytes, "{most} MB for an input of {} bytes", input.len());
}
