//! The form of an ID: three groups of 40 bits, each written as eight characters of five bits.

/// Random bytes in an ID.
pub(crate) const RANDOM_BYTES: usize = 15;

/// Random bits in an ID.
pub(crate) const RANDOM_BITS: u32 = 120;

/// Characters of an ID.
const LENGTH: usize = 24;

/// What five bits are written as. The digits 6 to 9 never occur.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

/// Writes random bytes as an ID: each five bytes are a little-endian number, its lowest five bits come first.
pub(crate) fn encode(bytes: [u8; RANDOM_BYTES]) -> String {
    let mut id = String::with_capacity(LENGTH);
    for group in bytes.chunks_exact(5) {
        let number = group.iter().rev().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        id.extend((0..8).map(|place| character(number >> (5 * place))));
    }
    id
}

/// The character for the lowest five bits of a number.
#[allow(clippy::indexing_slicing, reason = "five bits are always within the 32 characters")]
fn character(number: u64) -> char {
    char::from(ALPHABET[(number & 31) as usize])
}

/// Whether an ID has this form. Lower case only: ASP.NET turns what a browser sends into lower case before it asks a
/// store, so an ID with capitals here names no session that it could have made.
pub(crate) fn is_well_formed(id: &str) -> bool {
    id.len() == LENGTH && id.bytes().all(|byte| ALPHABET.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_aspnet_writes_them() {
        assert_eq!(encode([0; 15]), "aaaaaaaaaaaaaaaaaaaaaaaa");
        assert_eq!(encode([0xff; 15]), "555555555555555555555555");
        assert_eq!(encode([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]), "aiaeqbqafqboaeebkycyqgyb");
    }

    #[test]
    fn what_is_written_is_well_formed() {
        assert!(is_well_formed(&encode([0x5a; 15])));
    }

    #[test]
    fn other_lengths_characters_and_capitals_are_not_well_formed() {
        for id in ["", "aiaeqbqafqboaeebkycyqgy", "aiaeqbqafqboaeebkycyqgybb", "aiaeqbqafqboaeebkycyqgy6"] {
            assert!(!is_well_formed(id), "{id}");
        }
        assert!(!is_well_formed("AIAEQBQAFQBOAEEBKYCYQGYB"));
        // 24 bytes, but fewer characters.
        assert!(!is_well_formed("ééééééééééaaaa"));
    }
}
