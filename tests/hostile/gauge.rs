//! What the kernel says of the server's process.

use std::fs;

use crate::common::Server;

/// Memory and descriptors; zeros where there is no Linux to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauge {
    /// VmRSS.
    pub resident_kib: u64,
    /// VmHWM: the most there ever was.
    pub peak_kib: u64,
    pub descriptors: usize,
}

impl Gauge {
    pub fn read(server: &Server) -> Gauge {
        if !cfg!(target_os = "linux") {
            return Gauge::default();
        }
        let process = format!("/proc/{}", server.pid());
        let status = fs::read_to_string(format!("{process}/status")).expect("its status");
        let field = |name: &str| {
            let value = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .expect("a field of the status");
            value.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        let descriptors = fs::read_dir(format!("{process}/fd")).expect("its descriptors").count();
        Gauge { resident_kib: field("VmRSS:"), peak_kib: field("VmHWM:"), descriptors }
    }
}
