//! Where a Redis provider keeps its sessions, without the password.

use super::connection::is_name;

/// A Redis server, as far as it may be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Redis {
    /// `host:port` of each server.
    pub(super) addresses: Vec<String>,
    pub(super) tls: bool,
    pub(super) database: u32,
    pub(super) user: Option<String>,
    pub(super) password: bool,
}

impl Redis {
    /// Reads a connection string of StackExchange.Redis: servers and `option=value`s between commas. Servers are taken
    /// only from before the first option, so that a comma in a password cannot make a part of it look like a server.
    pub(super) fn parse(text: &str) -> Self {
        let mut redis = Self::default();
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let first_option = parts.iter().position(|part| part.contains('=')).unwrap_or(parts.len());
        let (servers, options) = parts.split_at_checked(first_option).unwrap_or((&[], &[]));
        for option in options.iter().filter_map(|option| option.split_once('=')) {
            let (name, value) = (option.0.trim().to_ascii_lowercase(), option.1.trim());
            match name.as_str() {
                "ssl" => redis.tls = value.eq_ignore_ascii_case("true"),
                "defaultdatabase" => redis.database = value.parse().unwrap_or_default(),
                "user" => redis.user = is_name(value).then(|| value.into()),
                "password" => redis.password = !value.is_empty(),
                _ => {}
            }
        }
        let default_port = if redis.tls { 6380 } else { 6379 };
        for server in servers {
            redis.add_server(server, default_port);
        }
        redis
    }

    /// The URL of a connection to its database at this address.
    pub(super) fn url(&self, address: &str) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        format!("{scheme}://{address}/{}", self.database)
    }

    /// Adds a server written `host`, `host:port` or, as some clients allow, `password@host:port`.
    pub(super) fn add_server(&mut self, written: &str, default_port: u16) {
        let (secret, server) = written.rsplit_once('@').map_or((None, written), |(secret, rest)| (Some(secret), rest));
        self.password |= secret.is_some();
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (server, Some(default_port)),
        };
        if let Some(port) = port.filter(|_| is_name(host)) {
            self.addresses.push(format!("{host}:{port}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azures_connection_string_is_read_without_its_password() {
        let text = "contoso.redis.cache.windows.net:6380,password=hunter2+abc=,ssl=True,abortConnect=False";
        let expected = Redis {
            addresses: vec!["contoso.redis.cache.windows.net:6380".into()],
            tls: true,
            password: true,
            ..Redis::default()
        };
        assert_eq!(Redis::parse(text), expected);
    }

    #[test]
    fn the_default_port_depends_on_tls() {
        assert_eq!(Redis::parse("a,b:7000").addresses, ["a:6379", "b:7000"]);
        assert_eq!(Redis::parse("a,ssl=true,defaultDatabase=3").addresses, ["a:6380"]);
    }

    #[test]
    fn no_part_of_a_password_is_taken_for_a_server() {
        for text in
            ["a:1,password=one,hunter2", "password=one,hunter2:1", "hunter2@a:1", "x:hunter2@a:1", "a:1,hunter2@"]
        {
            let redis = Redis::parse(text);
            assert!(!format!("{redis:?}").contains("hunter2"), "{redis:?}");
            assert!(redis.password, "{text}");
        }
    }
}
