//! Programs that follow what is said, in a response that does not end.

use super::Server;
use super::connection::Standing;
use super::proxied::Sender;
use super::stream::Stream;
use crate::delivery::encoding::{Compression, Encoding, Framing};
use crate::ids::ClientId;
use crate::service::{Hello, Service};
use crate::wire::Wire;
use crate::wire::http::events::{self, Events, Format};
use crate::wire::http::{HttpError, Request, credential};

impl<S: Stream, A: Service> Server<S, A> {
    /// Whether a request wants to follow what is said.
    pub(super) fn is_for_stream(&self, request: &Request<'_>) -> bool {
        request.path == events::PATH && self.service.sentence().is_none()
    }

    /// Begins such a response. Who asks is known by a token alone: no cookie counts, so that no page
    /// can have it for its visitor.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn begin_stream(
        &mut self,
        id: ClientId,
        request: &Request<'_>,
        sender: &Sender,
        date: &str,
    ) -> Result<(), HttpError> {
        if self.draining {
            return Err(HttpError::STOPPING);
        }
        let (wanted, shown) = (events::wanted(request)?, credential::bearer(request));
        let following = self.service.follow(sender.peer(), &wanted, shown, self.out.now())?;
        if let Some(client) = sender.client {
            self.set_peer(id, client);
        }
        let is_private = self.is_private_request(id, sender, request);
        let connection = &mut self.connections[id.index()];
        let hello = Hello {
            peer: connection.peer(),
            subprotocol: Some(following.subprotocol),
            query: &following.query,
            credential: shown,
            is_private,
            first_line: None,
        };
        let was = connection.wire.kind();
        let events = Events::new(wanted.format, following.requests, self.out.now().ms);
        connection.wire = Wire::Events(events);
        self.wire_counts.change(was, &connection.wire);
        connection.set_standing(Standing::Known);
        self.set_wire_timeout(id);
        let framing = match wanted.format {
            Format::Events => Framing::Events,
            Format::Lines => Framing::JsonLines,
        };
        let (compression, dialect) = (Compression::None, self.service.dialect(&hello));
        self.out.append(id, &events::head(wanted.format, date));
        self.out.set_encoding(id, Encoding { framing, compression, dialect });
        self.service.opened(id, &hello, &mut self.out);
        Ok(())
    }

    /// What a client that follows would say first is served as if it had come; what has come from it
    /// behind its request is dropped.
    pub(super) fn queue_requests(&mut self, id: ClientId) {
        let connection = &mut self.connections[id.index()];
        if let Wire::Events(events) = &mut connection.wire
            && let Some(requests) = events.take_requests()
        {
            connection.inbox.clear();
            connection.inbox.push(&requests, self.out.account());
            self.read_again(id);
        }
    }
}
