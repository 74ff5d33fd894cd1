//! Finding what expired.

use cloakroom_plugin_sdk::{Error, SessionKey, expiry_callback, log, redis::Argument};

use crate::{
    Layout, Redis,
    answer::{Answer, Value, unexpected},
    scripts::SweepScripts,
};

/// How long a claimed session is kept from other sweeps, milliseconds. If this host dies before it has reported the
/// session, another one does so then.
const LEASE: i64 = 30_000;

impl Redis {
    /// Whether the end of a session can be reported: other providers leave it to the server to delete what has expired.
    pub(crate) fn can_report_expiry(&self) -> bool {
        matches!(self.layout, Layout::Buckets(..))
    }

    /// Reports and deletes up to `limit` expired sessions; whether there may be more. Each sweep begins where the last one
    /// ended, so that a busy bucket keeps no other waiting.
    pub(crate) fn sweep_buckets(&self, limit: u32) -> Result<bool, Error> {
        let Layout::Buckets(buckets, scripts) = &self.layout else { return Ok(false) };
        let listening = expiry_callback::listening();
        let mut left = limit;
        for _ in 0..buckets.count() {
            let bucket = self.next_swept.get();
            left = left.saturating_sub(self.sweep_bucket(scripts, &buckets.keys_of(bucket), left, listening)?);
            if left == 0 {
                return Ok(true);
            }
            self.next_swept.set((bucket + 1) % buckets.count());
        }
        Ok(false)
    }

    /// Sweeps one bucket; how many sessions it found.
    fn sweep_bucket(
        &self,
        scripts: &SweepScripts,
        keys: &[String; 3],
        limit: u32,
        listening: bool,
    ) -> Result<u32, Error> {
        let arguments = [
            Argument::Text(String::new()),
            Argument::Number(limit.into()),
            Argument::Number(LEASE),
            Argument::Number(listening.into()),
        ];
        let mut answer = self.run_on(&scripts.sweep, keys, &arguments)?;
        let found = u32::try_from(answer.number()?).map_err(|_| unexpected("count"))?;
        while let Some(Value::List(claimed)) = answer.next() {
            let mut claimed = Answer::of(claimed);
            let number = claimed.number()?;
            // Only then is it forgotten: reported twice at worst, never not at all.
            if report(claimed)? {
                let arguments = [Argument::Text(String::new()), Argument::Number(number)];
                self.run_on(&scripts.settle, keys, &arguments)?;
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
