//! The real program, in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;

use super::server::{PASSWORD, until};

/// A server that is ready. Killed when it is dropped.
pub struct Process {
    child: Child,
    pub addr: SocketAddr,
    pub http_addr: SocketAddr,
    log: Option<JoinHandle<String>>,
}

/// The program on free ports of loopback, with nothing from the tests' own environment.
pub fn program(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagewire"));
    command.env_clear().env("STAGEWIRE_ROOT_PASSWORD", PASSWORD);
    command.args(["serve", "--mysql-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]);
    command.arg("--data-dir").arg(data_dir);
    command
}

/// Runs one that is expected to refuse; what it said.
pub fn refused(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    assert_eq!(status.code(), Some(1), "{}", String::from_utf8_lossy(&stderr));
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    String::from_utf8(stderr).expect("UTF-8")
}

impl Process {
    /// On this data directory, with the defaults.
    pub fn start(data_dir: &Path) -> Process {
        Process::spawn(program(data_dir))
    }

    /// Waits for its first line.
    pub fn spawn(mut command: Command) -> Process {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the program runs");
        let mut stderr = child.stderr.take().expect("a pipe");
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            let _ = stderr.read_to_end(&mut log);
            String::from_utf8_lossy(&log).into_owned()
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("a line");
        let addr = |name: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            word.and_then(|addr| addr.parse().ok())
        };
        let (Some(mysql), Some(http)) = (addr("mysql="), addr("http=")) else {
            let _ = child.wait();
            panic!("not ready: {line:?}\n{}", log.join().expect("no panic"));
        };
        assert!(line.starts_with("stagewire ready "), "{line}");
        Process { child, addr: mysql, http_addr: http, log: Some(log) }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has ever had resident, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// The memory that it has resident, in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("a system with /proc");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number")
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let killed = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status();
        assert!(killed.expect("kill").success());
    }

    /// Waits for its end; what it has logged.
    pub fn wait(mut self) -> (ExitStatus, String) {
        until("the program ends", || self.child.try_wait().expect("a child").is_some());
        let log = self.log.take().expect("taken once").join().expect("no panic");
        (self.child.wait().expect("a child"), log)
    }

    /// Ends it with no chance to tidy up.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("killed");
        self.child.wait().expect("a child");
        self.log.take().expect("taken once").join().expect("no panic")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
