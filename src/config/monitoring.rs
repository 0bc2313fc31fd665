//! What those who watch the server are told, and who may ask.

use std::path::Path;

use clap::Args;
use clap::builder::{NonEmptyStringValueParser, TypedValueParser};

use crate::net::logging::LogFormat;
use crate::net::metrics;
use crate::server::monitoring::{MetricsAccess, MetricsToken};
use crate::server::proxies::AddressSource;

/// What those who watch the server are told.
#[derive(Clone, Debug, Args)]
pub struct Monitoring {
    /// Who may read /metrics, for Prometheus: addresses, networks such as 10.0.0.0/8, or `unix` for
    /// what connects by a Unix socket; can be given several times, or as a list with commas. What
    /// comes by a proxy counts as its client's, if the proxy is named (--proxy-from), and else as
    /// nobody's. Without this and --metrics-token there is no such page.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CHAT_METRICS_FROM",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub metrics_from: Vec<AddressSource>,

    /// A file with a token of 16 characters or more: who shows it (Authorization: Bearer) may read
    /// /metrics, from anywhere. It is read once, at the start.
    #[arg(long, value_name = "FILE", env = "CHAT_METRICS_TOKEN", hide_env_values = true,
          value_parser = NonEmptyStringValueParser::new().try_map(token_in))]
    pub metrics_token: Option<TokenFile>,

    /// How the log is written: `text` for people, or `json`, an object a line, for programs.
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        env = "CHAT_LOG_FORMAT",
        hide_env_values = true
    )]
    pub log_format: LogFormat,
}

/// The token that stood in a file.
#[derive(Clone, Copy, Debug)]
pub struct TokenFile(MetricsToken);

fn token_in(path: String) -> Result<TokenFile, String> {
    metrics::token_in(Path::new(&path)).map(TokenFile)
}

impl Monitoring {
    pub fn access(&self) -> MetricsAccess {
        let token = self.metrics_token.map(|TokenFile(token)| token);
        MetricsAccess { from: self.metrics_from.clone(), token }
    }
}
