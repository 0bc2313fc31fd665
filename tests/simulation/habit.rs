//! How a client treats its connection.

use fastrand::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It reads whatever comes, and answers pings: nothing may go wrong for it.
    Prompt,
    /// It reads a little now and then.
    Trickle,
    /// It reads nothing for a while.
    Stalls,
    /// It reads nothing at all, and others must not be held up by it for long.
    Stuck,
    /// It has fallen silent: it reads, and sends nothing, not even a Pong.
    Mute,
}

impl Habit {
    pub fn draw(rng: &mut Rng) -> Habit {
        match rng.u32(0..10) {
            0 => Habit::Trickle,
            1 => Habit::Stalls,
            2 => Habit::Mute,
            3 if rng.bool() => Habit::Stuck,
            _ => Habit::Prompt,
        }
    }

    /// Whether it reads all that comes, and answers it.
    pub fn answers(self, calm: bool) -> bool {
        match self {
            Habit::Prompt => true,
            Habit::Trickle | Habit::Stalls => calm,
            Habit::Stuck | Habit::Mute => false,
        }
    }

    /// What both kernels hold on the way down to it, in bytes.
    pub fn capacity(self, mark: usize, rng: &mut Rng) -> usize {
        match self {
            Habit::Prompt => rng.usize(mark..4 * mark),
            _ => rng.usize(1..2 * mark),
        }
    }

    /// How much it reads now, in bytes.
    pub fn appetite(self, calm: bool, rng: &mut Rng) -> usize {
        match self {
            Habit::Stuck => 0,
            _ if calm => usize::MAX,
            Habit::Trickle if rng.u32(0..4) > 0 => 0,
            Habit::Trickle => rng.usize(0..200),
            _ if rng.u32(0..4) == 0 => rng.usize(0..1000),
            _ => usize::MAX,
        }
    }
}
