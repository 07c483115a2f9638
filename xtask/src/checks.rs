//! The checks that a change has to pass.

use crate::install;
use crate::step::{Outcome, cargo, run};
use crate::suite;

/// Installs what is missing, then runs every check, also after a failure; the first failure's code is the result.
pub(crate) fn test() -> Outcome {
    // Without its tools the tests would only tell again that they are missing.
    install::install()?;
    let mut document = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
    document.env("RUSTDOCFLAGS", "-D warnings");
    let steps = [
        ("format", cargo(&["fmt", "--all", "--check"])),
        (
            "lints",
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
        ),
        ("documentation", document),
        ("licences and sources", deny(&["bans", "licenses", "sources"])),
    ];
    let mut first = Ok(());
    let mut summary = Vec::new();
    let mut note = |name: &str, outcome: Outcome| {
        summary.push(format!("{name}: {}", if outcome.is_ok() { "ok" } else { "FAILED" }));
        first = first.and(outcome);
    };
    for (name, mut command) in steps {
        note(name, run(name, &mut command));
    }
    note("tests", suite::run_all());
    println!("\n== {}", summary.join(", "));
    first
}

/// Known vulnerabilities; apart from the checks, since they come and go without a change of ours.
pub(crate) fn advisories() -> Outcome {
    install::cargo_deny()?;
    run("advisories", &mut deny(&["advisories"]))
}

fn deny(what: &[&str]) -> std::process::Command {
    let mut command = crate::step::command(
        install::cargo_tool_path("cargo-deny"),
        &["--all-features", "--locked", "check", "--hide-inclusion-graph"],
    );
    command.args(what);
    command
}
