//! Where to listen, in the ways in which people type it.

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use crate::net::listening::{DEFAULT_HOST, DEFAULT_PORT, ListenAddress, ListenAddresses};

/// Where to listen.
#[derive(Clone, Debug, Args)]
pub struct Listen {
    /// Addresses to listen on: HOST:PORT, where HOST is a name, an IPv4 address or an IPv6 address
    /// in brackets; PORT alone, on 127.0.0.1; or unix:PATH for a Unix socket. Several with spaces or
    /// commas between them. Port 0 takes any free port; the one taken is printed. Sockets that
    /// systemd passes (LISTEN_FDS) take the place of the default.
    #[arg(default_value = "127.0.0.1:8080", env = "CHAT_ADDRESS", hide_env_values = true,
          value_parser = NonEmptyStringValueParser::new().try_map(ListenAddresses::resolve))]
    address: Vec<ListenAddresses>,

    /// The same in two: the name or the address of this host at which to listen, 127.0.0.1 unless
    /// given; `::` and 0.0.0.0 are all that it has.
    #[arg(long, value_name = "HOST", env = "CHAT_HOST", hide_env_values = true,
          value_parser = NonEmptyStringValueParser::new())]
    host: Option<String>,

    /// And the port, 8080 unless given.
    #[arg(long, value_name = "PORT", env = "CHAT_PORT", hide_env_values = true)]
    port: Option<u16>,

    /// Nobody has said where.
    #[arg(skip)]
    is_default: bool,
}

impl Listen {
    /// Makes one of both ways to say it: what is typed wins over what variables say.
    ///
    /// # Errors
    /// One line: a host that there is not, or both ways at once.
    pub fn choose(self, matches: &ArgMatches) -> Result<Listen, String> {
        let source = |id| matches.value_source(id).unwrap_or(ValueSource::DefaultValue);
        let (whole, parts) = (source("address"), source("host").max(source("port")));
        if parts == ValueSource::DefaultValue || parts < whole {
            return Ok(Listen { is_default: whole == ValueSource::DefaultValue, ..self });
        }
        if parts == whole {
            return Err(
                "--host and --port take the place of an ADDRESS: give one or the other".into()
            );
        }
        let host = self.host.as_deref().unwrap_or(DEFAULT_HOST);
        let found = ListenAddresses::of_host(host, self.port.unwrap_or(DEFAULT_PORT));
        let address = found.map_err(|error| match source("host") {
            ValueSource::EnvVariable => format!("CHAT_HOST: {host:?}: {error}"),
            _ => format!("--host {host:?}: {error}"),
        })?;
        Ok(Listen { address: vec![address], is_default: false, ..self })
    }

    /// All of them; `is_alone`: no sockets were passed to us, which take the place of the default.
    pub(super) fn addresses(&self, is_alone: bool) -> Vec<ListenAddress> {
        let given = self.address.iter().filter(|_| is_alone || !self.is_default);
        given.flat_map(|given| given.0.clone()).collect()
    }
}
