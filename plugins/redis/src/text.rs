//! Text on its way through keys and answers: percent-encoded where it must not be as it is.
//!
//! Braces would be taken for a hash tag, and a line end would end an answer early. Letters of all languages stay.

/// What the text is called in keys and answers.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' | '{' | '}' | '\0'..=' ' | '\x7f' => encoded.push_str(&format!("%{:02X}", u32::from(character))),
            other => encoded.push(other),
        }
    }
    encoded
}

/// The text again. What was not made by [`encoded`] stays as it is where it makes no sense.
pub(crate) fn decoded(encoded: &str) -> String {
    let mut text = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
        match code {
            Some(code) => {
                text.push(char::from(code));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                text.push('%');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_the_way_there_and_back() {
        for text in ["", "plain", "50 %", "a{b}c", "shop\0id", "two\r\nlines", "Mäntel 🧥", "%41", "100%"] {
            assert_eq!(decoded(&encoded(text)), text);
        }
    }

    #[test]
    fn nothing_is_left_that_a_key_or_an_answer_would_take_for_its_own() {
        let encoded = encoded("a{b}c\r\n\0%");
        assert!(!encoded.contains(['{', '}', '\r', '\n', '\0']), "{encoded}");
    }
}
