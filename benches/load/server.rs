//! One server process: started on its core, found on its port, ended by its id.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::contender::{Contender, Ready, Start};
use crate::machine;
use crate::scenario::Scenario;

const START_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Server {
    child: Child,
    scratch: PathBuf,
    indexer: Option<&'static str>,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(contender: &dyn Contender, scenario: &Scenario) -> Result<Server> {
        let program = contender.find().map_err(anyhow::Error::msg)?;
        // On the disk of cargo's target, as /tmp may be memory.
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("chat-server-load-{}", std::process::id()));
        fs::create_dir_all(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
        let port = free_port()?;
        let mut command =
            contender.launch(&Start { program: &program, port, scratch: &scratch, scenario })?;
        let log = File::create(scratch.join("stderr"))?;
        let says = matches!(contender.ready(), Ready::Says);
        // It is ours, and the server takes it for a setting that it does not know.
        command.env_remove("CHAT_BENCH_OTHER");
        command.stdin(Stdio::null()).stderr(log.try_clone()?);
        command.stdout(if says { Stdio::piped() } else { Stdio::from(log) });
        let child = on_server_core(|| {
            command.spawn().with_context(|| format!("starting {}", program.display()))
        })?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Server { child, scratch, indexer: contender.indexer(), address };
        let ready = if says { server.listening_line() } else { server.port_open() };
        match ready {
            Ok(address) => {
                server.address = address;
                Ok(server)
            }
            Err(error) => Err(server.explain(error)),
        }
    }

    pub fn cpu(&self) -> Result<Duration> {
        machine::cpu_of(self.child.id() as i32)
    }

    /// The part of it that is indexing.
    pub fn indexing_cpu(&self) -> Result<Duration> {
        self.indexer.map_or(Ok(Duration::ZERO), |thread| {
            machine::cpu_of_thread(self.child.id() as i32, thread)
        })
    }

    pub fn resident_bytes(&self) -> Result<u64> {
        machine::resident_bytes_of(self.child.id() as i32)
    }

    /// Adds what the server had to say to an error: whether it has ended, and the end of its log.
    pub fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        let ended = match self.child.try_wait() {
            Ok(Some(status)) => format!("; the server has ended: {status}"),
            _ => String::new(),
        };
        let log = fs::read(self.scratch.join("stderr")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let tail: Vec<&str> = log.lines().rev().take(3).collect();
        let tail = tail.into_iter().rev().map(|line| format!("\n    | {line}")).collect::<String>();
        anyhow::anyhow!("{error:#}{ended}{tail}")
    }

    fn listening_line(&mut self) -> Result<SocketAddr> {
        let stdout = self.child.stdout.take().context("standard output")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = sender.send(line);
        });
        let line =
            receiver.recv_timeout(START_TIMEOUT).context("it prints no `Listening on: ADDRESS`")?;
        let address = line.trim().strip_prefix("Listening on: ");
        let address = address
            .with_context(|| format!("it printed {line:?} instead of `Listening on: ADDRESS`"))?;
        address.parse().with_context(|| format!("address {address:?}"))
    }

    fn port_open(&mut self) -> Result<SocketAddr> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(self.address);
            }
            if self.child.try_wait()?.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("nobody listens on {}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// A child stays on the core that its parent was on when it started it.
fn on_server_core<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    let cores = *crate::CORES.get_or_init(machine::cores);
    if let Some(cores) = cores {
        machine::pin_to(cores.server)?;
    }
    let result = start();
    if let Some(cores) = cores {
        machine::pin_to(cores.load)?;
    }
    result
}

fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}
