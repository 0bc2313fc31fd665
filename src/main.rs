//! Flags, logger, store, event loop; and the commands that look after a history, or talk to a server.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chat_server::chat::name::{Name, NameError, RoomName};
use chat_server::chat::{Chat, PAGE};
use chat_server::config::{Config, Connect, Exit, Health, HistoryTool, Mode, PageTool, Tool};
use chat_server::delivery::Delivery;
use chat_server::net::client::health::Pages;
use chat_server::net::event_loop::{Ended, EventLoop, NetSettings};
use chat_server::net::listening::Inherited;
use chat_server::net::secrets::SystemSecrets;
use chat_server::net::secrets::owner_code::OwnerCode;
use chat_server::net::upgrade::predecessor::{Estate, Predecessor};
use chat_server::net::upgrade::record::Record;
use chat_server::net::upgrade::{Program, Terms, Upgrade, request};
use chat_server::net::{client, logging, stdout};
use chat_server::plural::Count;
use chat_server::service::Service;
use chat_server::service::broadcast::Broadcast;
use chat_server::service::echo::Echo;
use chat_server::store::place::Place;
use chat_server::store::sqlite::tools::{self, ToolError};
use chat_server::store::sqlite::{SqliteStore, history_version, new_epoch};
use chat_server::wire::Protocols;
use chat_server::wire::http::public_url::BasePath;
use log::{error, info, warn};

/// The address cannot be listened on, or the history cannot be had.
const EXIT_CANNOT_SERVE: u8 = 1;
/// A flag or a variable makes no sense.
const EXIT_USAGE: u8 = 2;
/// How long the disk may take at the end for what was said last.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

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
    match &config.tool {
        Some(Tool::Connect(connect)) => return talk(connect),
        Some(Tool::Health(health)) => return ask_health(health, &config.base_path),
        Some(Tool::History(tool)) => return look_after(tool),
        Some(Tool::Page(page)) => return print(page),
        None => {}
    }
    if let Err(error) = logging::start(config.monitoring.log_format) {
        return complain(EXIT_USAGE, error);
    }
    let code = match Predecessor::find() {
        Ok(Some(predecessor)) => take_over(&config, predecessor),
        Ok(None) => start(&config),
        Err(error) => complain(EXIT_CANNOT_SERVE, error),
    };
    log::logger().flush();
    code
}

/// Takes over from another process that this program was started by.
fn take_over(config: &Config, predecessor: Predecessor) -> ExitCode {
    let net = match config.net(false) {
        Ok(net) => NetSettings { addresses: Vec::new(), ..net },
        Err(error) => {
            predecessor.refuse(&error.to_string());
            return complain(EXIT_USAGE, error);
        }
    };
    if config.mode != Mode::Chat {
        predecessor.refuse("it is no chat");
        return complain(EXIT_USAGE, "only a chat takes over");
    }
    // While the other one serves: it takes its time, and needs nothing of what is handed over.
    LazyLock::force(&PAGE);
    match predecessor.agree(&Terms::new(history_version())) {
        Ok((listeners, estate)) => chat(config, net, listeners, Some(estate)),
        Err(error) => complain(EXIT_CANNOT_SERVE, format_args!("does not take over: {error}")),
    }
}

/// Serves what nobody has served before.
fn start(config: &Config) -> ExitCode {
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => return complain(EXIT_CANNOT_SERVE, error),
    };
    let net = match config.net(inherited.is_empty()) {
        Ok(net) => net,
        Err(error) => return complain(EXIT_USAGE, error),
    };
    match config.mode {
        Mode::Chat => chat(config, net, inherited, None),
        Mode::Echo => serve(net, inherited, |_| Echo, announce),
        Mode::Broadcast => serve(net, inherited, Broadcast::new, announce),
    }
}

/// Says in one line why the program ends.
fn complain(code: u8, what: impl Display) -> ExitCode {
    log::logger().flush();
    eprintln!("chat-server: {what}");
    ExitCode::from(code)
}

/// Serves the chat with what is kept of it.
fn chat(
    config: &Config,
    net: NetSettings,
    inherited: Inherited,
    estate: Option<Estate>,
) -> ExitCode {
    let directory = match Place::find(config.data.directory.as_deref()) {
        Ok(Place::Directory(directory)) => directory,
        Ok(Place::Memory) => {
            info!("history is in memory only (--data none): a restart forgets it");
            let secrets = Arc::new(SystemSecrets::new(OwnerCode::in_memory()));
            let own = Arc::clone(&secrets);
            let chat = |_: &mut Delivery| Chat::new(config.chat(new_epoch())).with_secrets(own);
            return serve(net, inherited, chat, |event_loop| {
                announce(event_loop)?;
                tell_urls(config, event_loop, &secrets);
                Ok(())
            });
        }
        Err(error) => return complain(EXIT_USAGE, error),
    };
    let open = if estate.is_some() { SqliteStore::take_over } else { SqliteStore::open };
    let (store, loaded) = match open(&directory, config.store()) {
        Ok(opened) => opened,
        Err(error) => {
            if let Some(estate) = estate {
                estate.refuse(&error.to_string());
            }
            return complain(EXIT_CANNOT_SERVE, error);
        }
    };
    info!("history is kept in {}", directory.display());
    let closer = store.closer();
    let settings = config.chat(new_epoch());
    let secrets = Arc::new(SystemSecrets::new(OwnerCode::in_directory(&directory)));
    let own = Arc::clone(&secrets);
    let chat =
        |_: &mut Delivery| Chat::with_store(settings, Box::new(store), loaded).with_secrets(own);
    let code = serve(net, inherited, chat, |event_loop| {
        match estate {
            Some(estate) => event_loop.take_over(estate)?,
            None => {
                announce(event_loop)?;
                tell_urls(config, event_loop, &secrets);
            }
        }
        let record = Record::in_directory(&directory);
        let terms = Terms::new(history_version());
        event_loop.set_upgrade(Upgrade::new(Program::of_this_process()?, terms, record));
        Ok(())
    });
    match closer.close(CLOSE_PATIENCE) {
        Ok(()) => code,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Says where it listens.
fn announce<A: Service>(event_loop: &mut EventLoop<A>) -> io::Result<()> {
    stdout::announce(&event_loop.bound());
    Ok(())
}

/// Tells who has started the server where its page is, and what makes an owner of them.
fn tell_urls(config: &Config, event_loop: &EventLoop<Chat>, secrets: &SystemSecrets) {
    let url = config.page_url(&event_loop.bound());
    let url = url.as_deref();
    if let Some(url) = url.filter(|_| config.wire != Protocols::Line) {
        info!("the page is at {url}");
    }
    let code = secrets.owner_code();
    if let Err(error) = code.note_page(url) {
        warn!("the owner command is not told where the page is: {error}");
    }
    print_owner_link(code, url, event_loop.service().has_owner());
}

/// Tells who can read the log how to own the server, while nobody does.
fn print_owner_link(code: &OwnerCode, page_url: Option<&str>, has_owner: bool) {
    if has_owner {
        return;
    }
    match owner_link(code, page_url) {
        Ok(link) if page_url.is_none() => info!(
            "nobody owns this server yet: open its page with {link} behind the URL within 30 minutes \
             to own it"
        ),
        Ok(link) => info!("nobody owns this server yet: open {link} within 30 minutes to own it"),
        Err(error) => warn!("nobody owns this server, and no link can be made for that: {error}"),
    }
}

/// The page shows the code in it to the server. What follows # reaches no proxy and no log of one.
/// Where the page is not known it is only that.
fn owner_link(code: &OwnerCode, page_url: Option<&str>) -> io::Result<String> {
    Ok(format!("{}#setup={}", page_url.unwrap_or_default(), code.make()?))
}

/// Talks to a server.
fn talk(connect: &Connect) -> ExitCode {
    match client::run(&connect.to, &connect.trusted.trust()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_usage() => complain(EXIT_USAGE, error),
        Err(error) => complain(EXIT_CANNOT_SERVE, error),
    }
}

/// Says whether a server is well.
fn ask_health(health: &Health, base: &BasePath) -> ExitCode {
    let pages = health.pages.clone().unwrap_or_else(|| Pages::here(base.clone()));
    match client::health::ask(&pages, &health.trusted.trust()) {
        Ok(said) => {
            let _ = writeln!(io::stdout(), "{said}");
            ExitCode::SUCCESS
        }
        Err(error) if error.is_usage() => complain(EXIT_USAGE, error),
        Err(error) => complain(EXIT_CANNOT_SERVE, error),
    }
}

/// Prints a manual, or what a shell completes.
fn print(page: &PageTool) -> ExitCode {
    match page.text() {
        Ok(text) => {
            // Who does not read it does not want to know.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(line) => complain(EXIT_USAGE, line),
    }
}

/// Does what is asked with a history, and says what was done.
fn look_after(tool: &HistoryTool) -> ExitCode {
    let data = match Place::find(tool.data().directory.as_deref()) {
        Ok(Place::Directory(directory)) => directory,
        Ok(Place::Memory) if matches!(tool, HistoryTool::Owner { .. }) => {
            return complain(EXIT_USAGE, "with --data none, only the server's log has the link");
        }
        Ok(Place::Memory) => return complain(EXIT_USAGE, "--data none has no history"),
        Err(error) => return complain(EXIT_USAGE, error),
    };
    let done = match tool {
        HistoryTool::Upgrade { .. } => return tell(request::run(&data)),
        HistoryTool::Backup { file, .. } => tools::backup(&data, file),
        HistoryTool::Restore { file, force, .. } => tools::restore(&data, file, *force),
        HistoryTool::Check { .. } => tools::check(&data),
        HistoryTool::Export { room, format, .. } => return export(&data, room, *format),
        HistoryTool::Owner { public_url, .. } => {
            let code = OwnerCode::in_directory(&data);
            let given = public_url.as_ref().map(ToString::to_string);
            let url = given.or_else(|| code.page());
            owner_link(&code, url.as_deref()).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ToolError::NoHistory { directory: data },
                _ => ToolError::File { file: data, error },
            })
        }
    };
    tell(done)
}

/// Says in one line what was done, or why it was not.
fn tell(done: Result<String, impl Display>) -> ExitCode {
    match done {
        Ok(line) => {
            // Who does not read it does not want to know.
            let _ = writeln!(io::stdout(), "{line}");
            ExitCode::SUCCESS
        }
        Err(error) => complain(EXIT_CANNOT_SERVE, error),
    }
}

fn export(data: &Path, room: &str, format: tools::Format) -> ExitCode {
    let (name, key) = match name_and_key(room) {
        Ok(found) => found,
        Err(error) => return complain(EXIT_USAGE, error),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match tools::export(data, (&name, &key), format, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        // `chat-server export '#dev' | head` has seen enough.
        Err(ToolError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => complain(EXIT_CANNOT_SERVE, error),
    }
}

/// Of a room, or of what two accounts say to each other: `@alice:bob`, `@alice:someone who left`.
fn name_and_key(typed: &str) -> Result<(String, String), NameError> {
    let names = typed.strip_prefix('@').and_then(|names| names.split_once(':'));
    let Some((one, other)) = names else {
        let name = RoomName::parse(typed)?;
        return Ok((name.as_str().to_owned(), name.key().to_owned()));
    };
    let name_and_key = |typed: &str| match tools::left_at(typed) {
        Some(_) => Ok((typed.to_owned(), typed.to_owned())),
        None => Name::parse(typed).map(|name| (name.to_string(), name.key().to_owned())),
    };
    let ((one, one_key), (other, other_key)) = (name_and_key(one)?, name_and_key(other)?);
    Ok((format!("@{one}:{other}"), format!("@{one_key}:{other_key}")))
}

fn serve<A: Service>(
    net: NetSettings,
    inherited: Inherited,
    service: impl FnOnce(&mut Delivery) -> A,
    begin: impl FnOnce(&mut EventLoop<A>) -> io::Result<()>,
) -> ExitCode {
    let mut event_loop = match EventLoop::bind(net, inherited, service) {
        Ok(event_loop) => event_loop,
        Err(error) => return complain(EXIT_CANNOT_SERVE, error),
    };
    if let Err(error) = begin(&mut event_loop) {
        return complain(EXIT_CANNOT_SERVE, error);
    }
    let ended = event_loop.run();
    // Lines that were left out are reported before the last line.
    log::logger().flush();
    match ended {
        Ok(Ended::Drained) => info!("stopped"),
        Ok(Ended::HandedOver) => info!("stopped; another process goes on"),
        Ok(Ended::Cut(clients)) => {
            let were = if clients == 1 { "was" } else { "were" };
            warn!("stopped; {} {were} cut off", Count(clients, "client"));
        }
        Ok(Ended::Unstored(groups)) => {
            let groups = Count(groups, "group");
            error!("stopped; not stored, and shown to nobody: {groups} of changes");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            error!("the event loop failed: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
