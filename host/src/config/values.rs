//! The kinds of value that a configuration file is made of. Each says itself what it may look like.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use super::{duration, size};

/// A duration, written `"20m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenDuration(pub(super) Duration);

/// A size in bytes, written `"20MiB"` or as a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenSize(pub(super) usize);

/// A whole number that is not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenCount(pub(super) usize);

/// An IP address with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenAddress(pub(super) SocketAddr);

const COUNT_EXPECTED: &str = "a whole number, 0 or more";
const ADDRESS_EXPECTED: &str =
    "an IP address and a port, such as \"127.0.0.1:42424\" or \"[::1]:42424\" (a name is not looked up)";

/// Reads one kind of value; `text` and `number` say what a string and an integer mean, if they are allowed.
struct Scalar<T> {
    expected: &'static str,
    text: fn(&str) -> Option<T>,
    number: fn(i64) -> Option<T>,
}

impl<T> Scalar<T> {
    fn read<E: de::Error>(&self, value: Option<T>) -> Result<T, E> {
        value.ok_or_else(|| E::custom(format!("expected {}", self.expected)))
    }
}

impl<T> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        self.read((self.text)(text))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.read((self.number)(number))
    }
}

impl<'de> Deserialize<'de> for WrittenDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = Scalar { expected: duration::EXPECTED, text: duration::parse, number: |_| None };
        deserializer.deserialize_any(kind).map(Self)
    }
}

impl<'de> Deserialize<'de> for WrittenSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind =
            Scalar { expected: size::EXPECTED, text: size::parse, number: |number| usize::try_from(number).ok() };
        deserializer.deserialize_any(kind).map(Self)
    }
}

impl<'de> Deserialize<'de> for WrittenCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = Scalar { expected: COUNT_EXPECTED, text: |_| None, number: |number| usize::try_from(number).ok() };
        deserializer.deserialize_any(kind).map(Self)
    }
}

impl<'de> Deserialize<'de> for WrittenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = Scalar { expected: ADDRESS_EXPECTED, text: |text| text.parse().ok(), number: |_| None };
        deserializer.deserialize_any(kind).map(Self)
    }
}
