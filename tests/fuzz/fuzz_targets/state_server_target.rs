//! State Server targets: no bytes make decoding panic, and application and ID joined again are the decoded name.
#![no_main]

use cloakroom_fuzz::target::{Applications, decode, session_key};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|target: &[u8]| {
    let name = decode(target, &mut Vec::new()).into_owned();
    if let Ok(key) = session_key(target, &Applications::default(), &mut Vec::new()) {
        let joined = match key.application() {
            "/" => format!("/{}", key.id()),
            application => format!("{application}/{}", key.id()),
        };
        assert_eq!(joined, name);
    }
});
