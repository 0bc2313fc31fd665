//! Memory goes back to the system after a burst.

/// Gives pages that hold nothing back to the system. A burst leaves free memory between what stays, and the C library
/// would keep it for ever: ten thousand joining at once left twice what they need afterwards.
///
/// Takes time in proportion to what is free, so it is for quiet moments.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::malloc_trim(0);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the declaration; malloc_trim(3) takes any number and is safe to call at any time")]
mod glibc {
    unsafe extern "C" {
        pub safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
}
