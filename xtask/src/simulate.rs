//! More of what the tests do a little of: seeds of the simulation, disturbances of real processes.

use crate::install;
use crate::step::{Outcome, cargo, run};

/// Runs seeds of the simulation.
pub(crate) fn simulate(options: &[&str]) -> Outcome {
    let mut variables = vec![("TIDEGAUGE_SEEDS", "2000")];
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match (*option, options.clone().next()) {
            ("--seeds", Some(seeds)) => variables.push(("TIDEGAUGE_SEEDS", seeds)),
            ("--first", Some(first)) => variables.push(("TIDEGAUGE_FIRST_SEED", first)),
            ("--trace", _) => {
                variables.push(("TIDEGAUGE_TRACE", "1"));
                continue;
            }
            _ => {
                eprintln!("cargo xtask simulate [--seeds N] [--first N] [--trace], not {option:?}");
                return Err(2);
            }
        }
        options.next();
    }
    test(&["--lib", "simulation::whatever"], &variables)
}

/// Disturbs three real processes so many times.
pub(crate) fn kills(count: &str) -> Outcome {
    install::install()?;
    let tools = crate::tools();
    let tools = tools.to_string_lossy();
    test(
        &["--test", "processes", "three_processes"],
        &[("TIDEGAUGE_KILLS", count), ("TIDEGAUGE_TOOLS", &tools)],
    )
}

/// Soaks the release build.
pub(crate) fn soak(minutes: &str) -> Outcome {
    let Ok(minutes) = minutes.parse::<u32>() else {
        eprintln!("cargo xtask soak MINUTES, not {minutes:?}");
        return Err(2);
    };
    install::install()?;
    run("release build", &mut cargo(&["build", "--release", "--locked"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), std::path::PathBuf::from);
    let (binary, tools, seconds) = (target.join("release/tidegauge"), crate::tools(), (minutes * 60).to_string());
    let variables = [
        ("TIDEGAUGE_SOAK_SECONDS", seconds.as_str()),
        ("TIDEGAUGE_BINARY", &binary.to_string_lossy()),
        ("TIDEGAUGE_TOOLS", &tools.to_string_lossy()),
    ];
    test(&["--test", "soak"], &variables)
}

fn test(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let all = [&["test", "--package", "tidegauge", "--locked"], arguments, &["--", "--nocapture"]].concat();
    let mut command = cargo(&all);
    command.envs(variables.iter().copied());
    run("tests", &mut command)
}
