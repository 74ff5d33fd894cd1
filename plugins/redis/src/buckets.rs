//! The plugin's own layout: sessions in buckets, each with the deadlines of its sessions, on one node of a cluster.

use cloakroom_plugin_sdk::{Error, SessionKey, Settings};

use crate::{scripts::Place, text::encoded};

/// Where sessions are.
pub(crate) struct Buckets {
    /// What every key begins with.
    prefix: String,
    count: u32,
}

impl Buckets {
    pub(crate) fn open(store: &str, settings: &Settings) -> Result<Self, Error> {
        settings.allow_only(&["connection", "layout", "prefix", "buckets"])?;
        let count = settings.parse("buckets")?.unwrap_or(64);
        if !(1..=16_384).contains(&count) {
            let what = format!("`buckets` is {count}; 1 to 16384 are allowed, and all hosts need the same");
            return Err(Error::InvalidArgument(what));
        }
        let prefix = settings.get("prefix").unwrap_or("cloakroom");
        Ok(Self { prefix: format!("{}:{{{}:", encoded(prefix), encoded(store)), count })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Where a session is: always in the same bucket.
    pub(crate) fn place(&self, key: SessionKey) -> Place {
        let name = encoded(&key.into_storage_key());
        let [sessions, due, ended] = self.keys_of(bucket(&name, self.count));
        Place { keys: vec![sessions + &name, due, ended], first: format!("s{name}") }
    }

    /// The keys of a bucket: what those of sessions begin with, their deadlines, and those whose end is to be told.
    pub(crate) fn keys_of(&self, bucket: u32) -> [String; 3] {
        let tag = format!("{}{bucket}}}", self.prefix);
        [format!("{tag}:s:"), format!("{tag}:due"), format!("{tag}:ended")]
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
