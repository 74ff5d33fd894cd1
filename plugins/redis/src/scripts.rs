//! The scripts, and the keys that they work on.

use cloakroom_plugin_sdk::{
    Error, SessionKey,
    redis::{Argument, ReplyForm, Script},
};

use crate::{Redis, answer::Answer, text::encoded};

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
    pub(crate) sweep: Script,
    pub(crate) settle: Script,
}

/// A script with what all have in common. Those that store something are refused by a server that is full; the others
/// are run even so, because most of them make room.
macro_rules! script {
    (stores $file:literal) => {
        script!("#!lua\n", $file)
    };
    ($file:literal) => {
        script!("#!lua flags=allow-oom\n", $file)
    };
    ($first_line:literal, $file:literal) => {
        Script::new(concat!($first_line, include_str!("scripts/prelude.lua"), include_str!(concat!("scripts/", $file))))
    };
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            create: script!(stores "create.lua"),
            get: script!("get.lua"),
            peek: script!("peek.lua"),
            get_exclusive: script!("get-exclusive.lua"),
            set_and_release: script!(stores "set-and-release.lua"),
            release_exclusive: script!("release-exclusive.lua"),
            remove: script!("remove.lua"),
            reset_timeout: script!("reset-timeout.lua"),
            sweep: script!("sweep.lua"),
            settle: script!("settle.lua"),
        }
    }
}

/// Where a session is.
pub(crate) struct Place {
    keys: [String; 3],
    /// Its name among the deadlines of its bucket.
    name: String,
}

impl Redis {
    /// Where a session is: always in the same bucket.
    pub(crate) fn place(&self, key: SessionKey) -> Place {
        let name = encoded(&key.into_storage_key());
        let [sessions, due, ended] = self.keys_of(bucket(&name, self.buckets));
        Place { keys: [sessions + &name, due, ended], name: format!("s{name}") }
    }

    /// The keys of a bucket: what those of sessions begin with, their deadlines, and those whose end is to be told.
    pub(crate) fn keys_of(&self, bucket: u32) -> [String; 3] {
        let tag = format!("{}{bucket}}}", self.prefix);
        [format!("{tag}:s:"), format!("{tag}:due"), format!("{tag}:ended")]
    }

    /// Runs the script of an operation on a session.
    pub(crate) fn run<'p, const COUNT: usize>(
        &self,
        script: &Script,
        place: Place,
        arguments: [Argument<'p>; COUNT],
    ) -> Result<Answer, Error> {
        let name = [Argument::Text(place.name)];
        let arguments: Vec<_> = name.into_iter().chain(arguments).collect();
        self.run_on(script, &place.keys, &arguments)
    }

    /// Runs a script on these keys.
    pub(crate) fn run_on(&self, script: &Script, keys: &[String], arguments: &[Argument<'_>]) -> Result<Answer, Error> {
        self.connection.run(script, keys, arguments, ReplyForm::Payloads).map(Answer::new)
    }
}

/// The bucket of a name: FNV-1a, which is the same everywhere and for ever.
fn bucket(name: &str, buckets: u32) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_bucket_that_it_had_in_every_version() {
        assert_eq!([bucket("", 64), bucket("a", 64), bucket("foobar", 64)], [0x05, 0x2c, 0x28]);
    }
}
