//! The allocator's habits.

/// Asks the C library to keep freed memory for the next tensor, where that can be asked for.
///
/// A network frees and asks for the same large blocks again and again. By default the GNU C library hands each
/// back to the system and fetches it again page by page, which costs a training step a tenth of its time. A
/// process calls this once at its start; no result depends on it.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two numbers and may be called at any time; a refusal changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
