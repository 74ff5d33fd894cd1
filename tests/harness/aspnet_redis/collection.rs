//! Items of ASP.NET sessions, as `SessionStateItemCollection` writes and reads them.

use anyhow::{Context as _, Result, ensure};

/// The items of a session: names with typed values, as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collection(pub Vec<(String, Vec<u8>)>);

/// The text `InitializeItem` as the value of an item.
const INITIALIZE_ITEM: &[u8] = b"\x01\x0eInitializeItem";

impl Collection {
    /// One item, `hits`.
    #[must_use]
    pub fn hits(hits: i32) -> Self {
        Self(vec![("hits".to_owned(), [&[2][..], &hits.to_le_bytes()].concat())])
    }

    /// The five items of the worked example: a number, a truth, a time, a price, nothing.
    #[must_use]
    pub fn five() -> Self {
        let of = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec());
        Self(vec![
            of("n", b"\x02\x2a\0\0\0"),
            of("ok", b"\x03\x01"),
            of("when", b"\x04\x00\x00\x7c\x8b\x4d\x8e\xd7\x08"),
            of("price", b"\x05\xcf\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02\0"),
            of("none", b"\x15"),
        ])
    }

    /// The value of `hits`.
    pub fn count(&self) -> Result<i32> {
        let value = self.value("hits").with_context(|| format!("no `hits` in {self:?}"))?;
        Ok(i32::from_le_bytes(value.get(1..5).context("a number")?.try_into()?))
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Whether Microsoft's provider takes it for a session that nobody has initialized: by the name of the enumeration's
    /// member, whatever it is written as.
    #[must_use]
    pub fn is_uninitialized(&self) -> bool {
        self.value("SessionStateActions").is_some_and(|value| value == INITIALIZE_ITEM || value == serialized_action())
    }

    /// What Microsoft's provider stores for a session that nobody has initialized.
    #[must_use]
    pub fn uninitialized() -> Self {
        Self(vec![("SessionStateActions".to_owned(), serialized_action())])
    }

    /// As it is written.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = int32(self.0.len());
        if self.0.is_empty() {
            return bytes;
        }
        bytes.extend((-1_i32).to_le_bytes());
        for (name, _) in &self.0 {
            bytes.push(u8::try_from(name.len()).expect("names are short"));
            bytes.extend(name.as_bytes());
        }
        let mut end = 0;
        for (_, value) in &self.0 {
            end += value.len();
            bytes.extend(int32(end));
        }
        bytes.extend(self.0.iter().flat_map(|(_, value)| value));
        bytes
    }

    /// As it is read: what is behind the last value is not looked at.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let count = usize::try_from(take_int32(&mut rest)?)?;
        if count == 0 {
            return Ok(Self::default());
        }
        ensure!(take_int32(&mut rest)? == -1, "an item without a name");
        let mut names = Vec::new();
        for _ in 0..count {
            let length = take(&mut rest, 1)?[0];
            ensure!(length < 128, "a long name");
            names.push(String::from_utf8(take(&mut rest, length.into())?.to_vec())?);
        }
        let mut ends = Vec::new();
        for _ in 0..count {
            ends.push(usize::try_from(take_int32(&mut rest)?)?);
        }
        let mut begin = 0;
        let mut items = Vec::new();
        for (name, end) in names.into_iter().zip(ends) {
            items.push((name, rest.get(begin..end).context("values end early")?.to_vec()));
            begin = end;
        }
        Ok(Self(items))
    }

    /// The block that a State Server client sends and gets.
    #[must_use]
    pub fn block(&self, minutes: i32) -> Vec<u8> {
        let mut block = minutes.to_le_bytes().to_vec();
        block.extend([u8::from(!self.0.is_empty()), 0]);
        if !self.0.is_empty() {
            block.extend(self.bytes());
        }
        block.push(0xff);
        block
    }
}

fn int32(number: usize) -> Vec<u8> {
    i32::try_from(number).expect("numbers are small").to_le_bytes().to_vec()
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8]> {
    let (taken, after) = rest.split_at_checked(length).context("it ends early")?;
    *rest = after;
    Ok(taken)
}

fn take_int32(rest: &mut &[u8]) -> Result<i32> {
    Ok(i32::from_le_bytes(take(rest, 4)?.try_into()?))
}

/// `SessionStateActions.InitializeItem` as `BinaryFormatter` writes it, behind the code of an object.
fn serialized_action() -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("short")][..], text.as_bytes()].concat();
    [
        &[20][..],
        // The head of the stream, the library, the class with one field, a number.
        &[0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0],
        &[12, 2, 0, 0, 0],
        &text("System.Web, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b03f5f7f11d50a3a"),
        &[5, 1, 0, 0, 0],
        &text("System.Web.SessionState.SessionStateActions"),
        &[1, 0, 0, 0],
        &text("value__"),
        &[0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 11],
    ]
    .concat()
}

#[test]
fn five_items_are_written_as_aspnet_writes_them() {
    let block = "1400000001000500000\
        0ffffffff016e026f6b047768656e057072696365046e6f6e65050000000700000010000000210000002200000\
        0022a00000003010400007c8b4d8ed70805cf0700000000000000000000000002001\
        5ff";
    let written: String = Collection::five().block(20).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written, block);
}
