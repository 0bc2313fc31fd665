//! The line that somebody types at a terminal which leaves it to us: it is taken off the screen
//! before anything is written there, and stands below it again with the same write.

use std::io::IoSlice;

use super::Server;
use super::connection::Connection;
use super::deliver::retry;
use super::stream::Stream;
use crate::delivery::encoding::FrameKind;
use crate::delivery::outbox::{Outbox, SLICES_MAX};
use crate::ids::ClientId;
use crate::service::Service;
use crate::wire::editor::{Editor, Event};
use crate::wire::line::Line;

/// So many words are shown that one may become.
const WORDS_MAX: usize = 40;
/// To look up what a word may become takes as long as so many requests.
const COMPLETION_REQUESTS: usize = 8;

impl<S: Stream, A: Service> Server<S, A> {
    /// Does what keys have led to.
    pub(super) fn serve_typed(&mut self, id: ClientId, event: Event) {
        match event {
            Event::Line { line, shown } => self.end_line(id, line, &shown),
            Event::Complete => self.complete_word(id),
            Event::Full { bytes_max } => {
                let told = format!(
                    "! A line has at most {bytes_max} bytes. What is over is left out.\r\n"
                );
                self.out.append(id, told.as_bytes());
            }
            // The wire has answered it.
            Event::Leave => {}
        }
    }

    /// A line has been typed. Behind one that flood control holds back it waits as well.
    fn end_line(&mut self, id: ClientId, line: String, shown: &str) {
        let is_secret = self.service.has_secret(id, &line);
        let connection = &mut self.connections[id.index()];
        let is_paced = connection.is_paced();
        let Some(editor) = connection.wire.editor_mut() else { return };
        if !is_secret {
            editor.remember(line.clone());
        }
        match is_paced {
            // What follows a line that asks for a secret is that.
            true if is_secret => {
                editor.set_taking_ahead(false);
                editor.put_ahead(line);
            }
            true => editor.put_ahead(line),
            false => self.offer_typed(id, &line, shown),
        }
    }

    /// Offers what was held back: a message, and behind it lines that were typed meanwhile.
    pub(super) fn offer_held(&mut self, id: ClientId) {
        if self.connections[id.index()].is_paced() {
            return;
        }
        if let Some((kind, bytes)) = self.connections[id.index()].inbox.take_message() {
            self.offer(id, kind, &bytes);
        }
        while self.is_free(id)
            && let Some(editor) = self.connections[id.index()].wire.editor_mut()
            && let Some(line) = editor.take_ahead()
        {
            let shown = format!("{}{line}\r\n", self.service.prompt(id));
            self.offer_typed(id, &line, &shown);
        }
    }

    /// Flood control holds a line back: whether somebody goes on typing meanwhile, at a terminal
    /// whose line is edited here. Not where a secret may come next.
    pub(super) fn edits_meanwhile(&mut self, id: ClientId) -> bool {
        let Connection { inbox, wire, .. } = &mut self.connections[id.index()];
        let held = inbox.message().and_then(|line| std::str::from_utf8(line).ok());
        let Some(editor) = wire.editor_mut() else { return false };
        let mut lines = held.into_iter().chain(editor.ahead());
        let is_public = held.is_some() && !lines.any(|line| self.service.has_secret(id, line));
        drop(lines);
        editor.set_taking_ahead(is_public);
        is_public && editor.takes_ahead()
    }

    /// Whether what has come is looked at: it is served, or typed ahead of what is.
    pub(super) fn takes_input(&self, id: ClientId) -> bool {
        let connection = &self.connections[id.index()];
        let edits_ahead = connection.is_open()
            && connection.is_paced()
            && !connection.is_waiting()
            && connection.wire.editor().is_some_and(Editor::takes_ahead);
        edits_ahead || self.is_free(id)
    }

    /// A line has been typed: it stays on the screen, and what comes of it below it.
    fn offer_typed(&mut self, id: ClientId, line: &str, shown: &str) {
        let Some(editor) = self.connections[id.index()].wire.editor_mut() else { return };
        // With nothing queued before it, it is written with what takes the line off the screen: so
        // the service sees that this terminal has all that was said before.
        match self.out.outbox(id).is_none() && !editor.is_behind() {
            true => editor.push(shown),
            false => self.out.append(id, shown.as_bytes()),
        }
        self.offer_line(id, line.as_bytes());
    }

    /// Some keys look at the whole line that is edited here: they count as if all did.
    pub(super) fn charge_keys(&mut self, id: ClientId, bytes: usize) {
        let editor = self.connections[id.index()].wire.editor();
        self.visit.served_bytes += bytes * editor.map_or(0, |editor| editor.line().len());
    }

    /// Offers the service a line. The first one opens its client.
    pub(super) fn offer_line(&mut self, id: ClientId, line: &[u8]) {
        let lines = self.connections[id.index()].wire.lines();
        let line_feed = lines.map_or(&b""[..], Line::line_feed);
        if !line_feed.is_empty() {
            self.out.append(id, line_feed);
        }
        if self.connections[id.index()].is_known_to_service() {
            return self.offer(id, FrameKind::Text, line);
        }
        self.open(id, Some(line));
        match self.waits(id) {
            None => self.offer(id, FrameKind::Text, line),
            // It has been opened, and waits as others do.
            Some(until) => {
                let inbox = &mut self.connections[id.index()].inbox;
                inbox.hold_message(FrameKind::Text, line, self.out.account());
                self.wait(id, until);
            }
        }
    }

    /// Looks up what the word before the cursor may become.
    fn complete_word(&mut self, id: ClientId) {
        self.visit.requests += COMPLETION_REQUESTS;
        let bytes_max = self.settings.limits.message_bytes_max;
        let now = self.out.now();
        let Some(editor) = self.connections[id.index()].wire.editor_mut() else { return };
        let completions = self.service.completions(id, editor.before_cursor(), now);
        if let Some(words) = editor.complete(completions, bytes_max) {
            let shown = &words[..words.len().min(WORDS_MAX)];
            let more = match words.len() - shown.len() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            self.out.append(id, format!("* {}{more}\r\n", shown.join(", ")).as_bytes());
        }
    }

    /// Has the line edited here, or by the terminal.
    pub(super) fn set_editing(&mut self, id: ClientId, on: bool) {
        let mut bytes = Vec::new();
        if let Some(lines) = self.connections[id.index()].wire.lines_mut() {
            lines.set_editing(on, &mut bytes);
        }
        if !bytes.is_empty() {
            self.out.append(id, &bytes);
        }
        self.draw_later(id);
    }

    /// Has a line drawn in this turn, if what is shown is not what was typed.
    pub(super) fn draw_later(&mut self, id: ClientId) {
        let wire = &self.connections[id.index()].wire;
        if wire.editor().is_some_and(|editor| editor.is_stale()) {
            self.undrawn.push(id);
        }
    }

    /// Draws the lines that have changed, but for those that are drawn with what is written to them.
    pub(super) fn draw_all(&mut self) {
        while let Some(id) = self.undrawn.pop() {
            let is_open = self.connection(id).is_some_and(|connection| {
                connection.is_open() && connection.wire.editor().is_some_and(|it| it.is_stale())
            });
            if is_open && self.out.may_draw(id) {
                self.write_around_line(id);
                self.draw_later(id);
            }
        }
    }

    /// One vectored write: what takes the line off the screen, what is queued, and the line again.
    /// Returns how much the stream took of what is queued.
    pub(super) fn write_around_line(&mut self, id: ClientId) -> usize {
        let prompt = match self.connections[id.index()].is_open() {
            true => Some(self.service.prompt(id)),
            false => None,
        };
        let Connection { stream, wire, .. } = &mut self.connections[id.index()];
        let Some(lines) = wire.lines_mut() else { return 0 };
        let Some(editor) = lines.editor_mut() else { return 0 };
        let outbox = self.out.outbox(id);
        if outbox.is_some() {
            editor.uncover();
        }
        let mut queued = [IoSlice::new(&[]); SLICES_MAX];
        let (count, bytes) = outbox.map_or((0, 0), |outbox| outbox.slices(&mut queued));
        let is_last = outbox.map_or(0, Outbox::bytes) == bytes;
        let mut line = Vec::new();
        if let Some(prompt) = prompt
            && is_last
            && !editor.is_behind()
            && !editor.has_ended()
        {
            editor.draw(&prompt, &mut line);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX + 2];
        slices[0] = IoSlice::new(editor.unsent());
        slices[1..=count].copy_from_slice(&queued[..count]);
        slices[count + 1] = IoSlice::new(&line);
        let unsent = editor.unsent().len();
        let written = match unsent + bytes + line.len() {
            0 => {
                lines.drop_ended_editor();
                return 0;
            }
            _ => retry(|| stream.write_vectored(&slices[..count + 2])),
        };
        let taken = *written.as_ref().unwrap_or(&0);
        let is_blocked = taken < unsent + bytes + line.len();
        let of_unsent = taken.min(unsent);
        let of_queue = (taken - of_unsent).min(bytes);
        let rest = (of_queue == bytes).then(|| &line[taken - of_unsent - of_queue..]);
        editor.wrote(of_unsent, rest);
        editor.count(self.out.account());
        lines.drop_ended_editor();
        self.wrote(id, written, of_queue, is_blocked)
    }
}
