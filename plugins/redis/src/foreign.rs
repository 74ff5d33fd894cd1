//! The layouts of other providers, for a farm that moves over one server at a time.

use cloakroom_plugin_sdk::{Error, SessionKey, Settings};

use crate::scripts::Place;

/// Whose layout it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Microsoft.Web.RedisSessionStateProvider 5
    Microsoft,
    /// Harbour.RedisSessionStateStore 1.4
    Harbour,
}

/// Where another provider keeps sessions, and how.
pub(crate) struct Foreign {
    origin: Origin,
    /// What stands for the application in keys; `{application}` and `{store}` in it are what they say.
    application: String,
    store: String,
    /// Between the parts of Harbour's keys.
    separator: String,
    /// What every script is told; see `bytes.lua`.
    terms: String,
}

/// The longest that a lock of ASP.NET lasts where nothing else is configured: `executionTimeout`, seconds.
const EXECUTION_TIMEOUT: u64 = 110;

impl Foreign {
    pub(crate) fn open(origin: Origin, store: &str, settings: &Settings) -> Result<Self, Error> {
        match origin {
            Origin::Microsoft => {
                settings.allow_only(&["connection", "layout", "application", "payloads", "lock_timeout"])?;
            }
            Origin::Harbour => {
                settings.allow_only(&["connection", "layout", "application", "payloads", "key_separator"])?;
            }
        }
        let lock_timeout = settings.parse("lock_timeout")?.unwrap_or(EXECUTION_TIMEOUT);
        if !(1..=86_400).contains(&lock_timeout) {
            let what =
                format!("`lock_timeout` is {lock_timeout}; 1 to 86400 seconds are allowed, executionTimeout as a rule");
            return Err(Error::InvalidArgument(what));
        }
        let payloads = settings.get("payloads").unwrap_or("aspnet");
        if !["aspnet", "any"].contains(&payloads) {
            let what = format!("`payloads` is `{payloads}`; `aspnet` and `any` are allowed");
            return Err(Error::InvalidArgument(what));
        }
        Ok(Self {
            origin,
            application: settings.get("application").unwrap_or("{application}").to_owned(),
            store: store.to_owned(),
            separator: settings.get("key_separator").unwrap_or("/").to_owned(),
            terms: format!("{} {payloads}", lock_timeout * 1000),
        })
    }

    /// Where a session is: under the other provider's own keys, and a hash of ours beside them.
    pub(crate) fn place(&self, key: &SessionKey) -> Place {
        let application = self.application.replace("{store}", &self.store).replace("{application}", &key.application);
        let keys = match self.origin {
            Origin::Microsoft => {
                let session = format!("{{{application}_{}}}", self.id(&key.id, "_"));
                ["SessionStateItemCollection", "WriteLock", "SessionTimeout", "Cloakroom"]
                    .map(|what| format!("{session}_{what}"))
                    .to_vec()
            }
            Origin::Harbour => {
                let separator = &self.separator;
                let session = format!("{application}{separator}{}", self.id(&key.id, separator));
                let beside = ["lock", "cloakroom"].map(|what| format!("{session}{separator}{what}"));
                [session].into_iter().chain(beside).collect()
            }
        };
        Place { keys, first: self.terms.clone() }
    }

    /// An ID as it is in keys. Those of ASP.NET are as they are. What could be taken for the end of the application is not,
    /// where there are several applications.
    fn id(&self, id: &str, separator: &str) -> String {
        if self.application.contains("{application}") && !separator.is_empty() {
            let escaped: String = separator.bytes().map(|byte| format!("%{byte:02X}")).collect();
            id.replace('%', "%25").replace(separator, &escaped)
        } else {
            id.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(origin: Origin, settings: &[(&str, &str)], application: &str, id: &str) -> Vec<String> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let Ok(foreign) = Foreign::open(origin, "default", &Settings::new(settings)) else {
            panic!("these are settings")
        };
        foreign.place(&SessionKey { application: application.to_owned(), id: id.to_owned() }).keys
    }

    #[test]
    fn keys_are_those_of_microsofts_provider() {
        let keys = keys(Origin::Microsoft, &[], "/shop", "aiaeqbqafqboaeebkycyqgyb");
        assert_eq!(
            keys,
            [
                "{/shop_aiaeqbqafqboaeebkycyqgyb}_SessionStateItemCollection",
                "{/shop_aiaeqbqafqboaeebkycyqgyb}_WriteLock",
                "{/shop_aiaeqbqafqboaeebkycyqgyb}_SessionTimeout",
                "{/shop_aiaeqbqafqboaeebkycyqgyb}_Cloakroom",
            ]
        );
    }

    #[test]
    fn keys_are_those_of_harbours_provider() {
        let settings = [("application", "RedisSessions"), ("key_separator", ":")];
        let keys = keys(Origin::Harbour, &settings, "/shop", "aiaeqbqafqboaeebkycyqgyb");
        let session = "RedisSessions:aiaeqbqafqboaeebkycyqgyb".to_owned();
        assert_eq!(keys, [session.clone(), session.clone() + ":lock", session + ":cloakroom"]);
    }

    #[test]
    fn two_sessions_never_have_the_same_keys() {
        for origin in [Origin::Microsoft, Origin::Harbour] {
            for (one, other) in
                [(("a_b", "c"), ("a", "b_c")), (("a/b", "c"), ("a", "b/c")), (("a", "b%5Fc"), ("a", "b_c"))]
            {
                assert_ne!(keys(origin, &[], one.0, one.1), keys(origin, &[], other.0, other.1));
            }
        }
    }

    #[test]
    fn of_one_application_every_id_is_as_it_is() {
        let keys = keys(Origin::Microsoft, &[("application", "/")], "x", "a_b%");
        assert_eq!(keys[1], "{/_a_b%}_WriteLock");
    }
}
