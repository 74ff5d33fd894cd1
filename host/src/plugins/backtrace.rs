//! Where in a component a call failed: the component's own functions, as far as its file has their names.
//!
//! A call that traps unwinds nothing, so the stack is as the guest left it. What it shows is made for a log: a few frames
//! without the machinery of panics, each of a bounded length, with no value of any variable and no path of the machine
//! that built the component.

use std::{fmt, sync::Arc};

use wasmtime::{FrameInfo, WasmBacktrace};

/// How many frames of a stack wasmtime walks: those that are shown and those of the machinery before them.
pub(super) const WALKED: usize = 32;

/// The most frames that are shown.
const MOST_FRAMES: usize = 16;

/// The longest name of a function, characters. With the frames and the files it makes less than 4 KiB.
const LONGEST_NAME: usize = 160;

/// The longest file, characters.
const LONGEST_FILE: usize = 64;

/// How many of the last parts of a file's path are shown.
const PATH_PARTS: usize = 3;

/// The functions that were running when a call failed, innermost first. Empty where the component has no names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestBacktrace(Option<Arc<Vec<String>>>);

/// One function on the stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Frame {
    /// As a person writes it.
    name: Option<String>,
    /// Its number in the module.
    index: u32,
    file: Option<String>,
    line: Option<u32>,
}

impl GuestBacktrace {
    /// Where this error came about.
    pub(super) fn of(error: &wasmtime::Error) -> Self {
        let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
        Self::shown(frames.iter().flat_map(unfolded).collect())
    }

    fn shown(mut frames: Vec<Frame>) -> Self {
        if !frames.iter().any(Frame::has_symbols) {
            return Self::default();
        }
        // What is left when all of it is machinery is better than nothing.
        if let Some(first) = frames.iter().position(|frame| !frame.is_machinery()) {
            frames.drain(..first);
        }
        let left_out = frames.len().saturating_sub(MOST_FRAMES);
        let mut lines: Vec<String> = frames.iter().take(MOST_FRAMES).map(Frame::to_string).collect();
        if left_out > 0 {
            lines.push("…".to_owned());
        }
        Self(Some(Arc::new(lines)))
    }

    /// The functions, innermost first, with file and line where the component has them.
    pub fn frames(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|lines| lines.iter()).map(String::as_str)
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// In one line, for a log.
impl fmt::Display for GuestBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none, its file has no names of functions");
        }
        for (number, frame) in self.frames().enumerate() {
            write!(f, "{}{frame}", if number > 0 { " < " } else { "" })?;
        }
        Ok(())
    }
}

/// A function of the stack and those that the compiler put into it, innermost first.
fn unfolded(info: &FrameInfo) -> Vec<Frame> {
    let index = info.func_index();
    let own = info.func_name().map(readable);
    let symbols = info.symbols();
    if symbols.is_empty() {
        return vec![Frame { name: own, index, ..Frame::default() }];
    }
    let frame = |(number, symbol): (usize, &wasmtime::FrameSymbol)| {
        // The name that the linker knows says more than that of the debug information, which lacks the module.
        let own = own.clone().filter(|_| number + 1 == symbols.len());
        let name = own.or_else(|| symbol.name().map(readable));
        Frame { name, index, file: symbol.file().map(short_path), line: symbol.line() }
    };
    symbols.iter().enumerate().map(frame).collect()
}

impl Frame {
    /// Whether the component's file says what this is. The names of exports are there in every file.
    fn has_symbols(&self) -> bool {
        self.file.is_some() || self.name.as_deref().is_some_and(|name| !name.contains('#') && name != "cabi_realloc")
    }

    /// Whether it is part of how a language ends a program, and says nothing of what went wrong.
    fn is_machinery(&self) -> bool {
        const PATHS: [&str; 8] = [
            "std::panicking::",
            "core::panicking::",
            "panic_abort::",
            "std::rt::",
            "std::sys::",
            "std::process::abort",
            "core::intrinsics::abort",
            "__rustc::",
        ];
        const NAMES: [&str; 9] = [
            "abort",
            "_abort",
            "__abort",
            "__assert_fail",
            "panic",
            "rust_panic",
            "rust_begin_unwind",
            "__rust_start_panic",
            "__rust_abort",
        ];
        let name = self.name.as_deref().unwrap_or_default().trim_start_matches('<');
        NAMES.contains(&name) || PATHS.iter().any(|path| name.starts_with(path))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name)?,
            None => write!(f, "function {}", self.index)?,
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            (Some(file), None) => write!(f, " ({file})"),
            _ => Ok(()),
        }
    }
}

/// A name of Rust or C++ as it was written, or any other name as it is.
fn readable(symbol: &str) -> String {
    let name = if let Ok(name) = rustc_demangle::try_demangle(symbol) {
        // Without the hash.
        format!("{name:#}")
    } else if symbol.starts_with("_Z")
        && let Some(name) = cpp_demangle::Symbol::new(symbol).ok().and_then(|name| name.demangle().ok())
    {
        name.to_string()
    } else {
        symbol.to_owned()
    };
    clean(&name, LONGEST_NAME)
}

/// The end of a path, which tells enough. What comes before belongs to whoever built the component.
fn short_path(path: &str) -> String {
    let parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    clean(&parts.get(parts.len().saturating_sub(PATH_PARTS)..).unwrap_or_default().join("/"), LONGEST_FILE)
}

/// The text, which comes from the component's file, without what could disturb a log.
fn clean(text: &str, longest: usize) -> String {
    let mut kept: String =
        text.chars().take(longest).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(longest).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Frame {
        Frame { name: Some(readable(name)), ..Frame::default() }
    }

    fn lines(names: &[&str]) -> Vec<String> {
        GuestBacktrace::shown(names.iter().map(|name| named(name)).collect()).frames().map(str::to_owned).collect()
    }

    #[test]
    fn names_are_shown_as_they_were_written() {
        let rust = "_ZN16failing_provider7Failing6memory17h0123456789abcdefE";
        assert_eq!(readable(rust), "failing_provider::Failing::memory");
        assert_eq!(readable("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
        assert_eq!(readable("_ZN5store3getEi"), "store::get(int)");
        assert_eq!(readable("exports_cloakroom_get"), "exports_cloakroom_get");
    }

    #[test]
    fn how_a_language_panics_is_left_out_where_it_begins_and_nowhere_else() {
        let stack = ["abort", "std::panicking::rust_panic", "core::panicking::panic_fmt", "mine::get", "abort", "get"];
        assert_eq!(lines(&stack), ["mine::get", "abort", "get"]);
        assert_eq!(lines(&["__rust_start_panic", "abort"]), ["__rust_start_panic", "abort"]);
    }

    #[test]
    fn a_file_without_names_has_none() {
        let nameless = Frame { index: 7, ..Frame::default() };
        let stack = vec![nameless.clone(), named("cloakroom:session/provider@0.1.0#get")];
        let backtrace = GuestBacktrace::shown(stack);
        assert!(backtrace.is_empty());
        assert_eq!(backtrace.to_string(), "none, its file has no names of functions");
        let half = GuestBacktrace::shown(vec![nameless, named("get")]);
        assert_eq!(half.to_string(), "function 7 < get");
    }

    #[test]
    fn a_line_is_shown_without_the_path_of_whoever_built_it() {
        let path = "/home/someone/work/my-store/src/lib.rs";
        let frame = Frame { file: Some(short_path(path)), line: Some(70), ..named("get") };
        assert_eq!(frame.to_string(), "get (my-store/src/lib.rs:70)");
        assert_eq!(short_path(r"C:\Users\someone\store.c"), "Users/someone/store.c");
        assert_eq!(short_path("store.c"), "store.c");
    }

    #[test]
    fn nothing_in_a_file_makes_it_long_or_forges_a_line() {
        let huge = Frame {
            name: Some(readable(&"é".repeat(5000))),
            file: Some(short_path(&"ö".repeat(5000))),
            line: Some(u32::MAX),
            ..Frame::default()
        };
        let text = GuestBacktrace::shown(vec![huge; 1000]).to_string();
        assert!(text.chars().count() < 4096 && text.ends_with(" < …"), "{}", text.len());
        assert_eq!(readable("get\nERROR forged\u{1b}[31m"), "get\u{fffd}ERROR forged\u{fffd}[31m");
    }
}
