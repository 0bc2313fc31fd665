//! What a client has queued.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;

use crate::memory::MemoryAccount;

/// Slices handed to one vectored write at most. The kernel takes 1,024; a client rarely has more
/// than three.
pub const SLICES_MAX: usize = 64;

/// A tail this long is closed, and a new one begun.
const TAIL_MAX: usize = 64 * 1024;

/// The rest of a frame that is cut is copied if it is no longer than this, as the frame may be far
/// larger. A longer one is shared: many may be let go at once in the middle of the same long frame.
const COPIED_REST_MAX: usize = 4 * 1024;

/// A tail may have so much room that it does not need while its client does not read.
const TAIL_ROOM_MAX: usize = 4 * 1024;

/// A queue of bytes to write: frames shared with other clients, then a tail of this client's own.
///
/// Invariant: `bytes` is what the frames and the tail hold together, less the `sent` bytes of the
/// first of them, and `sent` is less than that first piece's length.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Bytes>,
    tail: Vec<u8>,
    sent: usize,
    bytes: usize,
}

impl Outbox {
    /// Bytes not yet taken by the kernel.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// What it holds beside its frames, which count for themselves, in bytes.
    pub fn own_bytes(&self) -> usize {
        self.tail.capacity() + self.frames.capacity() * size_of::<Bytes>()
    }

    /// What its client holds with it, in bytes: more than what is not sent yet, as a piece stays
    /// until all of it is sent. The room that is left in the tail does not count: it is that of the
    /// client that had this outbox before.
    pub fn held_bytes(&self) -> usize {
        self.bytes + self.sent + self.frames.len() * size_of::<Bytes>()
    }

    /// Queues a frame shared with others; no byte is copied.
    pub fn push(&mut self, frame: Bytes, account: &MemoryAccount) {
        if frame.is_empty() {
            return;
        }
        self.close_tail(account);
        self.bytes += frame.len();
        self.frames.push_back(frame);
        self.check();
    }

    /// Queues bytes that only this client gets: `write` appends them to the buffer it is given.
    /// Returns how many.
    pub fn append(&mut self, account: &MemoryAccount, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        // The tail is given up as a whole, so it must not grow for ever: a client that reads
        // steadily may never have an empty queue.
        if self.tail.len() >= TAIL_MAX {
            self.close_tail(account);
        }
        let before = self.tail.len();
        write(&mut self.tail);
        let added = self.tail.len() - before;
        self.bytes += added;
        self.check();
        added
    }

    /// Takes out all that it holds, of which nothing has been sent: first each frame, then what is
    /// behind them. That is returned, to be emptied; its room may stay.
    pub fn take_all(&mut self, give: impl FnMut(Bytes)) -> &mut Vec<u8> {
        debug_assert_eq!(self.sent, 0);
        self.frames.drain(..).for_each(give);
        self.bytes = 0;
        &mut self.tail
    }

    /// All that is queued, and whether a piece of it is cut.
    pub fn snapshot(&self) -> (Vec<u8>, bool) {
        let pieces = self.frames.iter().map(|frame| &frame[..]).chain([&self.tail[..]]);
        let mut bytes = pieces.collect::<Vec<_>>().concat();
        bytes.drain(..self.sent);
        (bytes, self.sent > 0)
    }

    /// One with what a snapshot has.
    pub fn restored(bytes: &[u8], is_cut: bool) -> Outbox {
        // A byte that was sent shows that the piece is cut.
        let sent = usize::from(is_cut);
        let tail = [&b"\0"[..sent], bytes].concat();
        Outbox { tail, sent, bytes: bytes.len(), ..Outbox::default() }
    }

    /// All that is queued, if it is in one piece: most writes are, and need no list of slices.
    pub fn single(&self) -> Option<&[u8]> {
        match self.frames.front() {
            None => Some(&self.tail[self.sent..]),
            Some(frame) if self.frames.len() == 1 && self.tail.is_empty() => {
                Some(&frame[self.sent..])
            }
            Some(_) => None,
        }
    }

    /// Fills `slices` with what comes next and returns how many it filled and how many bytes they
    /// hold.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> (usize, usize) {
        let pieces = self.frames.iter().map(|frame| &frame[..]).chain([&self.tail[..]]);
        let mut skip = self.sent;
        let (mut count, mut bytes) = (0, 0);
        for piece in pieces.take(SLICES_MAX) {
            let piece = &piece[skip..];
            skip = 0;
            if !piece.is_empty() {
                slices[count] = IoSlice::new(piece);
                count += 1;
                bytes += piece.len();
            }
        }
        (count, bytes)
    }

    /// Drops the first `count` bytes, which the kernel has taken.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.bytes, "the kernel took more than it was given");
        self.bytes -= count;
        self.sent += count;
        while let Some(front) = self.frames.front() {
            if self.sent < front.len() {
                break;
            }
            self.sent -= front.len();
            self.frames.pop_front();
        }
        if self.bytes == 0 {
            self.tail.clear();
            self.sent = 0;
        }
        self.check();
    }

    /// Drops everything but the rest of a piece that is partly sent. Pieces hold whole messages,
    /// so what is queued next starts where the reader expects a message.
    pub fn keep_cut_piece(&mut self) {
        if self.sent == 0 {
            *self = Outbox::default();
            return;
        }
        // With the last byte that was sent, which shows that it is cut.
        let cut = self.sent - 1;
        *self = match self.frames.front() {
            Some(frame) if frame.len() - cut > COPIED_REST_MAX => {
                let rest = frame.slice(cut..);
                let bytes = rest.len() - 1;
                Outbox { frames: VecDeque::from([rest]), sent: 1, bytes, ..Outbox::default() }
            }
            front => {
                let tail = front.map_or(&self.tail[..], |frame| &frame[..])[cut..].to_vec();
                Outbox { bytes: tail.len() - 1, sent: 1, tail, ..Outbox::default() }
            }
        };
        self.check();
    }

    /// Drops everything. The tail keeps its room: a server that echoes large messages would have
    /// the heap grow and shrink with each of them.
    pub fn reset(&mut self) {
        self.frames.clear();
        self.frames.shrink_to(8);
        self.tail.clear();
        self.sent = 0;
        self.bytes = 0;
    }

    /// Gives back the room that the tail had for an earlier, larger message, and for what of it has
    /// been sent: what is left is to wait for its client to read.
    pub fn give_up_room(&mut self) {
        // The last byte that was sent stays, and shows that the piece is cut.
        let done = if self.frames.is_empty() { self.sent.saturating_sub(1) } else { 0 };
        if self.tail.capacity() > TAIL_ROOM_MAX.max(2 * (self.tail.len() - done)) {
            self.tail.drain(..done);
            self.sent -= done;
            self.tail.shrink_to_fit();
            self.check();
        }
    }

    /// Makes the tail a frame.
    fn close_tail(&mut self, account: &MemoryAccount) {
        if !self.tail.is_empty() {
            self.frames.push_back(account.share(std::mem::take(&mut self.tail)));
        }
    }

    /// Where its frames are in memory, for tests to find which are the same.
    pub fn frame_addresses(&self) -> impl Iterator<Item = Range<usize>> {
        self.frames.iter().map(address_of)
    }

    fn check(&self) {
        debug_assert_eq!(
            self.bytes + self.sent,
            self.frames.iter().map(Bytes::len).sum::<usize>() + self.tail.len()
        );
        debug_assert!(self.sent <= self.frames.front().map_or(self.tail.len(), Bytes::len));
    }
}

/// Where a frame is in memory.
pub fn address_of(frame: &Bytes) -> Range<usize> {
    let start = frame.as_ptr().addr();
    start..start + frame.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        Append(Vec<u8>),
        Write(usize),
        KeepCutPiece,
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            bytes().prop_map(Step::Push),
            bytes().prop_map(Step::Append),
            (0..200usize).prop_map(Step::Write),
            Just(Step::KeepCutPiece),
        ]
    }

    proptest! {
        /// Whatever is queued comes out once, in order, however the kernel cuts it: a plain byte
        /// queue is the oracle.
        #[test]
        fn behaves_like_a_byte_queue(steps in prop::collection::vec(step(), 0..300)) {
            let mut outbox = Outbox::default();
            let mut oracle: VecDeque<u8> = VecDeque::new();
            let account = MemoryAccount::default();
            let mut pushed = 0;
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        oracle.extend(&bytes);
                        pushed += bytes.len();
                        outbox.push(Bytes::from(bytes), &account);
                    }
                    Step::Append(bytes) => {
                        oracle.extend(&bytes);
                        outbox.append(&account, |tail| tail.extend_from_slice(&bytes));
                    }
                    Step::KeepCutPiece => {
                        outbox.keep_cut_piece();
                        prop_assert!(outbox.bytes() <= oracle.len());
                        oracle.truncate(outbox.bytes());
                    }
                    Step::Write(room) => {
                        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                        let (count, offered) = outbox.slices(&mut slices);
                        let all = slices[..count].iter().flat_map(|slice| slice.to_vec());
                        let all: Vec<u8> = all.collect();
                        prop_assert_eq!(all.len(), offered);
                        prop_assert_eq!(offered == 0, oracle.is_empty());
                        if let Some(single) = outbox.single() {
                            prop_assert_eq!(single, &all[..]);
                        } else {
                            prop_assert!(count > 1);
                        }
                        let taken = room.min(offered);
                        let expected: Vec<u8> = oracle.drain(..taken).collect();
                        prop_assert_eq!(&all[..taken], &expected[..]);
                        outbox.advance(taken);
                    }
                }
                prop_assert_eq!(outbox.bytes(), oracle.len());
                prop_assert!(outbox.held_bytes() >= outbox.bytes());
                prop_assert!(outbox.held_bytes() <= outbox.own_bytes() + account.bytes() + pushed);
            }
            drop(outbox);
            prop_assert_eq!(account.bytes(), 0);
        }
    }

    #[test]
    fn what_is_sent_is_given_up_even_if_something_is_queued_all_the_time() {
        let (mut outbox, account) = (Outbox::default(), MemoryAccount::default());
        outbox.append(&account, |tail| tail.extend_from_slice(&[0; 100_000]));
        for _ in 0..10_000 {
            outbox.append(&account, |tail| tail.extend_from_slice(&[0; 1000]));
            outbox.advance(1000);
        }
        let held = outbox.own_bytes() + account.bytes();
        assert!(held < 500_000, "{held} bytes for 100,000 that are queued");
    }

    #[test]
    fn what_waits_does_not_keep_the_room_of_what_was_before_it() {
        let (mut outbox, account) = (Outbox::default(), MemoryAccount::default());
        outbox.append(&account, |tail| tail.extend_from_slice(&[7; 50_000]));
        outbox.advance(50_000);
        outbox.reset();
        outbox.append(&account, |tail| tail.extend_from_slice(b"a few words"));
        assert!(outbox.own_bytes() >= 50_000, "the room is kept for the next message");
        outbox.give_up_room();
        assert!(outbox.own_bytes() < 100);
        assert_eq!(outbox.bytes(), 11);
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        assert_eq!(outbox.slices(&mut slices), (1, 11));
        assert_eq!(&slices[0][..], b"a few words");
    }

    #[test]
    fn what_waits_does_not_keep_what_was_sent_before_it() {
        let (mut outbox, account) = (Outbox::default(), MemoryAccount::default());
        let message: Vec<u8> = (0..50_000).map(|at| (at % 251) as u8).collect();
        outbox.append(&account, |tail| tail.extend_from_slice(&message));
        for sent in [10_000, 20_000, 10_000, 5_000, 4_000] {
            outbox.advance(sent);
            outbox.give_up_room();
            let left = outbox.bytes();
            assert!(outbox.own_bytes() <= (2 * left + 2).max(TAIL_ROOM_MAX), "{left}");
            assert_eq!(outbox.single(), Some(&message[50_000 - left..]));
        }
        outbox.keep_cut_piece();
        assert_eq!(outbox.single(), Some(&message[49_000..]), "it is known to be cut");
    }

    #[test]
    fn the_rest_of_a_cut_piece_does_not_hold_the_piece() {
        let (mut outbox, account) = (Outbox::default(), MemoryAccount::default());
        outbox.append(&account, |tail| tail.extend_from_slice(&[7; 100_000]));
        outbox.push(Bytes::from_static(b"behind it"), &account);
        outbox.advance(99_990);
        assert!(outbox.held_bytes() > 100_000);
        for _ in 0..2 {
            outbox.keep_cut_piece();
            assert_eq!(outbox.bytes(), 10, "and what is cut stays cut");
            assert!(outbox.held_bytes() < 100);
            assert_eq!(account.bytes(), 0);
        }
    }

    #[test]
    fn many_who_are_cut_in_the_middle_of_a_frame_still_share_it() {
        let account = MemoryAccount::default();
        let frame = account.share(vec![7; 1_000_000]);
        let mut outboxes: Vec<Outbox> = (0..100).map(|_| Outbox::default()).collect();
        for outbox in &mut outboxes {
            outbox.push(frame.clone(), &account);
            outbox.push(Bytes::from_static(b"behind it"), &account);
            outbox.advance(1000);
            outbox.keep_cut_piece();
            assert_eq!(outbox.bytes(), 999_000, "the rest, and nothing that is behind it");
        }
        let own: usize = outboxes.iter().map(Outbox::own_bytes).sum();
        assert!(own < 100_000, "{own} bytes of their own");
        drop(outboxes);
        drop(frame);
        assert_eq!(account.bytes(), 0);
    }

    #[test]
    fn a_frame_is_shared_and_not_copied() {
        let frame = Bytes::from(vec![1u8; 64]);
        let mut outbox = Outbox::default();
        outbox.push(frame.clone(), &MemoryAccount::default());
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        assert_eq!(outbox.slices(&mut slices), (1, 64));
        assert_eq!(slices[0].as_ptr(), frame.as_ptr());
    }
}
