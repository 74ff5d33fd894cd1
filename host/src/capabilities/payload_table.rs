//! The payloads that an instance has handles of.

use wasmtime::component::{Resource, ResourceTableError};

use crate::contract::Payload;

/// Payloads by handle. wasmtime's own table keeps things of any type, each in an allocation of its own; payloads come and
/// go with every call.
pub struct PayloadTable {
    slots: Vec<Option<Payload>>,
    /// Slots that are empty.
    free: Vec<u32>,
    limit: usize,
}

impl PayloadTable {
    /// For so many payloads at once: a component that leaks handles fails instead of filling the host.
    pub(super) fn new(limit: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), limit }
    }

    /// Puts a payload in; its handle.
    pub(crate) fn push(&mut self, payload: Payload) -> Result<Resource<Payload>, ResourceTableError> {
        if let Some(slot) = self.free.pop() {
            *self.slot(slot)? = Some(payload);
            return Ok(Resource::new_own(slot));
        }
        if self.slots.len() >= self.limit {
            return Err(ResourceTableError::Full);
        }
        let slot = u32::try_from(self.slots.len()).map_err(|_| ResourceTableError::Full)?;
        self.slots.push(Some(payload));
        Ok(Resource::new_own(slot))
    }

    /// The payload behind a handle.
    pub(crate) fn get(&self, handle: &Resource<Payload>) -> Result<&Payload, ResourceTableError> {
        let slot = usize::try_from(handle.rep()).ok().and_then(|slot| self.slots.get(slot));
        slot.and_then(Option::as_ref).ok_or(ResourceTableError::NotPresent)
    }

    /// Takes the payload behind a handle out.
    pub(crate) fn delete(&mut self, handle: Resource<Payload>) -> Result<Payload, ResourceTableError> {
        let payload = self.slot(handle.rep())?.take().ok_or(ResourceTableError::NotPresent)?;
        self.free.push(handle.rep());
        Ok(payload)
    }

    fn slot(&mut self, number: u32) -> Result<&mut Option<Payload>, ResourceTableError> {
        let slot = usize::try_from(number).ok().and_then(|slot| self.slots.get_mut(slot));
        slot.ok_or(ResourceTableError::NotPresent)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn payload(text: &'static str) -> Payload {
        Payload::new(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_payload_is_there_from_push_to_delete() {
        let mut table = PayloadTable::new(9);
        let (one, two) = (table.push(payload("one")).unwrap(), table.push(payload("two")).unwrap());
        assert_eq!(table.get(&one).unwrap(), &payload("one"));
        let stale = Resource::new_own(one.rep());
        assert_eq!(table.delete(one).unwrap(), payload("one"));
        assert!(matches!(table.get(&stale), Err(ResourceTableError::NotPresent)));
        assert!(matches!(table.delete(stale), Err(ResourceTableError::NotPresent)));
        assert_eq!(table.get(&two).unwrap(), &payload("two"));
        assert!(matches!(table.get(&Resource::new_own(7)), Err(ResourceTableError::NotPresent)));
    }

    #[test]
    fn as_many_as_allowed_are_there_at_once_and_any_number_one_after_the_other() {
        let mut table = PayloadTable::new(2);
        let mut held = [table.push(payload("")).unwrap(), table.push(payload("")).unwrap()];
        for _ in 0..9 {
            assert!(matches!(table.push(payload("")), Err(ResourceTableError::Full)));
            let [first, _] = &mut held;
            let first = std::mem::replace(first, Resource::new_own(u32::MAX));
            table.delete(first).unwrap();
            held[0] = table.push(payload("")).unwrap();
        }
    }
}
