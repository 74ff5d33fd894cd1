//! Signatures of webhooks, as the Standard Webhooks specification has them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac_sha256::HMAC;

/// What goes into `webhook-signature`: a signature by each secret, so that a receiver can go over from one to the next.
///
/// What is signed is `ID.TIMESTAMP.BODY`, the timestamp in seconds.
pub(super) fn signatures(secrets: &[Vec<u8>], id: &str, timestamp: u64, body: &[u8]) -> String {
    let sign = |secret: &Vec<u8>| {
        let mut mac = HMAC::new(secret);
        mac.update(format!("{id}.{timestamp}."));
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize()))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Svix's documentation, who wrote the specification.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = STANDARD.decode("plJ3nmyCDGBKInavdOK15jsl").unwrap();
        let body = br#"{"event_type":"ping","data":{"success":true}}"#;
        let published = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=";
        assert_eq!(signatures(std::slice::from_ref(&secret), "msg_loFOjxBNrRLzqYUf", 1_731_705_121, body), published);
        let both = signatures(&[vec![7; 32], secret], "msg_loFOjxBNrRLzqYUf", 1_731_705_121, body);
        assert_eq!(both.split(' ').nth(1), Some(published));
    }
}
