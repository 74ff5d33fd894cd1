//! Runs the examples of a document, so that the book cannot say what the host does not do.
//!
//! An example is a fenced block with the language `console`. In it
//! - a line that begins with `$ ` is a command for `sh`; it goes on in the next line where it ends in `\`;
//! - the lines below it are what it prints: each must be among its lines, in this order, and lines may be left out.
//!   `…` stands for any text, so that a line `…` marks an omission and `etag: …` an unknown value.
//!
//! Every command must end with status 0 (`! command` for one that is to fail). The commands of a document run in one
//! shell, from top to bottom, in an empty directory, with these variables:
//!
//! | variable | is |
//! |---|---|
//! | `HOST` | `http://` and the address of the HTTP front end of a fresh host |
//! | `STATE_SERVER` | the address of its State Server front end |
//! | `ADDRESS` | an address that is free, for a second host |
//! | `PLUGINS` | the directory with the plugins that ship |
//! | `REPOSITORY` | the directory with the sources |
//!
//! `cloakroom` is in the path, and the tools that make plugins of JavaScript and Python are those that
//! `scripts/setup-tests` installed. What is not meant to be run (installing, compiling) is in a block of another language,
//! such as `sh`.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{Host, addresses::free_address, host};

/// What separates the outputs of two commands. Nobody prints it.
const SEPARATOR: &str = "=-=-= end of command, status";
/// Seconds that all commands of a document may take together. The guide for authors builds plugins in four languages.
const DEADLINE: &str = "600";

/// One command with what it is to print.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Example {
    /// Where it stands in the document, from 1.
    line: usize,
    command: String,
    output: Vec<String>,
}

/// What went wrong with one command.
struct Failure<'a> {
    document: &'a Path,
    example: &'a Example,
    what: String,
    output: &'a str,
}

/// Every document of the book, and the README.
pub fn documents() -> Result<Vec<PathBuf>> {
    let repository = repository()?;
    let mut documents = vec![repository.join("README.md")];
    let mut directories = vec![repository.join("docs")];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents.retain(|document| document.exists());
    documents.sort();
    Ok(documents)
}

/// Runs all examples of a document against a fresh host; how many there are. The error lists each that failed.
pub fn run(document: &Path) -> Result<usize> {
    let text = fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
    let examples = examples(&text).with_context(|| format!("in {}", document.display()))?;
    if examples.is_empty() {
        return Ok(0);
    }
    let host = Host::start_default()?;
    let outputs = execute(&examples, &host)?;
    let mut failures = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        let Some((output, status)) = outputs.get(index) else {
            failures.push(Failure { document, example, what: "did not end".into(), output: "" }.to_string());
            break;
        };
        let missing = first_missing(&example.output, output);
        let what = match (*status, missing) {
            (0, None) => continue,
            (0, Some(line)) => format!("does not print this line (or not in this place): {line}"),
            (status, _) => format!("ended with status {status}"),
        };
        failures.push(Failure { document, example, what, output }.to_string());
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(examples.len())
}

/// Runs the commands in one shell; the output and the status of each that ended.
fn execute(examples: &[Example], host: &Host) -> Result<Vec<(String, i32)>> {
    let directory = tempfile::tempdir()?;
    let script = directory.path().join("examples.sh");
    let work = directory.path().join("work");
    fs::create_dir(&work)?;
    let mut lines = String::from("exec 2>&1\n");
    for example in examples {
        lines.push_str(&format!("{}\nprintf '\\n%s %s\\n' '{SEPARATOR}' $?\n", example.command));
    }
    fs::write(&script, lines)?;

    let binary = host::binary()?;
    let own = binary.parent().context("the binary has no directory")?;
    let others = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([own.to_owned()].into_iter().chain(env::split_paths(&others)))?;
    let result = Command::new("timeout")
        .args([DEADLINE, "sh"])
        .arg(&script)
        .current_dir(&work)
        .env("PATH", path)
        .env("HOST", format!("http://{}", host.http()))
        .env("STATE_SERVER", host.state_server().to_string())
        .env("ADDRESS", free_address()?.to_string())
        .env("PLUGINS", host::plugins_directory()?)
        .env("REPOSITORY", repository()?)
        .env("NODE_MODULES", repository()?.join("target/tools/js/node_modules"))
        .env("VENV", repository()?.join("target/tools/python"))
        .env("CARGO_NET_OFFLINE", "true")
        .stdin(Stdio::null())
        .output()
        .context("cannot run the shell")?;
    let printed = String::from_utf8_lossy(&result.stdout).replace('\r', "");
    Ok(outputs(&printed))
}

/// Takes the output of all commands apart.
fn outputs(printed: &str) -> Vec<(String, i32)> {
    let mut outputs = Vec::new();
    let mut output = String::new();
    for line in printed.lines() {
        match line.strip_prefix(SEPARATOR).and_then(|status| status.trim().parse().ok()) {
            Some(status) => outputs.push((std::mem::take(&mut output), status)),
            None => {
                output.push_str(line);
                output.push('\n');
            }
        }
    }
    outputs
}

/// The examples of a document in Markdown.
fn examples(text: &str) -> Result<Vec<Example>> {
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(fence) = line.trim_start().strip_prefix("```") else { continue };
        let runnable = fence.trim() == "console";
        let mut in_command = false;
        let mut closed = false;
        for (number, line) in lines.by_ref() {
            if line.trim() == "```" {
                closed = true;
                break;
            }
            if !runnable {
                continue;
            }
            if in_command {
                let example = examples.last_mut().context("a command goes on that has not begun")?;
                example.command.push('\n');
                example.command.push_str(line);
                in_command = line.ends_with('\\');
            } else if let Some(command) = line.trim_start().strip_prefix("$ ") {
                examples.push(Example { line: number + 1, command: command.to_owned(), output: Vec::new() });
                in_command = command.ends_with('\\');
            } else {
                match examples.last_mut() {
                    Some(example) if !line.trim().is_empty() => example.output.push(line.trim().to_owned()),
                    Some(_) => {}
                    None => bail!("line {}: output without a command", number + 1),
                }
            }
        }
        ensure!(closed, "line {}: the block is not closed", number + 1);
    }
    Ok(examples)
}

/// The first line that should be in the output, behind those before it, and is not.
fn first_missing<'e>(expected: &'e [String], output: &str) -> Option<&'e str> {
    let mut lines = output.lines();
    expected
        .iter()
        .map(String::as_str)
        .filter(|line| *line != "…")
        .find(|line| !lines.by_ref().any(|printed| matches(line, printed.trim())))
}

/// Whether a printed line is the expected one; `…` in the expected one is any text.
fn matches(expected: &str, printed: &str) -> bool {
    let mut pieces = expected.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    true
}

fn repository() -> Result<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(tests.parent().context("the tests have no repository")?.to_owned())
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { document, example, what, output } = self;
        writeln!(f, "{}:{}: {what}", document.display(), example.line)?;
        writeln!(f, "  $ {}", example.command)?;
        output.lines().try_for_each(|line| writeln!(f, "  | {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_console_blocks_are_run() {
        let text = "```sh\n$ rm -r /\n```\ntext\n```console\n$ echo a\na\n\n$ echo b \\\n  c\nb c\n```\n";
        let found = examples(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].command.as_str()), (6, "echo a"));
        assert_eq!(found[0].output, ["a"]);
        assert_eq!(found[1].command, "echo b \\\n  c");
        assert_eq!(found[1].output, ["b c"]);
    }

    #[test]
    fn a_block_that_is_not_closed_or_begins_with_output_is_an_error() {
        assert!(examples("```console\n$ echo a\n").is_err());
        assert!(examples("```console\na\n```\n").is_err());
    }

    #[test]
    fn expected_lines_may_leave_out_others_but_not_change_their_order() {
        let expected = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let output = "HTTP/1.1 200 OK\netag: \"v1\"\n\nhello\n";
        assert_eq!(first_missing(&expected(&["HTTP/1.1 200 OK", "hello"]), output), None);
        assert_eq!(first_missing(&expected(&["HTTP/1.1 200 OK", "…", "hello"]), output), None);
        assert_eq!(first_missing(&expected(&["hello", "HTTP/1.1 200 OK"]), output), Some("HTTP/1.1 200 OK"));
        assert_eq!(first_missing(&expected(&["HTTP/1.1 201 Created"]), output), Some("HTTP/1.1 201 Created"));
    }

    #[test]
    fn an_ellipsis_is_any_text() {
        assert!(matches("{\"id\":\"…\"}", "{\"id\":\"abc\"}"));
        assert!(matches("a…b…c", "a1b2c"));
        assert!(matches("etag: …", "etag: \"v1\""));
        assert!(!matches("{\"id\":\"…\"}", "{\"id\":\"abc\""));
        assert!(!matches("a…b…c", "a1c"));
        assert!(!matches("abc", "abcd"));
    }

    #[test]
    fn outputs_are_told_apart_by_the_separator() {
        let printed = format!("a\n\n{SEPARATOR} 0\n\n{SEPARATOR} 3\nunfinished");
        assert_eq!(outputs(&printed), [("a\n\n".to_owned(), 0), ("\n".to_owned(), 3)]);
    }
}
