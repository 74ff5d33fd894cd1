//! Listings over all shards: the cursor that a client sees says which shard it belongs to.
//!
//! With one shard a cursor is the component's own and passes through as it is.

use crate::contract::{SessionPage, StoreError};

/// The shard and the component's own cursor in a cursor of [`joined`]; no cursor is the beginning of the first shard.
pub(super) fn split(cursor: Option<&str>, shards: usize) -> Result<(usize, Option<&str>), StoreError> {
    let Some(cursor) = cursor else { return Ok((0, None)) };
    if shards == 1 {
        return Ok((0, Some(cursor)));
    }
    cursor
        .split_once(':')
        .and_then(|(shard, own)| Some((shard.parse().ok()?, (!own.is_empty()).then_some(own))))
        .filter(|(shard, _)| *shard < shards)
        .ok_or_else(|| StoreError::InvalidArgument("the cursor is none of this store's; begin without one".to_owned()))
}

/// A page of a shard as a page of all: its cursor leads on in the shard, or from its end to the next one.
pub(super) fn joined(page: SessionPage, shard: usize, shards: usize) -> SessionPage {
    let next = match page.next {
        Some(own) if shards == 1 => Some(own),
        Some(own) => Some(format!("{shard}:{own}")),
        None if shard + 1 < shards => Some(format!("{}:", shard + 1)),
        None => None,
    };
    SessionPage { next, ..page }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(own: Option<&str>, shard: usize, shards: usize) -> Option<String> {
        joined(SessionPage { sessions: Vec::new(), next: own.map(str::to_owned) }, shard, shards).next
    }

    #[test]
    fn a_listing_goes_through_every_shard_and_ends() {
        assert_eq!(split(None, 2), Ok((0, None)));
        let first = next(Some("a:b"), 0, 2).unwrap();
        assert_eq!(split(Some(&first), 2), Ok((0, Some("a:b"))));
        let second = next(None, 0, 2).unwrap();
        assert_eq!(split(Some(&second), 2), Ok((1, None)));
        assert_eq!(next(None, 1, 2), None);
    }

    #[test]
    fn the_cursor_of_a_single_shard_is_its_own() {
        assert_eq!(next(Some("7"), 0, 1).as_deref(), Some("7"));
        assert_eq!(split(Some("7"), 1), Ok((0, Some("7"))));
    }

    #[test]
    fn a_cursor_of_another_store_is_refused() {
        for cursor in ["7", "x:1", "2:1", ":"] {
            assert!(split(Some(cursor), 2).is_err(), "{cursor}");
        }
    }
}
