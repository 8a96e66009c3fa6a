//! Large pages for large memory.
//!
//! Linux gives pages of 2 MB in most installations only where they are asked for. Without, every 4 kB that are touched
//! first cost a fault: .2 s where 600 MB of data are held, twice what reading them takes. NumPy asks as well.

use std::alloc::{GlobalAlloc, Layout, System};

use rustix::mm::{Advice, madvise};

/// The system's allocator, which asks for large pages from [`LARGE`] on.
struct LargePages;

#[global_allocator]
static MEMORY: LargePages = LargePages;

/// Bytes; NumPy's limit. Of smaller memory a page of 2 MB would be a part that counts.
const LARGE: usize = 4 << 20;

/// Advice begins at a multiple of the size of a page, of which this is one: to begin too early does no harm.
const PAGE: usize = if cfg!(target_arch = "x86_64") { 1 << 12 } else { 1 << 16 };

/// Asks for large pages, where an allocation is large and did not fail. Who is refused has small ones.
fn asked(start: *mut u8, size: usize) -> *mut u8 {
    if size >= LARGE && !start.is_null() {
        let into_page = start.addr() % PAGE;
        // SAFETY: this advice never changes what memory holds or whether it may be used, of whomever it is: it says
        // which pages back it. What is not mapped is passed over with an error.
        #[expect(unsafe_code, reason = "the call takes a pointer")]
        let _ =
            unsafe { madvise(start.wrapping_sub(into_page).cast(), into_page + size, Advice::LinuxHugepage) };
    }
    start
}

// SAFETY: every call goes to `System` as it came, and what `System` gives goes back as it is; `asked` neither allocates
// nor panics, since it is a few operations on integers that cannot overflow (no allocation is beyond isize::MAX) and one
// call of the system.
#[expect(unsafe_code, reason = "an allocator is unsafe to write")]
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that `System` asks.
        asked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        asked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; all memory is of `System`.
        asked(unsafe { System.realloc(start, layout, size) }, size)
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(start, layout) }
    }
}
