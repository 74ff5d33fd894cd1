//! The connection strings of ASP.NET: what may be shown of them, and nothing else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a web server looks for its State Server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateServer {
    /// A name or an address, as it was written.
    pub(super) host: String,
    pub(super) port: u16,
}

impl StateServer {
    /// Reads `tcpip=host:port` or `tcpip=[ipv6]:port`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write `tcpip=HOST:PORT` (an IPv6 address in brackets), such as `tcpip=127.0.0.1:42424`";
        let rest = text.strip_prefix("tcpip=").ok_or(FORM)?;
        let (host, port) = rest.rsplit_once(':').ok_or(FORM)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
            None if is_name(host) => host,
            _ => return Err(FORM.into()),
        };
        match port.parse() {
            Ok(port @ 1..) => Ok(Self { host: host.into(), port }),
            _ => Err(format!("the port must be 1 to 65535; {FORM}")),
        }
    }

    /// Where Cloakroom listens to be found there. A name is not looked up, so one that is not this machine's own means
    /// every address of the machine.
    pub(super) fn listener(&self) -> SocketAddr {
        let address = match self.host.to_ascii_lowercase().as_str() {
            // `loopback` is ASP.NET's own word.
            "loopback" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            host => host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        SocketAddr::new(address.to_canonical(), self.port)
    }

    /// As web.config writes it.
    pub(super) fn connection_string(&self) -> String {
        match self.host.contains(':') {
            true => format!("tcpip=[{}]:{}", self.host, self.port),
            false => format!("tcpip={}:{}", self.host, self.port),
        }
    }
}

/// A host name or IPv4 address.
pub(super) fn is_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// The parts of an SQL connection string that are shown, under one name for each.
const SHOWN: [(&str, &[&str]); 4] = [
    ("server", &["data source", "server", "address", "addr", "network address"]),
    ("database", &["initial catalog", "database"]),
    ("user", &["user id", "uid", "user"]),
    ("integrated security", &["integrated security", "trusted_connection"]),
];

/// Server, database and user of an SQL connection string; passwords and everything else are left out.
pub(super) fn sql_without_secrets(text: &str) -> Vec<(&'static str, String)> {
    let pairs = pairs(text);
    let find = |keys: &[&str]| pairs.iter().find(|(key, _)| keys.contains(&key.as_str()));
    SHOWN.iter().filter_map(|(name, keys)| find(keys).map(|(_, value)| (*name, value.clone()))).collect()
}

/// `key=value` pairs between semicolons; a value may be quoted with `"` or `'`, and then contain semicolons.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(after, quote),
            _ => after
                .split_once(';')
                .map_or((after.trim().to_owned(), ""), |(value, next)| (value.trim().to_owned(), next)),
        };
        // What stands before the last `;` of a key is a piece without `=`.
        let key = key.rsplit(';').next().unwrap_or(key);
        pairs.push((key.trim().to_ascii_lowercase(), value));
        rest = next;
    }
    pairs
}

/// A quoted value, with doubled quotes as one, and what follows its semicolon.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((index, char)) = chars.next() {
        if char != quote {
            value.push(char);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            value.push(quote);
        } else {
            let after = text.get(index + quote.len_utf8()..).unwrap_or_default();
            return (value, after.split_once(';').map_or("", |(_, next)| next));
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_server(text: &str) -> Option<(String, u16, String)> {
        let server = StateServer::parse(text).ok()?;
        Some((server.host.clone(), server.port, server.listener().to_string()))
    }

    #[test]
    fn state_servers_are_read_in_every_form_that_aspnet_takes() {
        for (text, host, port, listener) in [
            ("tcpip=loopback:42424", "loopback", 42424, "127.0.0.1:42424"),
            ("tcpip=LocalHost:1", "LocalHost", 1, "127.0.0.1:1"),
            ("tcpip=127.0.0.1:42424", "127.0.0.1", 42424, "127.0.0.1:42424"),
            ("tcpip=10.1.2.3:42425", "10.1.2.3", 42425, "10.1.2.3:42425"),
            ("tcpip=[fd00::5]:42424", "fd00::5", 42424, "[fd00::5]:42424"),
            ("tcpip=state_01.example.com:42424", "state_01.example.com", 42424, "0.0.0.0:42424"),
        ] {
            assert_eq!(state_server(text), Some((host.into(), port, listener.into())), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_right_one() {
        for text in [
            "",
            "127.0.0.1:42424",
            "TCPIP=a:1",
            "tcpip=a",
            "tcpip=a:",
            "tcpip=a:0",
            "tcpip=a:65536",
            "tcpip=:1",
            "tcpip=::1:42424",
            "tcpip=[a]:1",
            "tcpip=größe:1",
            "tcpip=a b:1",
        ] {
            let message = StateServer::parse(text).expect_err(text);
            assert!(message.contains("tcpip=127.0.0.1:42424"), "{message}");
        }
    }

    #[test]
    fn a_state_server_is_written_as_it_was_read() {
        for text in ["tcpip=loopback:42424", "tcpip=[fd00::5]:42424"] {
            assert_eq!(StateServer::parse(text).map(|server| server.connection_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn of_an_sql_connection_string_only_the_harmless_parts_are_shown() {
        let text = "Data Source=tcp:db1,1433; Initial Catalog = ASPState;User ID=web;Password=\"hun;server=ter2\";\
                    Persist Security Info=hunter2";
        let shown = sql_without_secrets(text);
        let expected = [("server", "tcp:db1,1433"), ("database", "ASPState"), ("user", "web")];
        assert_eq!(shown, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn quotes_and_stray_pieces_do_not_hide_or_leak_anything() {
        for (text, server) in [
            ("password='a''b;server=x';server=y", Some("y")),
            ("password=\"never closed;server=x", None),
            ("stray;server=y;pwd=x", Some("y")),
            ("server=y;stray", Some("y")),
            ("", None),
            ("no pairs", None),
        ] {
            let shown = sql_without_secrets(text);
            assert_eq!(shown.first().map(|(_, value)| value.as_str()), server, "{text}");
        }
    }
}
