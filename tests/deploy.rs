//! What is in deploy/ holds together, as far as that can be seen without a container engine and a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pages.rs"]
mod pages;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pages::{output_of, read, root, tidegauge, tool};
use serde_json::Value;
use tempfile::TempDir;

const CHART: &str = "deploy/helm/tidegauge";
const DOCKERFILE: &str = "deploy/image/Dockerfile";
const COMPOSE: &str = "deploy/compose.yaml";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The releases of Kubernetes that rendered charts are held to: the oldest that the chart takes, and a newer one.
const KUBERNETES: [&str; 2] = ["1.27", "1.33"];
/// Everything that the chart can do, at once.
const WHOLE: &str = r#"
kafka: {brokers: ["broker-1:9093", "broker-2:9093"], topics: [shop.events, "^support[.].*"], partitions: 12}
output: {url: "s3://bucket/prefix"}
config: |
  [kafka.security]
  protocol = "sasl_ssl"
  sasl.mechanism = "SCRAM-SHA-512"
  sasl.username = "tidegauge"
  sasl.password = "${KAFKA_PASSWORD}"

  [kafka.client]
  "fetch.min.bytes" = 1000
secretEnv: [{name: KAFKA_PASSWORD, secretName: kafka, secretKey: password}]
secretFiles: [{name: kafka, secretName: kafka-tls}]
extraEnv: [{name: AWS_REGION, value: eu-central-1}]
autoscaling: {enabled: true, maxReplicas: 12}
podMonitor: {enabled: true, labels: {release: prometheus}}
prometheusRule: {enabled: true, labels: {release: prometheus}}
networkPolicy: {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
serviceAccount: {annotations: {role: tidegauge}}
podAnnotations: {a: b}
podLabels: {team: ux}
nodeSelector: {disk: ssd}
tolerations: [{key: a, operator: Exists}]
affinity: {nodeAffinity: {}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
priorityClassName: high
imagePullSecrets: [{name: registry}]
"#;

fn helm(arguments: &[&str]) -> Output {
    // Nothing of the user's own.
    let home = TempDir::new().unwrap();
    let mut command = Command::new(tool("go/helm"));
    command
        .current_dir(root())
        .env("HOME", home.path())
        .args(arguments)
        .output()
        .unwrap()
}

fn rendered(more: &[&str], kubernetes: &str) -> String {
    let arguments = ["template", "ux", CHART, "--namespace", "metrics", "--kube-version", kubernetes];
    let output = helm(&[&arguments[..], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What the chart makes of the least that it takes, and of everything.
fn charts(directory: &TempDir, kubernetes: &str) -> [String; 2] {
    let file = directory.path().join("whole.yaml");
    fs::write(&file, WHOLE).unwrap();
    [
        rendered(&["--set", "kafka.brokers={broker:9092}"], kubernetes),
        rendered(&["--values", file.to_str().unwrap()], kubernetes),
    ]
}

fn python(script: &str, arguments: &[&Path]) -> String {
    let mut python = Command::new(tool("python/bin/python"));
    output_of(python.args(["-c", script]).args(arguments))
}

/// The documents of a YAML text.
fn yaml(text: &str) -> Vec<Value> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let script = "import json, sys, yaml; json.dump([d for d in yaml.safe_load_all(open(sys.argv[1])) if d], sys.stdout)";
    serde_json::from_str(&python(script, &[file.path()])).unwrap()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut found = documents.iter().filter(|document| document["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "two {kind}");
    one
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    let output = helm(&["lint", "--strict", CHART, "--set", "kafka.brokers={broker:9092}"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn what_the_chart_makes_is_what_kubernetes_takes() {
    let script = "
import sys, yaml, kubernetes_validate
for document in yaml.safe_load_all(open(sys.argv[1])):
    if 'monitoring.coreos.com' not in document['apiVersion']:
        kubernetes_validate.validate(document, sys.argv[2], strict=True)
";
    let directory = TempDir::new().unwrap();
    for kubernetes in KUBERNETES {
        for chart in charts(&directory, kubernetes) {
            let file = directory.path().join("chart.yaml");
            fs::write(&file, &chart).unwrap();
            python(script, &[&file, Path::new(kubernetes)]);
        }
    }
}

#[test]
fn tidegauge_takes_the_configuration_that_the_pods_get() {
    let directory = TempDir::new().unwrap();
    for chart in charts(&directory, KUBERNETES[1]) {
        let documents = yaml(&chart);
        let file = directory.path().join("tidegauge.toml");
        fs::write(&file, of_kind(&documents, "ConfigMap")["data"]["tidegauge.toml"].as_str().unwrap()).unwrap();
        let container = &of_kind(&documents, "StatefulSet")["spec"]["template"]["spec"]["containers"][0];
        let mut check = tidegauge(directory.path());
        check.args(["check", "-c", "tidegauge.toml", "--json"]);
        for variable in container["env"].as_array().unwrap() {
            let value = variable["value"].as_str().unwrap_or("from-a-secret");
            check.env(variable["name"].as_str().unwrap(), value.replace("$(POD_NAME)", "ux-tidegauge-0"));
        }
        let checked: Value = serde_json::from_str(&output_of(&mut check)).unwrap();
        let kafka = &checked["config"]["kafka"];
        assert_eq!(kafka["client"]["group.instance.id"], "ux-tidegauge-0", "{kafka}");
        assert_eq!(checked["config"]["http"]["listen"], "0.0.0.0:9464");
        assert!(!checked.to_string().contains("from-a-secret"));
    }
}

#[test]
fn pods_that_could_not_work_are_refused_with_the_way_out() {
    let refused = |set: &str| {
        let arguments = [
            "template",
            "ux",
            CHART,
            "--kube-version",
            "1.33",
            "--set",
            "kafka.brokers={b:9092}",
            "--set",
            set,
        ];
        let output = helm(&arguments);
        assert!(!output.status.success(), "{set}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (set, why) in [
        ("replicaCount=2", "set output.url to a bucket"),
        (
            "replicaCount=5,output.url=s3://bucket/a",
            "5 pods have nothing to read but 4 partitions",
        ),
        (
            "autoscaling.enabled=true,autoscaling.maxReplicas=9,output.url=s3://bucket/a",
            "autoscaling.maxReplicas",
        ),
        ("image.tag=latest", "/image/tag"),
        ("output.url=file:///data", "/output/url"),
        ("kafka.brokers={}", "kafka/brokers"),
        ("kafka.broker=b:9092", "'broker' not allowed"),
        ("secretEnv[0].name=A,secretEnv[0].value=b", "'value' not allowed"),
    ] {
        let message = refused(set);
        assert!(message.contains(why), "{set}: {message}");
    }
}

#[test]
fn pods_may_do_nothing_that_they_do_not_need() {
    let directory = TempDir::new().unwrap();
    for chart in charts(&directory, KUBERNETES[1]) {
        let documents = yaml(&chart);
        let pod = &of_kind(&documents, "StatefulSet")["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
        assert!(container["resources"]["limits"]["memory"].is_string());
        for path in ["livenessProbe", "readinessProbe"].map(|probe| container[probe]["httpGet"]["path"].as_str().unwrap()) {
            assert!(read("src/http/routes.rs").contains(&format!(".route(\"{path}\"")), "{path}");
        }
        let user = format!("USER {0}:{0}", pod["securityContext"]["runAsUser"]);
        assert!(read(DOCKERFILE).contains(&user), "{user}");
    }
}

#[test]
fn what_the_operator_gets_fits_the_rules_that_prometheus_takes() {
    let directory = TempDir::new().unwrap();
    let [_, chart] = charts(&directory, KUBERNETES[1]);
    let documents = yaml(&chart);
    let monitor = &of_kind(&documents, "PodMonitor")["spec"];
    let pod = &of_kind(&documents, "StatefulSet")["spec"]["template"];
    let job = pod["metadata"]["labels"][monitor["jobLabel"].as_str().unwrap()].as_str();
    assert_eq!(job, Some("tidegauge"), "the job of the rules");
    for (label, value) in monitor["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&pod["metadata"]["labels"][label], value);
    }
    assert_eq!(
        monitor["podMetricsEndpoints"][0]["port"],
        pod["spec"]["containers"][0]["ports"][0]["name"]
    );
    let rules = directory.path().join("rules.json");
    fs::write(&rules, of_kind(&documents, "PrometheusRule")["spec"].to_string()).unwrap();
    let checked = Command::new("promtool").args(["check", "rules"]).arg(&rules).output();
    let checked = checked.expect("promtool is missing: run `cargo xtask install`");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn compose_takes_the_file_and_everything_that_it_mounts_is_there() {
    let judge = tool("go/cmd");
    let output = Command::new(judge).arg("--format=json").arg(root().join(COMPOSE)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let compose = &yaml(&read(COMPOSE))[0];
    let mut mounts = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(root().join("deploy").join(source).exists(), "{name}: {source}");
                mounts += 1;
            } else {
                assert!(compose["volumes"].as_object().unwrap().contains_key(source), "{name}: {source}");
            }
        }
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port} is open to others");
        }
    }
    assert!(mounts >= 6, "{mounts}");
    let tidegauge = &compose["services"]["tidegauge"];
    let build = root().join("deploy").join(tidegauge["build"]["context"].as_str().unwrap());
    assert!(build.join(tidegauge["build"]["dockerfile"].as_str().unwrap()).is_file());
    for file in ["prometheus.yml", "prometheus-compose.yml"] {
        let checked = Command::new("promtool")
            .args(["check", "config"])
            .arg(root().join("deploy").join(file))
            .output();
        let checked = checked.expect("promtool is missing: run `cargo xtask install`");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
    for file in ["datasource.yaml", "dashboards.yaml"] {
        assert_eq!(yaml(&read(&format!("deploy/grafana/{file}")))[0]["apiVersion"], 1);
    }
}

#[test]
fn images_are_pinned_and_versions_are_those_of_the_program() {
    let mut images: BTreeMap<String, String> = BTreeMap::new();
    for (_, service) in yaml(&read(COMPOSE))[0]["services"].as_object().unwrap() {
        let (image, tag) = service["image"].as_str().unwrap().rsplit_once(':').expect("a version");
        images.insert(image.to_owned(), tag.to_owned());
    }
    for line in read(DOCKERFILE).lines().filter_map(|line| line.strip_prefix("FROM ")) {
        if line != "scratch" {
            let (image, tag) = line.split(' ').next().unwrap().rsplit_once(':').expect("a version");
            images.insert(image.to_owned(), tag.to_owned());
        }
    }
    for (image, tag) in &images {
        assert!(
            tag.split('.').count() >= 3 && !tag.contains("latest"),
            "{image}:{tag} is not one version"
        );
    }
    assert_eq!(images["tidegauge"], VERSION);
    let kafka = &images["apache/kafka"];
    assert!(
        read("tests/support/kafka-pom.xml").contains(&format!("<version>{kafka}</version>")),
        "{kafka} is not what the tests run"
    );
    let rust = read("Cargo.toml")
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .replace('"', "");
    assert!(images["rust"].starts_with(&format!("{rust}.")), "{}", images["rust"]);
    assert!(read(DOCKERFILE).contains(&format!("image.version=\"{VERSION}\"")));
    let chart = &yaml(&read(&format!("{CHART}/Chart.yaml")))[0];
    assert_eq!(
        (chart["version"].as_str(), chart["appVersion"].as_str()),
        (Some(VERSION), Some(VERSION))
    );
}

#[test]
fn the_image_is_built_from_what_its_context_holds_and_its_last_stage_runs_nothing() {
    let directory = TempDir::new().unwrap();
    let kept: Vec<String> = read(".dockerignore")
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .map(str::to_owned)
        .collect();
    for name in &kept {
        let target = directory.path().join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-r").arg(root().join(name)).arg(&target).status().unwrap();
        assert!(copied.success(), "{name}");
    }
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--locked", "--offline", "--format-version=1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&output_of(metadata.current_dir(directory.path()))).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().find(|package| package["name"] == "tidegauge").unwrap();
    assert!(ours["targets"].as_array().unwrap().iter().any(|target| target["kind"][0] == "bin"));
    let dockerfile = read(DOCKERFILE);
    assert!(kept.iter().any(|name| name == "deploy/image/rootfs.sh") && dockerfile.contains("deploy/image/rootfs.sh"));
    let (_, last) = dockerfile.split_once("FROM scratch").unwrap();
    assert!(!last.contains("\nRUN ") && last.contains("\nUSER 65532:65532\n"));
}

#[test]
fn the_image_holds_the_binary_its_user_and_whom_to_trust() {
    let directory = TempDir::new().unwrap();
    let image = directory.path().join("rootfs");
    let mut script = Command::new(root().join("deploy/image/rootfs.sh"));
    output_of(script.arg(env!("CARGO_BIN_EXE_tidegauge")).arg(&image));
    let mut files = Vec::new();
    let mut open = vec![image.clone()];
    while let Some(next) = open.pop() {
        for path in next.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { &mut open } else { &mut files }.push(path);
        }
    }
    let relative = |path: &PathBuf| path.strip_prefix(&image).unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = files.iter().map(relative).collect();
    names.sort();
    let wanted = [
        "etc/group",
        "etc/nsswitch.conf",
        "etc/passwd",
        "etc/ssl/certs/ca-certificates.crt",
        "usr/local/bin/tidegauge",
    ];
    assert_eq!(names, wanted);
    assert!(image.join("var/lib/tidegauge").is_dir());
}

#[test]
fn the_unit_is_what_systemd_takes() {
    let directory = TempDir::new().unwrap();
    let unit = directory.path().join("tidegauge.service");
    let text = read("deploy/tidegauge.service");
    assert!(text.contains("\nExecStart=/usr/local/bin/tidegauge run "), "{text}");
    fs::write(&unit, text.replace("/usr/local/bin/tidegauge", env!("CARGO_BIN_EXE_tidegauge"))).unwrap();
    let checked = Command::new("systemd-analyze").arg("verify").arg(&unit).output();
    let checked = checked.expect("systemd-analyze is missing: run `cargo xtask install`");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}");
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15"])
        .arg(&unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "exposed more than 1.5 of 10: {said}");
}
