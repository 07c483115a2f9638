//! A real Apache Kafka for tests: one KRaft node on free ports of the loopback interface, with its data in a temporary directory.
//!
//! Nothing is deleted by age unless a topic says so, since records of tests may be of any time. `PLAINTEXT` clients are super users; the `SECURE` listener (TLS and SCRAM) knows `alice`, who may only do what ACLs grant; the `MUTUAL` one wants the
//! client's certificate and knows one, which is a super user's. The broker runs
//! under a shell that waits on a pipe from this process, so it ends when the test process does, however that comes about.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

/// Name of the user of the `SECURE` listener.
pub const USER: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "wonderland";
const STORE_PASSWORD: &str = "changeit";

/// Kills the broker when the pipe closes, which a signal to the whole process group must not prevent; removes its directory unless told that it will be started again.
const KEEPER: &str = r#"
trap '' HUP INT TERM
directory=$1; shift
"$@" >>"$directory/broker.log" 2>&1 </dev/null &
broker=$!
read -r word
kill -9 "$broker" 2>/dev/null
wait "$broker" 2>/dev/null
[ "$word" = keep ] || rm -rf "$directory"
"#;

/// The broker that the tests of one binary share.
pub fn shared() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(Broker::start)
}

/// A running broker.
pub struct Broker {
    directory: PathBuf,
    port: u16,
    secure_port: u16,
    mutual_port: u16,
    keeper: Mutex<Child>,
}

impl Broker {
    /// Starts one and waits until it answers.
    pub fn start() -> Broker {
        let directory = tempfile::Builder::new()
            .prefix("tidegauge-kafka-")
            .tempdir()
            .expect("a temporary directory")
            .keep();
        let [port, secure_port, mutual_port, controller_port] = free_ports();
        make_certificate(&directory);
        make_client_certificate(&directory, "client");
        fs::write(
            directory.join("server.properties"),
            properties(&directory, [port, secure_port, mutual_port, controller_port]),
        )
        .expect("server.properties");
        let scram = format!("SCRAM-SHA-256=[name={USER},password={PASSWORD}]");
        let configuration = directory.join("server.properties");
        let arguments = [
            "format",
            "--cluster-id",
            "dGlkZWdhdWdlLXRlc3RzMQ",
            "--add-scram",
            &scram,
            "--config",
        ];
        let output = java(256)
            .arg("kafka.tools.StorageTool")
            .args(arguments)
            .arg(&configuration)
            .output()
            .expect("java");
        assert!(
            output.status.success(),
            "formatting the storage failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let keeper = Mutex::new(run(&directory));
        let broker = Broker {
            directory,
            port,
            secure_port,
            mutual_port,
            keeper,
        };
        broker.wait_until_ready();
        broker
    }

    /// What super users connect to.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What `alice` connects to, with TLS and SCRAM.
    pub fn secure_bootstrap(&self) -> String {
        format!("localhost:{}", self.secure_port)
    }

    /// What owners of the certificate connect to, with TLS alone.
    pub fn mutual_bootstrap(&self) -> String {
        format!("localhost:{}", self.mutual_port)
    }

    /// The certificate of a client and its key; the `MUTUAL` listener knows that of `client`, and of others only that they are self-made.
    pub fn client_certificate(&self, name: &str) -> [PathBuf; 2] {
        let files = ["pem", "key"].map(|ending| self.directory.join(format!("{name}.{ending}")));
        if !files[0].exists() {
            make_client_certificate(&self.directory, name);
        }
        files
    }

    /// The certificate that the `SECURE` and `MUTUAL` listeners show, to be trusted.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("broker.pem")
    }

    /// Kills the broker without warning.
    pub fn kill(&self) {
        let mut keeper = self.keeper.lock().unwrap();
        if let Some(mut pipe) = keeper.stdin.take() {
            pipe.write_all(b"keep\n").expect("the keeper reads");
        }
        keeper.wait().expect("the keeper ends");
    }

    /// Starts it again after [`Broker::kill`], on the same ports and data.
    pub fn start_again(&self) {
        *self.keeper.lock().unwrap() = run(&self.directory);
        self.wait_until_ready();
    }

    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let results = block_on(self.admin().create_topics(&[topic], &AdminOptions::new())).expect("create topics");
        results.into_iter().for_each(|result| drop(result.expect("the topic is created")));
    }

    /// Raises a topic's partition count.
    pub fn add_partitions(&self, name: &str, total: usize) {
        let wanted = NewPartitions::new(name, total);
        let results = block_on(self.admin().create_partitions(&[wanted], &AdminOptions::new())).expect("create partitions");
        results
            .into_iter()
            .for_each(|result| drop(result.expect("the partitions are created")));
    }

    /// Deletes the records below an offset, as retention does.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).unwrap();
        block_on(self.admin().delete_records(&list, &AdminOptions::new())).expect("records are deleted");
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) {
        let results = block_on(self.admin().delete_topics(&[name], &AdminOptions::new())).expect("delete topics");
        results.into_iter().for_each(|result| drop(result.expect("the topic is deleted")));
    }

    /// Runs one of Kafka's command-line tools by its main class, and returns what it prints.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let output = java(256)
            .arg(class)
            .args(["--bootstrap-server", &self.bootstrap()])
            .args(arguments)
            .output()
            .expect("java");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{class} {arguments:?} failed: {printed} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        printed
    }

    /// What `kafka-consumer-groups.sh --describe` prints about a group.
    pub fn describe_group(&self, group: &str) -> String {
        self.tool(
            "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
            &["--describe", "--group", group],
        )
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .create()
            .expect("an admin client")
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("reconnect.backoff.max.ms", "500")
            .create()
            .unwrap();
        while client.fetch_metadata(None, Duration::from_secs(1)).is_err() {
            let log = || fs::read_to_string(self.directory.join("broker.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "Kafka did not start; its log says:\n{}", log());
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap();
        drop(keeper.stdin.take());
        let _ = keeper.wait();
    }
}

/// Where `cargo xtask install` puts what tests need.
pub fn tools() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    std::env::var_os("TIDEGAUGE_TOOLS").map_or_else(default, PathBuf::from)
}

fn java(megabytes: u32) -> Command {
    let libraries = tools().join("kafka/libs");
    assert!(
        libraries.is_dir(),
        "Apache Kafka is not in {}: run `cargo xtask install`",
        libraries.display()
    );
    let mut command = Command::new("java");
    command
        .arg(format!("-Xmx{megabytes}m"))
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp"]);
    command.arg(libraries.join("*"));
    command
}

fn run(directory: &Path) -> Child {
    let java = java(512);
    Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(directory)
        .arg(java.get_program())
        .args(java.get_args())
        .arg("kafka.Kafka")
        .arg(directory.join("server.properties"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh")
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All at once, so that they differ.
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn make_certificate(directory: &Path) {
    let keytool = |arguments: &[&str]| {
        let output = Command::new("keytool")
            .args(arguments)
            .args(["-storepass", STORE_PASSWORD])
            .current_dir(directory)
            .output();
        let output = output.expect("keytool, of the Java development kit: run `cargo xtask install`");
        assert!(
            output.status.success(),
            "keytool failed: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    };
    keytool(&[
        "-genkeypair",
        "-alias",
        "broker",
        "-keyalg",
        "EC",
        "-groupname",
        "secp256r1",
        "-dname",
        "CN=localhost",
        "-ext",
        "SAN=dns:localhost,ip:127.0.0.1",
        "-ext",
        "bc:c",
        "-validity",
        "2",
        "-storetype",
        "PKCS12",
        "-keystore",
        "broker.p12",
    ]);
    keytool(&[
        "-exportcert",
        "-rfc",
        "-alias",
        "broker",
        "-keystore",
        "broker.p12",
        "-file",
        "broker.pem",
    ]);
}

fn make_client_certificate(directory: &Path, name: &str) {
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.pem"),
        ])
        .current_dir(directory)
        .output()
        .expect("openssl: run `cargo xtask install`");
    assert!(
        output.status.success(),
        "openssl failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn properties(directory: &Path, [port, secure_port, mutual_port, controller_port]: [u16; 4]) -> String {
    let directory = directory.display();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},SECURE://127.0.0.1:{secure_port},MUTUAL://127.0.0.1:{mutual_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURE://localhost:{secure_port},MUTUAL://localhost:{mutual_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.location={directory}/broker.p12
listener.name.secure.ssl.keystore.password={STORE_PASSWORD}
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.mutual.ssl.client.auth=required
listener.name.mutual.ssl.keystore.location={directory}/broker.p12
listener.name.mutual.ssl.keystore.password={STORE_PASSWORD}
listener.name.mutual.ssl.keystore.type=PKCS12
listener.name.mutual.ssl.truststore.location={directory}/client.pem
listener.name.mutual.ssl.truststore.type=PEM
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:CN=client
log.dirs={directory}/data
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=500
log.retention.ms=-1
log.retention.check.interval.ms=1000
num.network.threads=2
num.io.threads=4
"
    )
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
