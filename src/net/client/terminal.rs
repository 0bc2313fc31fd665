//! The terminal that this program runs in. However it ends, the terminal is left as it was found.

use std::io;
use std::os::unix::net::UnixStream;
use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::stdio::{stdin, stdout};
use rustix::termios::{self, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, pipe};

use crate::wire::editor::Size;

/// As it was found, for whatever ends the program.
static FOUND: OnceLock<Termios> = OnceLock::new();
/// Whether each key is sent as it is pressed, and nothing is shown of it.
static IS_RAW: AtomicBool = AtomicBool::new(false);

/// A terminal that is typed at and looked at.
pub struct Terminal {
    /// Something comes out of it when the size may be another one.
    pub resized: UnixStream,
}

impl Terminal {
    /// `None`: what is read or written is no terminal.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn open() -> io::Result<Option<Terminal>> {
        if !termios::isatty(stdin()) || !termios::isatty(stdout()) {
            return Ok(None);
        }
        let found = tcgetattr(stdin())?;
        let _ = FOUND.set(found);
        let (resized, to_resized) = UnixStream::pair()?;
        resized.set_nonblocking(true)?;
        pipe::register(SIGWINCH, to_resized.try_clone()?)?;
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            leave_as_found();
            before(info);
        }));
        serve_signals(to_resized)?;
        Ok(Some(Terminal { resized }))
    }

    pub fn size(&self) -> Size {
        tcgetwinsize(stdout()).map(|size| Size::said(size.ws_col, size.ws_row)).unwrap_or_default()
    }

    /// Has each key sent as it is pressed, and shown by nobody here; or the line typed and edited
    /// here.
    pub fn set_raw(&self, raw: bool) -> io::Result<()> {
        IS_RAW.store(raw, Ordering::SeqCst);
        set_as_wanted()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        IS_RAW.store(false, Ordering::SeqCst);
        leave_as_found();
    }
}

fn set_as_wanted() -> io::Result<()> {
    let Some(found) = FOUND.get() else { return Ok(()) };
    let mut wanted = found.clone();
    if IS_RAW.load(Ordering::SeqCst) {
        wanted.make_raw();
    }
    Ok(tcsetattr(stdin(), OptionalActions::Now, &wanted)?)
}

/// What cannot be restored has gone.
fn leave_as_found() {
    if let Some(found) = FOUND.get() {
        let _ = tcsetattr(stdin(), OptionalActions::Now, found);
    }
}

/// Signals are served by a thread of their own: a terminal that takes nothing may hold up the other.
fn serve_signals(resized: UnixStream) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP])?;
    let serve = move || {
        for signal in signals.forever() {
            leave_as_found();
            // Of these, only who was stopped comes back.
            let _ = emulate_default_handler(signal);
            let _ = set_as_wanted();
            let _ = io::Write::write(&mut &resized, &[0]);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(serve).map(drop)
}
