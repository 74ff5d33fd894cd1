//! What scripts answer: a number that says what it is, and what belongs to it.

use cloakroom_plugin_sdk::{Error, Item, Lock, LockId, Payload, SessionData, redis::Node};

use crate::text::decoded;

/// The first number of an answer; see `prelude.lua`.
pub(crate) const MISSING: i64 = 0;
pub(crate) const DONE: i64 = 1;
pub(crate) const LOCKED: i64 = 2;
pub(crate) const STALE: i64 = 3;
/// And where the layout is not ours: another client is in the middle of something.
pub(crate) const BUSY: i64 = 4;
/// What was to be stored cannot be; why.
pub(crate) const REFUSED: i64 = 5;
/// What is stored cannot be read; why.
pub(crate) const UNREADABLE: i64 = 6;

/// An answer that is read from its beginning to its end.
pub(crate) struct Answer {
    /// What is not read yet, the next one last.
    rest: Vec<Value>,
}

/// A value in an answer.
pub(crate) enum Value {
    None,
    Number(i64),
    Text(String),
    Payload(Payload),
    List(Vec<Value>),
    Failure(String),
}

impl Answer {
    /// Of a reply, whose nodes lie flat.
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
        let root = value(&mut nodes, 0);
        let list = if let Value::List(list) = root { list } else { vec![root] };
        Self::of(list)
    }

    /// Of a list in an answer.
    pub(crate) fn of(mut list: Vec<Value>) -> Self {
        list.reverse();
        Self { rest: list }
    }

    pub(crate) fn next(&mut self) -> Option<Value> {
        self.rest.pop()
    }

    /// The first number of an answer that nobody has begun to read.
    pub(crate) fn outcome(&self) -> Option<i64> {
        match self.rest.last() {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The text behind the first number.
    pub(crate) fn reason(&mut self) -> Result<String, Error> {
        self.number()?;
        match self.next() {
            Some(Value::Text(reason)) => Ok(reason),
            _ => Err(unexpected("reason")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<i64, Error> {
        match self.next() {
            Some(Value::Number(number)) => Ok(number),
            Some(Value::Failure(message)) => Err(Error::Other(message)),
            _ => Err(unexpected("a number")),
        }
    }

    /// A number that is none where it is negative.
    fn moment(&mut self) -> Result<Option<u64>, Error> {
        Ok(u64::try_from(self.number()?).ok())
    }

    fn unsigned<T: TryFrom<i64>>(&mut self) -> Result<T, Error> {
        T::try_from(self.number()?).map_err(|_| unexpected("a smaller number"))
    }

    pub(crate) fn text(&mut self) -> Result<Option<String>, Error> {
        match self.next() {
            Some(Value::Text(text)) => Ok(Some(decoded(&text))),
            Some(Value::None) | None => Ok(None),
            _ => Err(unexpected("text")),
        }
    }

    /// The lock that somebody else holds.
    pub(crate) fn lock(&mut self) -> Result<Lock, Error> {
        Ok(Lock { id: self.unsigned()?, age: self.unsigned()? })
    }

    pub(crate) fn lock_id(&mut self) -> Result<LockId, Error> {
        self.unsigned()
    }

    pub(crate) fn version(&mut self) -> Result<u64, Error> {
        self.unsigned()
    }

    /// An item, as `item` in `prelude.lua` answers it.
    pub(crate) fn item(&mut self) -> Result<Item, Error> {
        let (version, created, expires) = (self.version()?, self.unsigned()?, self.moment()?);
        let (idle_timeout, latest_expiry, fresh) = (self.unsigned()?, self.moment()?, self.number()?);
        let payload = match self.next() {
            Some(Value::Payload(payload)) => payload,
            _ => return Err(unexpected("a payload")),
        };
        let (content_type, subject) = (self.text()?, self.text()?);
        let payload = payload.with_content_type(content_type.as_deref());
        let data = SessionData { payload, idle_timeout, latest_expiry, subject };
        Ok(Item { data, version, created, expires, uninitialized: fresh == 1 })
    }
}

fn value(nodes: &mut [Option<Node>], position: u32) -> Value {
    let node = usize::try_from(position).ok().and_then(|position| nodes.get_mut(position)).and_then(Option::take);
    match node {
        None | Some(Node::Nil) => Value::None,
        Some(Node::Number(number)) => Value::Number(number),
        Some(Node::Text(text)) => Value::Text(text),
        Some(Node::Payload(payload)) => Value::Payload(payload),
        Some(Node::Failure(message)) => Value::Failure(message),
        Some(Node::Nodes(members)) => Value::List(members.into_iter().map(|member| value(nodes, member)).collect()),
    }
}

/// Somebody else's data under the store's keys, most likely.
pub(crate) fn unexpected(what: &str) -> Error {
    Error::Other(format!(
        "the server's answer has no {what} where one belongs; is the prefix of the store used by others?"
    ))
}
