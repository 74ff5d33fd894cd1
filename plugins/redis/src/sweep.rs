//! Finding what expired.

use cloakroom_plugin_sdk::{Error, SessionKey, expiry_callback, log, redis::Argument};

use crate::{
    Redis,
    answer::{Answer, Value, unexpected},
};

/// How long a claimed session is kept from other sweeps, milliseconds. If this host dies before it has reported the
/// session, another one does so then.
const LEASE: i64 = 30_000;

impl Redis {
    /// Reports and deletes up to `limit` expired sessions; whether there may be more. Each sweep begins where the last one
    /// ended, so that a busy bucket keeps no other waiting.
    pub(crate) fn sweep_buckets(&self, limit: u32) -> Result<bool, Error> {
        let listening = expiry_callback::listening();
        let mut left = limit;
        for _ in 0..self.buckets {
            let bucket = self.next_swept.get();
            left = left.saturating_sub(self.sweep_bucket(bucket, left, listening)?);
            if left == 0 {
                return Ok(true);
            }
            self.next_swept.set((bucket + 1) % self.buckets);
        }
        Ok(false)
    }

    /// Sweeps one bucket; how many sessions it found.
    fn sweep_bucket(&self, bucket: u32, limit: u32, listening: bool) -> Result<u32, Error> {
        let keys = self.keys_of(bucket);
        let arguments = [
            Argument::Text(String::new()),
            Argument::Number(limit.into()),
            Argument::Number(LEASE),
            Argument::Number(listening.into()),
        ];
        let mut answer = self.run_on(&self.scripts.sweep, &keys, &arguments)?;
        let found = u32::try_from(answer.number()?).map_err(|_| unexpected("count"))?;
        while let Some(Value::List(claimed)) = answer.next() {
            let mut claimed = Answer::of(claimed);
            let number = claimed.number()?;
            // Only then is it forgotten: reported twice at worst, never not at all.
            if report(claimed)? {
                let arguments = [Argument::Text(String::new()), Argument::Number(number)];
                self.run_on(&self.scripts.settle, &keys, &arguments)?;
            }
        }
        Ok(found)
    }
}

/// Reports a session; whether it may be forgotten.
fn report(mut claimed: Answer) -> Result<bool, Error> {
    let item = claimed.item()?;
    let name = claimed.text()?.unwrap_or_default();
    let Some(key) = name.strip_prefix('s').and_then(SessionKey::from_storage_key) else {
        log::warn("found an expired entry that is no session; deleted it");
        return Ok(true);
    };
    match expiry_callback::item_expired(&key, item) {
        Ok(()) => Ok(true),
        Err(error) => {
            log::warn(format!("an expired session was not taken: {}; will offer it again", error.message()));
            Ok(false)
        }
    }
}
