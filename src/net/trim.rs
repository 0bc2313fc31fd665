//! Memory goes back to the system after a burst.

/// Gives pages that hold nothing back to the system. A burst leaves free memory between what stays,
/// and the C library would keep it for ever: ten thousand joining at once left twice what they need
/// afterwards.
///
/// Takes time in proportion to what is free, so it is for quiet moments.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(
        unsafe_code,
        reason = "malloc_trim(3) is safe to call at any time, which its declaration cannot say"
    )
)]
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes any number, and frees nothing that is in use; it locks what it looks at
    // (MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
}
