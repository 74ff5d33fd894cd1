//! The nine exchanges of section 1.7, byte for byte.

use anyhow::Result;
use harness::state_server::EMPTY_BLOCK;

use crate::{ONE_ITEM, Session};

const VERSION: &str = "X-AspNet-Version: 4.0.30319\r\n";
const PRIVATE: &str = "Cache-Control: private\r\n";

/// Status line and headers with the constant ones filled in, and the body.
fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{status}\r\n{VERSION}{headers}{PRIVATE}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Sends a request in which K stands for the target, and compares all bytes of the answer.
#[track_caller]
fn expect(session: &mut Session, request: &str, body: &[u8], expected: &[u8]) {
    let request = request.replace('K', &session.target);
    let answer = session.connection.exchange([request.as_bytes(), body].concat()).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&answer.raw), String::from_utf8_lossy(expected), "to {request}");
}

const ACQUIRE: &str = "GET K HTTP/1.1\r\nHost: stateb\r\nExclusive: acquire\r\n\r\n";

#[test]
fn the_examples_are_met_to_the_byte() -> Result<()> {
    let session = &mut Session::missing()?;
    let done = answer("200 OK", "", b"");
    let not_found = answer("404 Not Found", "", b"");

    // 1: unknown ID, exclusive page
    expect(session, ACQUIRE, b"", &not_found);

    // 2: the client reserves the ID
    let reserve =
        "PUT K HTTP/1.1\r\nHost: stateb\r\nTimeout:20\r\nContent-Length:7\r\nExtraFlags:1\r\nLockCookie:0\r\n\r\n";
    expect(session, reserve, &EMPTY_BLOCK, &done);

    // 3: the client acquires
    let acquired = answer("200 OK", "ActionFlags: 1\r\nLockCookie: 2\r\nTimeout: 20\r\n", &EMPTY_BLOCK);
    expect(session, ACQUIRE, b"", &acquired);

    // 4: other requests meet the lock
    for request in [ACQUIRE, "GET K HTTP/1.1\r\nHost: stateb\r\n\r\n"] {
        let met = session.other_client()?.connection.exchange(request.replace('K', &session.target))?;
        let (date, age) = (met.number("LockDate")?, met.number("LockAge")?);
        let headers = format!("LockDate: {date}\r\nLockAge: {age}\r\nLockCookie: 2\r\n");
        assert_eq!(met.raw, answer("423 Locked", &headers, b""));
    }

    // 5: the owner stores one string item and unlocks
    let store =
        "PUT K HTTP/1.1\r\nHost: stateb\r\nTimeout:20\r\nContent-Length:30\r\nExtraFlags:0\r\nLockCookie:2\r\n\r\n";
    expect(session, store, &ONE_ITEM, &done);

    // 6: read-only page
    let read = answer("200 OK", "Timeout: 20\r\n", &ONE_ITEM);
    expect(session, "GET K HTTP/1.1\r\nHost: stateb\r\n\r\n", b"", &read);

    // 7: exclusive page that changes nothing
    expect(session, ACQUIRE, b"", &answer("200 OK", "LockCookie: 3\r\nTimeout: 20\r\n", &ONE_ITEM));
    let release = "GET K HTTP/1.1\r\nHost: stateb\r\nExclusive: release\r\nLockCookie: 3\r\n\r\n";
    expect(session, release, b"", &done);

    // 8: session disabled on the page
    expect(session, "HEAD K HTTP/1.1\r\nHost: stateb\r\n\r\n", b"", &done);

    // 9: abandon
    expect(session, ACQUIRE, b"", &answer("200 OK", "LockCookie: 4\r\nTimeout: 20\r\n", &ONE_ITEM));
    expect(session, "DELETE K HTTP/1.1\r\nHost: stateb\r\nLockCookie: 4\r\n\r\n", b"", &done);
    expect(session, "HEAD K HTTP/1.1\r\nHost: stateb\r\n\r\n", b"", &not_found);
    Ok(())
}
