//! A server's reply on its way into a component: a tree written flat, the root first.

use bytes::Bytes;
use redis::Value;
use wasmtime::component::ResourceTableError;

use super::interface::bindings::{Node, ReplyForm};
use crate::{capabilities::PayloadTable, contract::Payload};

/// Why a reply cannot be handed over.
pub(super) enum Unfit {
    /// Bytes that are not the text that was asked for.
    NoText,
    /// A value that is larger than a component may have.
    TooLarge(usize),
    /// A kind of value that the contract does not have.
    Unknown(&'static str),
    /// The component holds too many handles.
    Handles(ResourceTableError),
}

/// Writes a reply as nodes.
pub(super) struct Writer<'t> {
    pub(super) payloads: &'t mut PayloadTable,
    pub(super) form: ReplyForm,
    /// The largest payload, bytes.
    pub(super) most: usize,
    pub(super) nodes: Vec<Node>,
}

impl Writer<'_> {
    /// Writes a value and what is in it; where it is.
    pub(super) fn write(&mut self, value: Value) -> Result<u32, Unfit> {
        let node = match value {
            Value::Nil => Node::Nil,
            Value::Int(number) => Node::Number(number),
            Value::Boolean(truth) => Node::Number(truth.into()),
            Value::Okay => Node::Text("OK".to_owned()),
            Value::SimpleString(text) | Value::VerbatimString { text, .. } => Node::Text(text),
            Value::BulkString(bytes) => self.bytes(bytes)?,
            Value::ServerError(error) => {
                Node::Failure(format!("{} {}", error.code(), error.details().unwrap_or_default()))
            }
            Value::Array(members) | Value::Set(members) => return self.list(members),
            Value::Map(pairs) => return self.list(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
            Value::Attribute { data, .. } => return self.write(*data),
            Value::Double(number) => Node::Text(number.to_string()),
            Value::BigNumber(_) => return Err(Unfit::Unknown("a number beyond 64 bits")),
            _ => return Err(Unfit::Unknown("a value of another kind")),
        };
        self.push(node)
    }

    fn list(&mut self, members: Vec<Value>) -> Result<u32, Unfit> {
        let place = self.push(Node::Nodes(Vec::new()))?;
        let mut places = Vec::with_capacity(members.len());
        for member in members {
            places.push(self.write(member)?);
        }
        if let Some(node) = usize::try_from(place).ok().and_then(|place| self.nodes.get_mut(place)) {
            *node = Node::Nodes(places);
        }
        Ok(place)
    }

    fn bytes(&mut self, bytes: Vec<u8>) -> Result<Node, Unfit> {
        match self.form {
            ReplyForm::Text => String::from_utf8(bytes).map(Node::Text).map_err(|_| Unfit::NoText),
            ReplyForm::Payloads if bytes.len() > self.most => Err(Unfit::TooLarge(bytes.len())),
            ReplyForm::Payloads => {
                // The bytes as they came from the socket; none is copied.
                let payload = Payload::new(Bytes::from(bytes));
                self.payloads.push(payload).map(Node::Payload).map_err(Unfit::Handles)
            }
        }
    }

    fn push(&mut self, node: Node) -> Result<u32, Unfit> {
        let place = u32::try_from(self.nodes.len()).map_err(|_| Unfit::Unknown("too many values"))?;
        self.nodes.push(node);
        Ok(place)
    }
}
