//! Flags, logger, event loop.

use std::io::{self, Write};
use std::process::ExitCode;

use chat_server::chat::Chat;
use chat_server::config::{Config, Exit, Mode};
use chat_server::delivery::Delivery;
use chat_server::net::event_loop::{Ended, EventLoop};
use chat_server::net::{clock, logging, stdout};
use chat_server::service::Service;
use chat_server::service::broadcast::Broadcast;
use chat_server::service::echo::Echo;
use log::{error, info, warn};

/// The address cannot be listened on.
const EXIT_CANNOT_SERVE: u8 = 1;
/// A flag or a variable makes no sense.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(Exit::Help(page)) => {
            let _ = io::stdout().write_all(page.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Exit::Usage(line)) => {
            eprintln!("{line}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if let Err(error) = logging::start() {
        eprintln!("chat-server: {error}");
        return ExitCode::from(EXIT_USAGE);
    }
    let code = match config.mode {
        Mode::Chat => serve(&config, |_| Chat::new(config.chat(clock::epoch()))),
        Mode::Echo => serve(&config, |_| Echo),
        Mode::Broadcast => serve(&config, Broadcast::new),
    };
    log::logger().flush();
    code
}

fn serve<A: Service>(config: &Config, service: impl FnOnce(&mut Delivery) -> A) -> ExitCode {
    let mut event_loop = match EventLoop::bind(config.net(), service) {
        Ok(event_loop) => event_loop,
        Err(error) => {
            log::logger().flush();
            eprintln!("chat-server: cannot listen on {}: {error}", config.address.0[0]);
            return ExitCode::from(EXIT_CANNOT_SERVE);
        }
    };
    stdout::announce(event_loop.address());
    let ended = event_loop.run();
    // Lines that were left out are reported before the last line.
    log::logger().flush();
    match ended {
        Ok(Ended::Drained) => info!("stopped"),
        Ok(Ended::Cut(clients)) => warn!("stopped; {clients} clients were cut off"),
        Ok(Ended::Unstored(groups)) => {
            error!(
                "stopped; {groups} groups of changes were not stored, and nobody was shown them"
            );
            return ExitCode::FAILURE;
        }
        Err(error) => {
            error!("the event loop failed: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
