//! The world outside the configuration file, behind a trait so that reading a configuration is a pure function of it.

use std::collections::BTreeMap;
use std::env::VarError;
use std::io::{self, Read};
use std::path::Path;

/// A secret file larger than this is a mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Environment variables, and the files that `{ file = ... }` names.
pub trait Environment {
    /// The names of all variables that begin with `prefix`.
    fn names(&self, prefix: &str) -> Vec<String>;

    /// One variable.
    ///
    /// # Errors
    /// It is not set, or not Unicode.
    fn variable(&self, name: &str) -> Result<String, VarError>;

    /// One file, as text.
    ///
    /// # Errors
    /// It cannot be read.
    fn read_file(&self, path: &Path) -> io::Result<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn names(&self, prefix: &str) -> Vec<String> {
        std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| name.starts_with(prefix))
            .collect()
    }

    fn variable(&self, name: &str) -> Result<String, VarError> {
        std::env::var(name)
    }

    fn read_file(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        let read = std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
        if read as u64 > MAX_FILE_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
        }
        Ok(text)
    }
}

/// An environment made up of what it is given: for tests, and for runs that must not depend on the process's own.
#[derive(Clone, Debug, Default)]
pub struct FixedEnvironment {
    /// Variables by name.
    pub variables: BTreeMap<String, String>,
    /// Contents of files by path.
    pub files: BTreeMap<String, String>,
}

impl FixedEnvironment {
    /// With these variables and no files.
    #[must_use]
    pub fn with(variables: &[(&str, &str)]) -> FixedEnvironment {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        FixedEnvironment {
            variables,
            files: BTreeMap::new(),
        }
    }

    /// This one with one more file.
    #[must_use]
    pub fn and_file(mut self, path: &str, contents: &str) -> FixedEnvironment {
        self.files.insert(path.to_owned(), contents.to_owned());
        self
    }
}

impl Environment for FixedEnvironment {
    fn names(&self, prefix: &str) -> Vec<String> {
        self.variables.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    fn variable(&self, name: &str) -> Result<String, VarError> {
        self.variables.get(name).cloned().ok_or(VarError::NotPresent)
    }

    fn read_file(&self, path: &Path) -> io::Result<String> {
        let found = path.to_str().and_then(|path| self.files.get(path));
        found
            .cloned()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }
}
