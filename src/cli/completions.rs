//! `tidegauge completions`.

use clap::Args;
use clap_complete::Shell;

use super::failure::Failure;
use super::{command, output};

const AFTER_HELP: &str = "\
Examples:
  tidegauge completions bash > ~/.local/share/bash-completion/completions/tidegauge
  tidegauge completions zsh > ~/.zfunc/_tidegauge
  tidegauge completions fish > ~/.config/fish/completions/tidegauge.fish";

/// Completions of this command line for a shell, to standard output
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// The shell
    shell: Shell,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command(), "tidegauge", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
