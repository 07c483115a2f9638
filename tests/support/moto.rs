//! An object store that speaks the protocol of S3, for tests: moto on a free port of the loopback interface, everything in its memory, and a proxy
//! before it that spoils what passes. Both end with the test process.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// A bucket that every server has.
pub const BUCKET: &str = "bucket";
/// A secret that no message may show.
pub const SECRET: &str = "swordfish-3f9a";
const LIMIT: Duration = Duration::from_secs(60);

/// Serves until the pipe from the test process closes.
const SERVE: &str = "
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', sys.argv[1]])
";

/// The server that the tests of one program share.
pub fn shared() -> &'static Moto {
    static SHARED: OnceLock<Moto> = OnceLock::new();
    SHARED.get_or_init(Moto::start)
}

/// A running server.
pub struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// Starts one and waits until it has made the bucket.
    pub fn start() -> Moto {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(python());
        command.args(["-c", SERVE, &port.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Moto {
            child: command.spawn().expect("python"),
            port,
        };
        let deadline = Instant::now() + LIMIT;
        let create = format!("PUT /{BUCKET} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        while !moto.ask(create.as_bytes()).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200")) {
            assert!(Instant::now() < deadline, "moto did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        moto
    }

    /// The environment of a client of it.
    pub fn variables(&self) -> Vec<(String, String)> {
        variables(self.port, "AKIAIOSFODNN7EXAMPLE", SECRET)
    }

    /// Runs a script with `client`, a function that makes boto3's client of a service, and gives what it prints.
    pub fn script(&self, script: &str) -> String {
        let client =
            "import boto3, sys\nclient = lambda service: boto3.client(service, endpoint_url=sys.argv[1], region_name='us-east-1')\n";
        let mut command = Command::new(python());
        command.args(["-c", &format!("{client}{script}"), &format!("http://127.0.0.1:{}", self.port)]);
        let output = command.envs(self.variables()).output().expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// From now on every request needs a right signature and the permission.
    pub fn demand_permission(&self) {
        let request = "POST /moto-api/reset-auth HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\nconnection: close\r\n\r\n0";
        let answer = self.ask(request.as_bytes()).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }

    fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The environment of a client of the server at a port.
pub fn variables(port: u16, key: &str, secret: &str) -> Vec<(String, String)> {
    let endpoint = format!("http://127.0.0.1:{port}");
    [
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|path| path.join("Cargo.lock").exists());
    let tools = std::env::var_os("TIDEGAUGE_TOOLS").map_or_else(|| root.unwrap().join("target/tools"), PathBuf::from);
    let server = tools.join("python/bin/moto_server");
    assert!(server.exists(), "{} is missing: run `cargo xtask install`", server.display());
    tools.join("python/bin/python")
}

/// What becomes of a request.
pub enum Fate {
    /// The server gets it, and the client the answer.
    Pass,
    /// The server gets it, but the client no answer.
    LoseAnswer,
    /// Nobody gets it.
    Drop,
    /// The client gets this status line and body.
    Answer(&'static str, &'static str),
}

/// The request line and the headers, to be read and changed.
pub struct Head(pub Vec<String>);

impl Head {
    /// Whether it is of this method.
    pub fn is(&self, method: &str) -> bool {
        self.0[0].starts_with(&format!("{method} "))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(':').filter(|(found, _)| found.eq_ignore_ascii_case(name)).is_some();
        self.0
            .iter()
            .skip(1)
            .find(|line| of(line))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim())
    }

    /// Takes a header away.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|line| !line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name)));
    }
}

type Rule = Box<dyn FnMut(&mut Head) -> Fate + Send>;

/// Passes requests on to a server as a rule says.
pub struct Proxy {
    port: u16,
    rule: Arc<Mutex<Rule>>,
}

impl Proxy {
    /// One that passes everything.
    pub fn before(moto: &Moto) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, server) = (listener.local_addr().unwrap().port(), moto.port);
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_| Fate::Pass)));
        let shared = Arc::clone(&rule);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let rule = Arc::clone(&shared);
                // A client that is gone needs no answer.
                std::thread::spawn(move || drop(pass(client, server, &rule)));
            }
        });
        Proxy { port, rule }
    }

    /// From now on this rule holds.
    pub fn rule(&self, rule: impl FnMut(&mut Head) -> Fate + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// The environment of a client of it.
    pub fn variables(&self) -> Vec<(String, String)> {
        variables(self.port, "AKIAIOSFODNN7EXAMPLE", SECRET)
    }
}

/// One request, then the connection is closed.
fn pass(client: TcpStream, server: u16, rule: &Mutex<Rule>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = Head(Vec::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "" => break,
            line => head.0.push(line.to_owned()),
        }
    }
    let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let fate = (rule.lock().unwrap())(&mut head);
    let mut answer = Vec::new();
    match fate {
        Fate::Drop => return Ok(()),
        Fate::Answer(status, text) => {
            write!(
                answer,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            )?;
        }
        Fate::Pass | Fate::LoseAnswer => {
            head.remove("connection");
            let mut stream = TcpStream::connect(("127.0.0.1", server))?;
            write!(stream, "{}\r\nconnection: close\r\n\r\n", head.0.join("\r\n"))?;
            stream.write_all(&body)?;
            stream.read_to_end(&mut answer)?;
        }
    }
    if matches!(fate, Fate::LoseAnswer) {
        return Ok(());
    }
    (&client).write_all(&answer)
}
