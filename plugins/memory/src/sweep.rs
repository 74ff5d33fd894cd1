//! Finding what expired.

use cloakroom_plugin_sdk::{
    Error, SessionKey, expiry_callback,
    kv::{Bucket, ExpiredEntry},
    log,
};

use crate::{operations::item, record::Record};

/// How long a claimed session is kept from other sweeps, milliseconds. If this instance dies before it has reported
/// the session, another one does so then.
const LEASE: u64 = 30_000;

/// Reports and deletes up to `limit` expired sessions; whether there may be more.
pub(crate) fn sweep(bucket: &Bucket, limit: u32) -> Result<bool, Error> {
    if !expiry_callback::listening() {
        return Ok(bucket.drop_expired(limit) >= limit);
    }
    let claimed = bucket.claim_expired(limit, LEASE);
    let may_be_more = u32::try_from(claimed.len()).is_ok_and(|claimed| claimed >= limit);
    for expired in claimed {
        // Only then is it forgotten: reported twice at worst, never not at all.
        let ticket = expired.ticket;
        if report(expired) {
            bucket.settle(ticket);
        }
    }
    Ok(may_be_more)
}

/// Reports a session; whether it may be forgotten.
fn report(expired: ExpiredEntry) -> bool {
    let record = Record::from(expired.entry.info.words);
    // Nobody ever had it in hand, so nobody misses it.
    if record.uninitialized {
        return true;
    }
    let Some(key) = SessionKey::from_storage_key(&expired.key) else {
        log::warn("found an expired entry that is no session; deleted it");
        return true;
    };
    let expires = expired.entry.info.expires;
    match expiry_callback::item_expired(&key, item(expired.entry, &record, expires)) {
        Ok(()) => true,
        Err(error) => {
            log::warn(format!("an expired session was not taken: {}; will offer it again", error.message()));
            false
        }
    }
}
