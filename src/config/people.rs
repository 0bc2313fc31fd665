//! Who may take part, and how they come to own the place.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::Config;
use crate::chat::settings::Registration;
use crate::net::listening::Bound;

/// Who may take part.
#[derive(Clone, Copy, Debug, Args)]
pub struct People {
    /// Chat: whether people who have no account may take part, as guests: `yes` or `no`.
    #[arg(long, value_name = "YES|NO", default_value = "yes", action = ArgAction::Set,
          value_parser = BoolishValueParser::new(), hide_possible_values = true,
          env = "CHAT_GUESTS", hide_env_values = true)]
    pub guests: bool,

    /// Chat: who may make an account. `invited`: those who were given a code; `open`: everybody.
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        env = "CHAT_REGISTRATION",
        hide_env_values = true
    )]
    pub registration: Registration,

    /// Chat: take passwords also where somebody between could read them. Without it they are taken
    /// where they come by TLS, our own or that of a proxy which --proxy-from names, by a page of
    /// https, or from this machine. For a local network that everybody trusts.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "CHAT_INSECURE_LOGINS", hide_env_values = true)]
    pub insecure_logins: bool,
}

impl Config {
    /// Where the page is: as people find it, else as somebody at this machine does. `None`: it is on
    /// Unix sockets alone, and only who has set up the proxy knows.
    pub fn page_url(&self, bound: &[Bound]) -> Option<String> {
        if let Some(url) = &self.public_url {
            return Some(url.to_string());
        }
        let tcp = bound.iter().find_map(|bound| match bound {
            Bound::Tcp(address) => Some(*address),
            Bound::Unix(_) => None,
        });
        let mut address = tcp?;
        match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
                address.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
                address.set_ip(Ipv6Addr::LOCALHOST.into());
            }
            _ => {}
        }
        let needs_tls = self.tls.certificate.is_some() && !self.tls.plain.admits(address.ip());
        let scheme = if needs_tls { "https" } else { "http" };
        Some(format!("{scheme}://{address}{}", self.base_path.as_str()))
    }
}
