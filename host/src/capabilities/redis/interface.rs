//! `redis` as components see it: each call of `wit/capabilities.wit`, carried over to a connection.

use std::time::Duration;

use redis::{Cmd, Value};
use wasmtime::{Result, component::Resource};

use super::{
    connection::{RedisConnection, Script},
    error::told,
    reply::{Unfit, Writer},
};
use crate::capabilities::{GuestContext, bindings::types::Error};

/// Rust types and traits made from the interface.
pub(crate) mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package cloakroom:linked-redis;

            world imports {
                import cloakroom:session/redis@0.1.0;
            }
        ",
        imports: { default: async | trappable },
        with: {
            "cloakroom:session/types": crate::capabilities::bindings::types,
            "cloakroom:session/payloads": crate::capabilities::bindings::payloads,
            "cloakroom:session/redis.connection": crate::capabilities::redis::connection::RedisConnection,
            "cloakroom:session/redis.script": crate::capabilities::redis::connection::Script,
        },
    });

    pub use self::cloakroom::session::redis::*;
}

use bindings::{Argument, Node, ReplyForm};

/// The longest time that a component may wait in one call.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Commands that change the connection, which others share, or keep it busy until something happens.
const NOT_SHARED: [&str; 34] = [
    "ASKING",
    "AUTH",
    "BLMOVE",
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BZMPOP",
    "BZPOPMAX",
    "BZPOPMIN",
    "CLIENT",
    "DISCARD",
    "EXEC",
    "HELLO",
    "MONITOR",
    "MULTI",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "RESET",
    "SELECT",
    "SHUTDOWN",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WAIT",
    "WAITAOF",
    "WATCH",
];

/// Whether a command may be sent over a connection that others share.
fn is_shareable(name: &str, arguments: &[Argument]) -> bool {
    let name = name.to_ascii_uppercase();
    let blocks = |argument: &Argument| matches!(argument, Argument::Text(text) if text.eq_ignore_ascii_case("BLOCK"));
    let waits = name.starts_with("XREAD") && arguments.iter().any(blocks);
    !waits && !NOT_SHARED.contains(&name.as_str())
}

type Answer<T> = std::result::Result<T, Error>;

/// An argument with what it stands for.
enum Given {
    Text(String),
    Number(i64),
    Bytes(bytes::Bytes),
}

impl GuestContext {
    /// What the arguments stand for. The bytes of payloads are shared with whoever has them.
    fn given(&self, arguments: Vec<Argument>) -> Result<Vec<Given>> {
        let given = arguments.into_iter().map(|argument| {
            Ok(match argument {
                Argument::Text(text) => Given::Text(text),
                Argument::Number(number) => Given::Number(number),
                Argument::Payload(payload) => Given::Bytes(self.payloads.get(&payload)?.bytes().clone()),
            })
        });
        given.collect()
    }

    /// What a component makes of a reply.
    fn replied(
        &mut self,
        connection: &RedisConnection,
        reply: redis::RedisResult<Value>,
        form: ReplyForm,
    ) -> Result<Answer<Vec<Node>>> {
        let value = match reply {
            Ok(value) => value,
            Err(error) => return Ok(Err(told(connection, &error))),
        };
        let most = self.setup.limits.payload;
        let mut writer = Writer { payloads: &mut self.payloads, form, most, nodes: Vec::new() };
        let name = connection.name();
        Ok(match writer.write(value) {
            Ok(_) => Ok(writer.nodes),
            Err(Unfit::NoText) => {
                Err(Error::Other(format!("connection `{name}`: the reply is no text; ask for payloads")))
            }
            Err(Unfit::TooLarge(bytes)) => Err(Error::LimitExceeded(format!(
                "connection `{name}`: the reply has {bytes} bytes, and this plugin may have {most} (limit `payload`)"
            ))),
            Err(Unfit::Unknown(what)) => Err(Error::Other(format!("connection `{name}`: the reply has {what}"))),
            Err(Unfit::Handles(error)) => return Err(error.into()),
        })
    }
}

/// Adds arguments to a command.
fn add(command: &mut Cmd, given: &[Given]) {
    for argument in given {
        match argument {
            Given::Text(text) => command.arg(text),
            Given::Number(number) => command.arg(*number),
            Given::Bytes(bytes) => command.arg(bytes.as_ref()),
        };
    }
}

impl bindings::Host for GuestContext {}

impl bindings::HostScript for GuestContext {
    async fn new(&mut self, source: String) -> Result<Resource<Script>> {
        Ok(self.table.push(Script::new(source))?)
    }

    async fn drop(&mut self, script: Resource<Script>) -> Result<()> {
        self.table.delete(script)?;
        Ok(())
    }
}

impl bindings::HostConnection for GuestContext {
    async fn open(&mut self, name: String) -> Result<Answer<Resource<RedisConnection>>> {
        let plugin = &self.setup.plugin;
        if !self.setup.grants.redis.contains(&name) {
            return Ok(Err(Error::InvalidArgument(format!(
                "plugin `{plugin}` has not been granted the connection `{name}`; write `redis = [\"{name}\"]` into its \
                 grant file if it shall have it"
            ))));
        }
        let Some(connection) = self.setup.connections.redis(&name).cloned() else {
            let names = self.setup.connections.names();
            return Ok(Err(Error::InvalidArgument(format!(
                "no connection `{name}` is configured, {names}; write `[connections.{name}]` into the configuration"
            ))));
        };
        Ok(Ok(self.table.push(connection)?))
    }

    async fn command(
        &mut self,
        connection: Resource<RedisConnection>,
        arguments: Vec<Argument>,
        form: ReplyForm,
    ) -> Result<Answer<Vec<Node>>> {
        let connection = self.table.get(&connection)?.clone();
        let name = match arguments.first() {
            Some(Argument::Text(name)) => name.clone(),
            _ => return Ok(Err(Error::InvalidArgument("a command begins with its name".to_owned()))),
        };
        if !is_shareable(&name, &arguments) {
            return Ok(Err(Error::InvalidArgument(format!(
                "`{name}` cannot be sent over a connection that others share; use a script"
            ))));
        }
        let mut command = Cmd::new();
        add(&mut command, &self.given(arguments)?);
        let reply = connection.send(&command).await;
        self.replied(&connection, reply, form)
    }

    async fn run(
        &mut self,
        connection: Resource<RedisConnection>,
        script: Resource<Script>,
        keys: Vec<String>,
        arguments: Vec<Argument>,
        form: ReplyForm,
    ) -> Result<Answer<Vec<Node>>> {
        let connection = self.table.get(&connection)?.clone();
        let given = self.given(arguments)?;
        let reply = connection.run(self.table.get(&script)?, &keys, |command| add(command, &given)).await;
        self.replied(&connection, reply, form)
    }

    async fn pause(&mut self, _: Resource<RedisConnection>, milliseconds: u32) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(milliseconds.into()).min(LONGEST_PAUSE)).await;
        Ok(())
    }

    async fn drop(&mut self, connection: Resource<RedisConnection>) -> Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(command: &[&str]) -> bool {
        let arguments: Vec<_> = command.iter().map(|word| Argument::Text((*word).to_owned())).collect();
        is_shareable(command.first().unwrap(), &arguments)
    }

    #[test]
    fn commands_that_others_would_have_to_wait_for_or_would_find_changed_are_not_sent() {
        for command in [
            &["SUBSCRIBE", "news"][..],
            &["select", "1"],
            &["Multi"],
            &["BLPOP", "queue", "0"],
            &["WAIT", "1", "0"],
            &["XREAD", "block", "0", "STREAMS", "s", "$"],
        ] {
            assert!(!is_allowed(command), "{command:?}");
        }
        for command in
            [&["GET", "a"][..], &["XREAD", "STREAMS", "s", "0"], &["SET", "block", "BLOCK"], &["PUBLISH", "a", "b"]]
        {
            assert!(is_allowed(command), "{command:?}");
        }
    }
}
