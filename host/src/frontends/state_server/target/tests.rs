use proptest::prelude::*;

use super::*;

/// The recorded target, and the name it stands for.
const RECORDED: &str =
    "%2fLM%2fW3SVC%2f2%2fROOT(oXvpnxcuEWqKAgOETha32JavYZ6eCqrpTN5%2fHxWS854%3d)%2fbpr4mimb2vjnvtn2jc4yp3uo";
const APPLICATION: &str = "/LM/W3SVC/2/ROOT(oXvpnxcuEWqKAgOETha32JavYZ6eCqrpTN5/HxWS854=)";
const ID: &str = "bpr4mimb2vjnvtn2jc4yp3uo";

fn decoded(target: impl AsRef<[u8]>) -> String {
    decode(target.as_ref(), &mut Vec::new()).into_owned()
}

fn key(target: impl AsRef<[u8]>) -> Result<SessionKey, TargetError> {
    session_key(target.as_ref(), &Applications::default(), &mut Vec::new())
}

fn applications(names: &[(&str, &str)]) -> Applications {
    Applications::new(&names.iter().map(|(wire, store)| ((*wire).to_owned(), (*store).to_owned())).collect())
}

#[test]
fn the_recorded_target_is_its_application_and_id() {
    let key = key(RECORDED).unwrap();
    assert_eq!((key.application(), key.id()), (APPLICATION, ID));
}

#[test]
fn slashes_name_the_same_session_however_they_are_written() {
    for target in ["%2fLM%2fapp%2fid", "%2FLM%2Fapp%2Fid", "/LM/app/id", "//LM/app/id"] {
        assert_eq!(key(target), Ok(SessionKey::new("/LM/app", "id").unwrap()), "{target}");
    }
}

#[test]
fn only_a_raw_double_slash_is_halved() {
    assert_eq!(decoded("%2f%2fLM"), "//LM");
    assert_eq!(decoded("///LM"), "//LM");
    assert_eq!(decoded("/%2fLM"), "//LM");
}

#[test]
fn case_makes_a_different_session() {
    assert_ne!(key("/LM/app/id").unwrap(), key("/lm/app/id").unwrap());
    assert_ne!(key("/LM/app/id").unwrap(), key("/LM/app/ID").unwrap());
}

#[test]
fn plus_is_a_space_and_its_escape_a_plus() {
    assert_eq!(decoded("/a+b/x%2by"), "/a b/x+y");
    assert_ne!(key("/a/x+y").unwrap(), key("/a/x%2by").unwrap());
}

#[test]
fn escapes_are_bytes_of_utf8() {
    assert_eq!(decoded("%c3%a4%E2%82%AC%f0%9f%98%80"), "ä€😀");
    assert_eq!(decoded("ä%c3\u{a4}".as_bytes()), decoded("%c3%a4%c3%c2%a4"));
}

#[test]
fn u_escapes_are_utf16_units() {
    assert_eq!(decoded("%u00e4%u20AC%u0041"), "ä€A");
    assert_eq!(decoded("%ud83d%ude00!"), "😀!");
}

#[test]
fn halves_of_surrogate_pairs_become_replacement_characters() {
    assert_eq!(decoded("%ud83d"), "\u{fffd}");
    assert_eq!(decoded("%ude00x"), "\u{fffd}x");
    assert_eq!(decoded("%ud83dx"), "\u{fffd}x");
    assert_eq!(decoded("%ud83d%u0041"), "\u{fffd}A");
    assert_eq!(decoded("%ud83d%ud83d%ude00"), "\u{fffd}😀");
}

#[test]
fn incomplete_escapes_stand_for_themselves() {
    for text in ["%", "a%", "%2", "%zz", "%2g", "%u", "%u123", "%u123g", "%U0041", "%%"] {
        assert_eq!(decoded(text), text);
    }
    assert_eq!(decoded("%%41"), "%A");
    assert_eq!(decoded("%u%41"), "%uA");
}

#[test]
fn bytes_that_are_not_utf8_become_replacement_characters() {
    assert_eq!(decoded("/a/%ffx"), "/a/\u{fffd}x");
    assert_eq!(decoded(b"/a/\xffx"), "/a/\u{fffd}x");
}

#[test]
fn a_name_right_below_the_root_belongs_to_the_application_slash() {
    assert_eq!(key("/id"), Ok(SessionKey::new("/", "id").unwrap()));
    assert_eq!(key("//id"), key("/id"));
}

#[test]
fn names_that_lack_a_part_are_no_session() {
    assert_eq!(key("id"), Err(TargetError::NoApplication));
    assert_eq!(key("%2f%2fid"), Err(TargetError::NoApplication));
    for target in ["/", "/app/", "%2fapp%2f"] {
        assert_eq!(key(target), Err(TargetError::Key(KeyError::Empty { part: "session ID" })), "{target}");
    }
}

#[test]
fn names_that_a_key_cannot_hold_are_no_session() {
    assert_eq!(key("/a/x%00y"), Err(TargetError::Key(KeyError::Nul)));
    let long = format!("/a/{}", "x".repeat(1023));
    assert_eq!(key(long), Err(TargetError::Key(KeyError::TooLong { length: 1025 })));
    assert!(key(format!("/a/{}", "x".repeat(1022))).is_ok());
}

#[test]
fn an_application_can_go_by_another_name_with_or_without_its_hash() {
    for wire in [APPLICATION, "/LM/W3SVC/2/ROOT", "/lm/w3svc/2/root"] {
        let applications = applications(&[("/other", "x"), (wire, "shop")]);
        let key = session_key(RECORDED.as_bytes(), &applications, &mut Vec::new()).unwrap();
        assert_eq!((key.application(), key.id()), ("shop", ID), "{wire}");
    }
}

#[test]
fn two_sites_can_share_their_sessions() {
    let applications = applications(&[("/LM/W3SVC/1/ROOT", "shop"), ("/LM/W3SVC/2/ROOT", "shop")]);
    let key = |target: &str| session_key(target.as_bytes(), &applications, &mut Vec::new()).unwrap();
    assert_eq!(key("/LM/W3SVC/1/ROOT(abc)/x"), key("/LM/W3SVC/2/ROOT(def)/x"));
    assert_ne!(key("/LM/W3SVC/1/ROOT(abc)/x"), key("/LM/W3SVC/3/ROOT(abc)/x"));
}

#[test]
fn the_full_name_counts_more_than_the_name_without_its_hash() {
    let applications = applications(&[("/app", "any"), ("/app(h)", "this")]);
    assert_eq!(applications.resolve("/app(h)"), "this");
    assert_eq!(applications.resolve("/app(i)"), "any");
    assert_eq!(applications.resolve("/app/sub(i)"), "/app/sub(i)");
}

#[test]
fn many_applications_are_all_found() {
    let names: Vec<_> = (0..100).map(|number| (format!("/App{number}"), format!("to{number}"))).collect();
    let applications = Applications::new(&names.iter().cloned().collect());
    for (wire, store) in &names {
        assert_eq!(applications.resolve(&wire.to_ascii_uppercase()), store);
    }
}

/// What .NET's form encoding writes.
fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'*' | b'(' | b')' => {
                char::from(byte).to_string()
            }
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

proptest! {
    #[test]
    fn what_a_client_encodes_comes_back(name in "\\PC{0,60}") {
        prop_assert_eq!(decoded(encoded(&name)), name);
    }

    #[test]
    fn application_and_id_of_a_client_come_back(application in "/\\PC{1,60}", id in "[a-z0-5]{24}") {
        prop_assume!(!application.is_empty() && application != "/");
        let key = key(encoded(&format!("{application}/{id}"))).unwrap();
        prop_assert_eq!((key.application(), key.id()), (application.as_str(), id.as_str()));
    }

    #[test]
    fn any_bytes_are_a_key_or_an_error(target in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = key(target);
    }

    #[test]
    fn different_names_are_different_keys(left in "[/a%2f]{1,8}", right in "[/a%2f]{1,8}") {
        if let (Ok(left_key), Ok(right_key)) = (key(&left), key(&right)) {
            prop_assert_eq!(left_key == right_key, decoded(&left) == decoded(&right));
        }
    }
}
