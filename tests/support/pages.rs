//! Reads the project's Markdown pages: their fenced blocks and their links.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fenced block, with the heading that it stands under.
#[derive(Debug)]
pub struct Block {
    pub language: String,
    pub section: String,
    pub text: String,
    pub line: usize,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Every Markdown page of the project that a reader may come across.
pub fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    for directory in ["docs", "deploy", "tests/golden", "ingest/fuzz"] {
        let Ok(entries) = root().join(directory).read_dir() else { continue };
        found.extend(
            entries
                .map(|e| e.unwrap().path())
                .filter(|p| p.extension().is_some_and(|e| e == "md")),
        );
    }
    found.sort();
    found
}

pub fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut section = String::new();
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            match open.take() {
                Some(block) => found.push(block),
                None => {
                    open = Some(Block {
                        language: language.trim().to_owned(),
                        section: section.clone(),
                        text: String::new(),
                        line: index + 1,
                    });
                }
            }
        } else if let Some(block) = &mut open {
            block.text += line;
            block.text.push('\n');
        } else if line.starts_with('#') {
            section = line.trim_start_matches('#').trim().to_owned();
        }
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    found
}

/// Targets of the page's links and images, without those in blocks.
pub fn links(page: &str) -> Vec<String> {
    let mut outside = String::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            outside += line;
            outside.push('\n');
        }
    }
    outside
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// A heading as GitHub makes an anchor of it.
pub fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// A program that `cargo xtask install` puts into place.
pub fn tool(path: &str) -> PathBuf {
    let tools = std::env::var_os("TIDEGAUGE_TOOLS").map_or_else(|| root().join("target/tools"), PathBuf::from);
    let program = tools.join(path);
    assert!(program.is_file(), "{} is missing: run `cargo xtask install`", program.display());
    program
}

/// The binary, in a directory, without what configures it in the environment.
pub fn tidegauge(directory: &Path) -> Command {
    bare(env!("CARGO_BIN_EXE_tidegauge"), directory)
}

/// A shell that finds the binary under its name.
pub fn shell(directory: &Path, script: &str) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_tidegauge")).parent().unwrap();
    let mut command = bare("sh", directory);
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(["-euc", script]).env("PATH", format!("{}:{path}", binary.display()));
    command
}

fn bare(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGAUGE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(directory);
    command
}

/// What a command prints; it has to succeed.
pub fn output_of(command: &mut Command) -> String {
    let run = command.output().unwrap();
    let program = command.get_program().display();
    assert!(run.status.success(), "{program}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}
