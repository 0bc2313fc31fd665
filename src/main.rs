//! Flags, logger, event loop.

use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use chat_server::config::{Config, Instead, Mode};
use chat_server::event_loop::{Ended, EventLoop};
use chat_server::outgoing::Outgoing;
use chat_server::service::Service;
use chat_server::service::broadcast::Broadcast;
use chat_server::service::chat::Chat;
use chat_server::service::echo::Echo;
use log::{error, info, warn};

/// The address can not be listened on.
const EXIT_CANNOT_SERVE: u8 = 1;
/// A flag or a variable makes no sense.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(Instead::Page(page)) => {
            let _ = std::io::stdout().write_all(page.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Instead::Complaint(line)) => {
            eprintln!("{line}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if let Err(complaint) = start_logger() {
        eprintln!("chat-server: {complaint}");
        return ExitCode::from(EXIT_USAGE);
    }
    match config.mode {
        Mode::Chat => serve(&config, |_| Chat::new(config.chat(epoch()))),
        Mode::Echo => serve(&config, |_| Echo),
        Mode::Broadcast => serve(&config, Broadcast::new),
    }
}

/// Another one at each start: the time and the process tell two runs apart.
fn epoch() -> String {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", since_1970.as_micros(), std::process::id())
}

/// Logs to standard error, from `info` up or as `RUST_LOG` says.
fn start_logger() -> Result<(), String> {
    let mut logger = env_logger::Builder::new();
    match std::env::var("RUST_LOG") {
        Ok(filter) => {
            env_filter::Builder::new().try_parse(&filter).map_err(|error| format!("RUST_LOG: {error}"))?;
            logger.parse_filters(&filter);
        }
        Err(std::env::VarError::NotPresent) => {
            logger.filter_level(log::LevelFilter::Info);
        }
        Err(error) => return Err(format!("RUST_LOG: {error}")),
    }
    logger.init();
    Ok(())
}

fn serve<A: Service>(config: &Config, service: impl FnOnce(&mut Outgoing) -> A) -> ExitCode {
    let mut event_loop = match EventLoop::bind(config, service) {
        Ok(event_loop) => event_loop,
        Err(error) => {
            eprintln!("chat-server: can not listen on {}: {error}", config.address.0[0]);
            return ExitCode::from(EXIT_CANNOT_SERVE);
        }
    };
    // Scripts read this line to learn the port. If nobody reads standard output, that is no reason not to serve.
    if let Err(error) = writeln!(std::io::stdout(), "Listening on: {}", event_loop.address()) {
        warn!("standard output: {error}");
    }
    match event_loop.run() {
        Ok(Ended::Drained) => info!("stopped"),
        Ok(Ended::Cut(clients)) => warn!("stopped; {clients} clients were cut off"),
        Err(error) => {
            error!("the event loop failed: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
