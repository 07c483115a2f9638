//! What the tests need and cargo does not bring. Everything that is there already is left alone, so that a second run is quick.

use std::fs;
use std::path::{Path, PathBuf};

use crate::step::{Outcome, cargo, command, output, run};
use crate::{go, root, tools};

/// The oldest Java that Apache Kafka 4 runs on.
const JAVA: u32 = 17;
const CARGO_DENY: &str = "0.20.2";
const CARGO_AUDITABLE: &str = "0.7.7";
const RUST_AUDIT_INFO: &str = "0.5.4";

/// Installs all of it.
pub(crate) fn install() -> Outcome {
    system()?;
    kafka()?;
    python()?;
    go::programs()?;
    axe()?;
    cargo_deny()
}

/// A program that comes from the system's packages.
struct Need {
    what: &'static str,
    package: &'static str,
    present: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        what: "C and C++ compilers, make and perl, for the vendored C libraries",
        package: "build-essential",
        present: compilers,
    },
    Need {
        what: "Java 17 or newer, with keytool",
        package: "default-jdk-headless",
        present: || java().is_some_and(|version| version >= JAVA),
    },
    Need {
        what: "Maven",
        package: "maven",
        present: || output("mvn", &["--version"]).is_some(),
    },
    Need {
        what: "OpenSSL's command",
        package: "openssl",
        present: || output("openssl", &["version"]).is_some(),
    },
    Need {
        what: "promtool and prometheus",
        package: "prometheus",
        present: || output("promtool", &["--version"]).is_some(),
    },
    Need {
        what: "systemd-analyze",
        package: "systemd",
        present: || output("systemd-analyze", &["--version"]).is_some(),
    },
    Need {
        what: "Go 1.21 or newer",
        package: "golang-go",
        present: go::is_there,
    },
    Need {
        what: "Chromium, for the tests of the console",
        package: "chromium",
        present: || output("chromium", &["--version"]).is_some(),
    },
    Need {
        what: "Python 3 with venv",
        package: "python3-venv",
        present: || output("python3", &["-c", "import venv, ensurepip"]).is_some(),
    },
];

fn system() -> Outcome {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let Some(prefix) = apt() else {
        eprintln!("These are needed for the tests and cannot be installed from here (no apt-get, or not root):");
        missing
            .iter()
            .for_each(|need| eprintln!("  {} (Debian package {})", need.what, need.package));
        return Err(1);
    };
    let as_root = |arguments: &[&str]| {
        let all: Vec<&str> = prefix
            .iter()
            .copied()
            .chain(["env", "DEBIAN_FRONTEND=noninteractive"])
            .chain(arguments.iter().copied())
            .collect();
        let (program, rest) = all.split_first().unwrap_or((&"false", &[]));
        command(program, rest)
    };
    run("package lists", &mut as_root(&["apt-get", "update", "-q"]))?;
    let install = ["apt-get", "install", "-q", "-y", "--no-install-recommends"];
    run("system packages", as_root(&install).args(&packages))?;
    // Debian's package starts a server on port 9090; only the programs are wanted.
    if packages.contains(&"prometheus") && Path::new("/run/systemd/system").exists() {
        let _ = run(
            "stop the packaged Prometheus",
            &mut as_root(&["systemctl", "disable", "--now", "prometheus", "prometheus-node-exporter"]),
        );
    }
    match missing.iter().find(|need| !(need.present)()) {
        None => Ok(()),
        Some(need) => {
            eprintln!(
                "{} is still not found after installing {}; is another one earlier in PATH?",
                need.what, need.package
            );
            Err(1)
        }
    }
}

/// How to run apt-get as root, if that is possible.
fn apt() -> Option<&'static [&'static str]> {
    output("apt-get", &["--version"])?;
    if output("id", &["-u"])?.trim() == "0" {
        return Some(&[]);
    }
    output("sudo", &["-n", "true"]).map(|_| &["sudo", "-n"][..])
}

fn compilers() -> bool {
    ["cc", "c++", "make", "perl"]
        .iter()
        .all(|program| output(program, &["--version"]).is_some())
}

fn java() -> Option<u32> {
    output("keytool", &["-help"])?;
    java_version(&output("java", &["-version"])?)
}

/// The feature release in what `java -version` prints: 17 of `"17.0.15"`, 8 of `"1.8.0_402"`.
fn java_version(printed: &str) -> Option<u32> {
    let quoted = printed.split('"').nth(1)?;
    let mut numbers = quoted
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse::<u32>().ok());
    match numbers.next()? {
        1 => numbers.next(),
        first => Some(first),
    }
}

fn kafka() -> Outcome {
    let pom = root().join("tests/support/kafka-pom.xml");
    let directory = tools().join("kafka");
    stamped(&pom, &directory, || {
        let libraries = format!("-DoutputDirectory={}", directory.join("libs").display());
        let goal = [
            "-q",
            "-B",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            &libraries,
            "-f",
        ];
        run("Apache Kafka", command("mvn", &goal).arg(&pom))
    })
}

/// Installs packages as they were built by their makers.
const PIP: [&str; 7] = [
    "-m",
    "pip",
    "install",
    "-q",
    "--disable-pip-version-check",
    "--only-binary",
    ":all:",
];

fn python() -> Outcome {
    let requirements = root().join("tests/support/requirements.txt");
    let directory = tools().join("python");
    stamped(&requirements, &directory, || {
        run("Python environment", command("python3", &["-m", "venv"]).arg(&directory))?;
        run(
            "Python packages",
            command(directory.join("bin/python"), &PIP).arg("-r").arg(&requirements),
        )
    })
}

/// axe-core, which finds what keeps people from using a page. It comes as a file in a package whose dependencies are not needed.
fn axe() -> Outcome {
    let requirements = root().join("tests/support/axe.txt");
    let directory = tools().join("axe");
    stamped(&requirements, &directory, || {
        let python = tools().join("python/bin/python");
        run(
            "axe-core",
            command(python, &PIP)
                .arg("--no-deps")
                .arg("--target")
                .arg(&directory)
                .arg("-r")
                .arg(&requirements),
        )
    })
}

/// What a release needs besides: to write the list of dependencies into the binary, and to read it back.
pub(crate) fn release_tools() -> Outcome {
    cargo_tool("cargo-auditable", CARGO_AUDITABLE)?;
    cargo_tool("rust-audit-info", RUST_AUDIT_INFO)
}

/// Installs cargo-deny.
pub(crate) fn cargo_deny() -> Outcome {
    cargo_tool("cargo-deny", CARGO_DENY)
}

/// Where a program that cargo installed is.
pub(crate) fn cargo_tool_path(name: &str) -> PathBuf {
    tools().join("cargo/bin").join(name)
}

fn cargo_tool(name: &str, version: &str) -> Outcome {
    if cargo_tool_path(name).exists() {
        return Ok(());
    }
    // Unoptimised: it runs for a second and would be built for minutes.
    let mut install = cargo(&["install", "--debug", "--locked", "--version", version, name, "--root"]);
    run(name, install.arg(tools().join("cargo")))
}

/// Runs `make` unless `directory` was made from what `source` holds now.
fn stamped(source: &Path, directory: &Path, make: impl FnOnce() -> Outcome) -> Outcome {
    let wanted = fs::read(source).map_err(|error| failed("read", source, &error))?;
    let stamp = directory.join("made-from");
    if fs::read(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(|error| failed("remove", directory, &error))?;
    }
    fs::create_dir_all(directory).map_err(|error| failed("create", directory, &error))?;
    make()?;
    fs::write(&stamp, wanted).map_err(|error| failed("write", &stamp, &error))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> u8 {
    eprintln!("cannot {what} {}: {error}", path.display());
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_java_release_is_read_in_both_ways_of_numbering() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(java_version("java version \"1.8.0_402\""), Some(8));
        assert_eq!(java_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(java_version("no such thing"), None);
    }
}
