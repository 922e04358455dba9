//! Shell completions and man pages of a program, generated from its command line.

use clap::Command;
pub use clap_complete::Shell;
use files::{error::FileError, output};
use std::{fs, path::Path};

/// The completion script of a program for a shell.
pub fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// Writes `NAME.1` for the program and `NAME-COMMAND.1` for each of its commands into a folder; returns how many.
///
/// # Errors
/// [`FileError::Io`].
pub fn man_pages(command: Command, folder: &Path) -> Result<usize, FileError> {
    fs::create_dir_all(folder).map_err(|source| FileError::io("create", folder, source))?;
    let mut whole = command.disable_help_subcommand(true);
    whole.build();
    let program = whole.get_name().to_owned();
    let commands =
        whole.get_subcommands().map(|command| (format!("{program}-{}", command.get_name()), command.clone()));
    let mut pages = vec![(program.clone(), whole.clone())];
    pages.extend(commands);
    for (name, command) in &pages {
        let path = folder.join(format!("{name}.1"));
        let mut text = Vec::new();
        clap_mangen::Man::new(command.clone())
            .render(&mut text)
            .map_err(|source| FileError::io("write", &path, source))?;
        output::write(&path, &text)?;
    }
    Ok(pages.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_a_script() {
        let command =
            || Command::new("program").about("does things").subcommand(Command::new("work").about("works"));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(man_pages(command(), folder.path()).unwrap(), 2);
        let page = fs::read_to_string(folder.path().join("program-work.1")).unwrap();
        assert!(page.contains(".TH program-work 1") && page.contains("works"), "{page}");
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions(command(), shell)).unwrap();
            assert!(script.contains("work"), "{shell}");
        }
    }
}
