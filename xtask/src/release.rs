//! The binary as it is published: with the list of everything that it was built from, for scanners of vulnerabilities (`cargo audit bin`, Trivy,
//! Grype, Syft).

use std::fs;
use std::path::{Path, PathBuf};

use crate::install::{self, cargo_tool_path};
use crate::root;
use crate::step::{Outcome, command, output, run};

/// Builds it, reads its list back, and writes the list beside it.
pub(crate) fn build(profile: &str) -> Outcome {
    install::release_tools()?;
    let arguments = [
        "auditable",
        "build",
        "--locked",
        "--package",
        "tidegauge",
        "--bin",
        "tidegauge",
        "--profile",
        profile,
    ];
    let mut build = command(cargo_tool_path("cargo-auditable"), &arguments);
    run("release", &mut build)?;
    let binary = directory(profile).join("tidegauge");
    let listed = read_back(&binary)
        .and_then(|list| check(&list, &fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default()).map(|count| (list, count)));
    let (list, count) = listed.map_err(|why| {
        eprintln!("{}: {why}", binary.display());
        1
    })?;
    let beside = binary.with_extension("dependencies.json");
    fs::write(&beside, list).map_err(|error| {
        eprintln!("{} cannot be written: {error}", beside.display());
        1
    })?;
    println!(
        "\n== {}, built from {count} packages, which {} lists too",
        binary.display(),
        beside.display()
    );
    Ok(())
}

fn directory(profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join(if profile == "dev" { "debug" } else { profile })
}

fn read_back(binary: &Path) -> Result<String, String> {
    let reader = cargo_tool_path("rust-audit-info");
    let (Some(reader), Some(binary)) = (reader.to_str(), binary.to_str()) else {
        return Err("the path is no Unicode".to_owned());
    };
    output(reader, &[binary])
        .ok_or_else(|| "it holds no list of its dependencies: it was not built by cargo-auditable, or was stripped".to_owned())
}

/// Whether a list has ours, the C libraries that matter most, and nothing that Cargo.lock does not have; how many they are.
fn check(list: &str, lock: &str) -> Result<usize, String> {
    let names: Vec<&str> = list
        .split("\"name\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    for needed in [
        "tidegauge",
        "tidegauge-aggregate",
        "tidegauge-ingest",
        "tidegauge-sink",
        "rdkafka-sys",
        "openssl-sys",
        "parquet",
    ] {
        if !names.contains(&needed) {
            return Err(format!("the list of its dependencies lacks {needed}"));
        }
    }
    match names.iter().find(|name| !lock.contains(&format!("name = \"{name}\""))) {
        Some(unknown) => Err(format!("the list of its dependencies has {unknown}, which Cargo.lock does not")),
        None => Ok(names.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_what_matters_and_nothing_unknown() {
        let names = [
            "tidegauge",
            "tidegauge-aggregate",
            "tidegauge-ingest",
            "tidegauge-sink",
            "rdkafka-sys",
            "openssl-sys",
            "parquet",
        ];
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|name| format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}"))
                .collect::<String>()
        };
        let lock: String = names.iter().map(|name| format!("[[package]]\nname = \"{name}\"\n")).collect();
        assert_eq!(check(&list(&names), &lock), Ok(7));
        assert!(check(&list(&names[1..]), &lock).is_err_and(|why| why.contains("lacks tidegauge")));
        assert!(check(&list(&[&names[..], &["other"]].concat()), &lock).is_err_and(|why| why.contains("has other")));
    }
}
