//! A client's slots in channels.

use std::{mem, slice};

use crate::delivery::channels::MemberSlot;

/// Most clients are in one channel only, and there are very many of them: a list of one needs no
/// memory of its own.
///
/// Invariant: `Several` has at least two.
#[derive(Debug, Default)]
pub enum Slots {
    #[default]
    None,
    One(MemberSlot),
    #[expect(clippy::box_collection, reason = "a vector is three words, and few clients have one")]
    Several(Box<Vec<MemberSlot>>),
}

impl Slots {
    pub fn as_slice(&self) -> &[MemberSlot] {
        match self {
            Slots::None => &[],
            Slots::One(slot) => slice::from_ref(slot),
            Slots::Several(slots) => slots,
        }
    }

    pub fn as_mut_slice(&mut self) -> &mut [MemberSlot] {
        match self {
            Slots::None => &mut [],
            Slots::One(slot) => slice::from_mut(slot),
            Slots::Several(slots) => slots,
        }
    }

    pub fn push(&mut self, slot: MemberSlot) {
        *self = match mem::take(self) {
            Slots::None => Slots::One(slot),
            Slots::One(first) => Slots::Several(Box::new(vec![first, slot])),
            Slots::Several(mut slots) => {
                slots.push(slot);
                Slots::Several(slots)
            }
        };
    }

    /// Removes the first slot that is meant, if there is one; the last one takes its place.
    pub fn take(&mut self, is_meant: impl FnMut(&MemberSlot) -> bool) -> Option<MemberSlot> {
        let at = self.as_slice().iter().position(is_meant)?;
        let (taken, rest) = match mem::take(self) {
            Slots::None => return None,
            Slots::One(slot) => (slot, Slots::None),
            Slots::Several(mut slots) => {
                let taken = slots.swap_remove(at);
                match slots[..] {
                    [last] => (taken, Slots::One(last)),
                    _ => (taken, Slots::Several(slots)),
                }
            }
        };
        *self = rest;
        Some(taken)
    }
}
