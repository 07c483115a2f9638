//! What is written in Go and built from its source: the programs that judge the files of `deploy/`.

use crate::step::{Outcome, command, output, run};
use crate::tools;

/// Name of the program below `tools/go`, its package, and the version that is built.
const PROGRAMS: [(&str, &str, &str); 2] = [
    ("helm", "helm.sh/helm/v3/cmd/helm", "v3.22.0"),
    ("cmd", "github.com/compose-spec/compose-go/v2/cmd", "v2.9.0"),
];

/// Builds those that are missing or of another version.
pub(crate) fn programs() -> Outcome {
    for (name, package, version) in PROGRAMS {
        let directory = tools().join("go");
        let wanted = format!("{package}@{version}");
        let stamp = directory.join(format!("{name}.version"));
        if directory.join(name).exists() && std::fs::read_to_string(&stamp).is_ok_and(|built| built == wanted) {
            continue;
        }
        run(name, command("go", &["install", &wanted]).env("GOBIN", &directory))?;
        std::fs::write(&stamp, wanted).map_err(|error| {
            eprintln!("cannot write {}: {error}", stamp.display());
            1
        })?;
    }
    Ok(())
}

/// Whether there is a Go that fetches by itself the version that a program asks for.
pub(crate) fn is_there() -> bool {
    output("go", &["env", "GOVERSION"]).is_some_and(|version| fetches_toolchains(&version))
}

/// Of `go1.26.8`: since 1.21.
fn fetches_toolchains(version: &str) -> bool {
    let minor = version
        .trim()
        .strip_prefix("go1.")
        .and_then(|rest| rest.split(['.', 'r', 'b']).next());
    minor.and_then(|minor| minor.parse::<u32>().ok()).is_some_and(|minor| minor >= 21)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_that_fetches_toolchains_is_1_21_or_newer() {
        assert!(fetches_toolchains("go1.26.8\n") && fetches_toolchains("go1.21rc2"));
        assert!(!fetches_toolchains("go1.19.8") && !fetches_toolchains("devel"));
    }
}
