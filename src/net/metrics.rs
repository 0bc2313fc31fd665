//! What the event loop counts.

use std::fmt;

use crate::server::admission::Rejection;

/// Counted since the start; nothing is ever subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetMetrics {
    /// Turns of the loop.
    pub turns: u64,
    /// Connections that became clients.
    pub accepted: u64,
    pub rejected: Rejected,
    /// Times that the kernel gave no connection although it should have, or that one could not be
    /// registered.
    pub accept_errors: u64,
    /// Jobs that the worker has been given.
    pub jobs: u64,
}

/// Connections that were turned away, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    pub full: u64,
    pub out_of_descriptors: u64,
    pub address_full: u64,
    pub address_too_fast: u64,
    pub banned: u64,
}

impl Rejected {
    pub fn count(&mut self, rejection: Rejection) {
        *match rejection {
            Rejection::Full => &mut self.full,
            Rejection::OutOfDescriptors => &mut self.out_of_descriptors,
            Rejection::AddressFull => &mut self.address_full,
            Rejection::AddressTooFast => &mut self.address_too_fast,
            Rejection::Banned => &mut self.banned,
        } += 1;
    }

    pub fn total(&self) -> u64 {
        let Rejected { full, out_of_descriptors, address_full, address_too_fast, banned } = *self;
        full + out_of_descriptors + address_full + address_too_fast + banned
    }
}

/// For the log: each counter after its name.
impl fmt::Display for NetMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NetMetrics { turns, accepted, rejected, accept_errors, jobs } = self;
        write!(f, "accepted {accepted}, rejected {}", rejected.total())?;
        if rejected.total() > 0 {
            let Rejected { full, out_of_descriptors, address_full, .. } = rejected;
            let Rejected { address_too_fast, banned, .. } = rejected;
            write!(
                f,
                " (full {full}, out of descriptors {out_of_descriptors}, address full \
                 {address_full}, address too fast {address_too_fast}, banned {banned})"
            )?;
        }
        write!(f, ", accept errors {accept_errors}, turns {turns}, jobs {jobs}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rejection_has_a_counter_of_its_own() {
        let mut rejected = Rejected::default();
        for (times, rejection) in [
            Rejection::Full,
            Rejection::OutOfDescriptors,
            Rejection::AddressFull,
            Rejection::AddressTooFast,
            Rejection::Banned,
        ]
        .into_iter()
        .enumerate()
        {
            (0..=times).for_each(|_| rejected.count(rejection));
        }
        let expected = Rejected {
            full: 1,
            out_of_descriptors: 2,
            address_full: 3,
            address_too_fast: 4,
            banned: 5,
        };
        assert_eq!(rejected, expected);
        let metrics = NetMetrics { accepted: 7, rejected, turns: 9, ..NetMetrics::default() };
        assert_eq!(
            metrics.to_string(),
            "accepted 7, rejected 15 (full 1, out of descriptors 2, address full 3, address too \
             fast 4, banned 5), accept errors 0, turns 9, jobs 0"
        );
        assert_eq!(
            NetMetrics::default().to_string(),
            "accepted 0, rejected 0, accept errors 0, turns 0, jobs 0"
        );
    }
}
