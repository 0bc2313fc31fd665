//! How two sides agree on an option of telnet without ever asking for what is so already (RFC 1143).

use serde::{Deserialize, Serialize};

/// What is known of an option, on one side: the states of RFC 1143.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Agreement {
    #[default]
    Off,
    /// The same, and the other side has refused it: it is not offered again by itself, and not
    /// accepted, so that nobody can change its mind for ever.
    Refused,
    /// We have offered it.
    Offered,
    /// The same, and it is to be taken back as soon as it is accepted.
    OfferedInVain,
    On,
    /// We have taken it back.
    TakenBack,
    /// The same, and it is to be offered again as soon as that is confirmed.
    Again,
}

impl Agreement {
    /// It is to be on, or off. Returns what is to be said for that, if anything is.
    pub fn set(&mut self, on: bool) -> Option<bool> {
        let (agreement, say) = match (on, *self) {
            (true, Agreement::Off) => (Agreement::Offered, Some(true)),
            (true, Agreement::OfferedInVain) => (Agreement::Offered, None),
            (true, Agreement::TakenBack) => (Agreement::Again, None),
            (false, Agreement::Offered) => (Agreement::OfferedInVain, None),
            (false, Agreement::On) => (Agreement::TakenBack, Some(false)),
            (false, Agreement::Again) => (Agreement::TakenBack, None),
            (_, as_it_is) => (as_it_is, None),
        };
        *self = agreement;
        say
    }

    /// The other side wants it so. Returns what is to be said to that; nobody may have asked it.
    pub fn told(&mut self, on: bool, is_wanted: bool) -> Option<bool> {
        let (agreement, say) = match (*self, on) {
            (Agreement::Off, true) if is_wanted => (Agreement::On, Some(true)),
            (Agreement::Off | Agreement::Refused, _) => (*self, None),
            (Agreement::Offered | Agreement::On, true) => (Agreement::On, None),
            (Agreement::OfferedInVain, true) => (Agreement::TakenBack, Some(false)),
            (Agreement::Offered, false) => (Agreement::Refused, None),
            (Agreement::OfferedInVain, false) => (Agreement::Off, None),
            (Agreement::On, false) => (Agreement::Refused, Some(false)),
            // Against the rules, as a confirmation is due; RFC 1143 goes on so.
            (Agreement::TakenBack, true) => (Agreement::Off, None),
            (Agreement::Again, true) => (Agreement::On, None),
            (Agreement::TakenBack, false) => (Agreement::Off, None),
            (Agreement::Again, false) => (Agreement::Offered, Some(true)),
        };
        *self = agreement;
        say
    }

    /// It may be offered again although it was refused.
    pub fn forgive(&mut self) {
        if *self == Agreement::Refused {
            *self = Agreement::Off;
        }
    }

    pub fn is_off(self) -> bool {
        matches!(self, Agreement::Off | Agreement::Refused)
    }

    /// Whether it is anything but off for good.
    pub fn may_change(self, is_wanted: bool) -> bool {
        !self.is_off() || self == Agreement::Off && is_wanted
    }
}
