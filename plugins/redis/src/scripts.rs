//! The scripts, and how they are run.

use cloakroom_plugin_sdk::{
    Error, clock,
    redis::{Argument, ReplyForm, Script},
};

use crate::{
    Redis,
    answer::{Answer, BUSY, REFUSED, UNREADABLE},
};

/// The operations as the server runs them.
pub(crate) struct Scripts {
    pub(crate) create: Script,
    pub(crate) get: Script,
    pub(crate) peek: Script,
    pub(crate) get_exclusive: Script,
    pub(crate) set_and_release: Script,
    pub(crate) release_exclusive: Script,
    pub(crate) remove: Script,
    pub(crate) reset_timeout: Script,
}

/// The scripts of a layout: what all have in common, and one file each. Those that store something are refused by a server
/// that is full; the others are run even so, because most of them make room.
macro_rules! scripts {
    ($folder:literal, $($common:literal),*) => {
        Scripts {
            create: script!("#!lua\n", $folder, "create.lua", $($common),*),
            get: script!("#!lua flags=allow-oom\n", $folder, "get.lua", $($common),*),
            peek: script!("#!lua flags=allow-oom\n", $folder, "peek.lua", $($common),*),
            get_exclusive: script!("#!lua flags=allow-oom\n", $folder, "get-exclusive.lua", $($common),*),
            set_and_release: script!("#!lua\n", $folder, "set-and-release.lua", $($common),*),
            release_exclusive: script!("#!lua flags=allow-oom\n", $folder, "release-exclusive.lua", $($common),*),
            remove: script!("#!lua flags=allow-oom\n", $folder, "remove.lua", $($common),*),
            reset_timeout: script!("#!lua flags=allow-oom\n", $folder, "reset-timeout.lua", $($common),*),
        }
    };
}

macro_rules! script {
    ($first_line:literal, $folder:literal, $file:literal, $($common:literal),*) => {
        Script::new(concat!(
            $first_line,
            $(include_str!(concat!("scripts/", $common)),)*
            include_str!(concat!("scripts/", $folder, $file))
        ))
    };
}

impl Scripts {
    pub(crate) fn of_buckets() -> Self {
        scripts!("", "prelude.lua")
    }

    pub(crate) fn of_microsoft() -> Self {
        scripts!("foreign/", "foreign/clock.lua", "foreign/bytes.lua", "foreign/microsoft.lua", "foreign/session.lua")
    }

    pub(crate) fn of_harbour() -> Self {
        scripts!("foreign/", "foreign/clock.lua", "foreign/bytes.lua", "foreign/harbour.lua", "foreign/session.lua")
    }
}

/// The scripts that only the plugin's own layout has.
pub(crate) struct SweepScripts {
    pub(crate) sweep: Script,
    pub(crate) settle: Script,
}

impl SweepScripts {
    pub(crate) fn new() -> Self {
        Self {
            sweep: script!("#!lua flags=allow-oom\n", "", "sweep.lua", "prelude.lua"),
            settle: script!("#!lua flags=allow-oom\n", "", "settle.lua", "prelude.lua"),
        }
    }
}

/// Where a session is.
pub(crate) struct Place {
    pub(crate) keys: Vec<String>,
    /// The first argument of its scripts.
    pub(crate) first: String,
}

/// How long another client may be in the middle of something, milliseconds: longer than Harbour's provider takes itself to
/// be alive.
const PATIENCE: u64 = 4_000;
/// The first pause before a script is run again, and the longest, milliseconds.
const PAUSES: (u32, u32) = (1, 50);

impl Redis {
    /// Runs the script of an operation on a session.
    pub(crate) fn run<'p, const COUNT: usize>(
        &self,
        script: &Script,
        place: Place,
        arguments: [Argument<'p>; COUNT],
    ) -> Result<Answer, Error> {
        let first = [Argument::Text(place.first)];
        let arguments: Vec<_> = first.into_iter().chain(arguments).collect();
        let (begin, mut pause) = (clock::now(), PAUSES.0);
        loop {
            let mut answer = self.run_on(script, &place.keys, &arguments)?;
            match answer.outcome() {
                Some(BUSY) if clock::now().saturating_sub(begin) > PATIENCE => {
                    return Err(Error::Timeout(format!(
                        "another client has kept the session from others for more than {PATIENCE} ms"
                    )));
                }
                Some(BUSY) => {
                    self.connection.pause(pause);
                    pause = (2 * pause).min(PAUSES.1);
                }
                Some(REFUSED) => return Err(Error::InvalidArgument(answer.reason()?)),
                Some(UNREADABLE) => return Err(Error::Other(answer.reason()?)),
                _ => return Ok(answer),
            }
        }
    }

    /// Runs a script on these keys.
    pub(crate) fn run_on(&self, script: &Script, keys: &[String], arguments: &[Argument<'_>]) -> Result<Answer, Error> {
        self.connection.run(script, keys, arguments, ReplyForm::Payloads).map(Answer::new)
    }
}
