//! What is too much is refused, with a line in the log that names the setting.

use std::sync::Arc;

use anyhow::Result;
use harness::{
    Host,
    state_server::{Connection, request},
};

use crate::{Expect, ONE_ITEM, Session, new_target};

/// A host with this setting and a connection to it.
fn limited(setting: &str) -> Result<(Arc<Host>, Session)> {
    let host = Arc::new(Host::start(&format!("[state_server]\nhold_locked = \"0s\"\n{setting}\n"))?);
    let session = Session::on(&host)?;
    Ok((host, session))
}

/// Sends this; the answer is 400, the connection is closed, the log names the setting, and others are served.
fn expect_refusal(session: &mut Session, bytes: impl AsRef<[u8]>, setting: &str) -> Result<()> {
    session.connection.send(bytes)?;
    session.connection.receive()?.expect(400);
    session.connection.expect_close()?;
    session.host.wait_for_log(setting)?;
    session.other_client()?.get()?.expect(404);
    Ok(())
}

#[test]
fn a_line_may_be_as_long_as_allowed() -> Result<()> {
    let (_, mut session) = limited("max_line = 1000")?;
    let header = |length: usize| format!("X: {}", "x".repeat(length - 3));
    session.request("GET", &[&header(1000)])?.expect(404);
    let request = format!("GET {} HTTP/1.1\r\n{}\r\n\r\n", session.target, header(1001));
    expect_refusal(&mut session, request, "max_line")
}

#[test]
fn a_line_that_never_ends_is_refused() -> Result<()> {
    let (_, mut session) = limited("max_line = 1000")?;
    expect_refusal(&mut session, "G".repeat(100_000), "max_line")
}

#[test]
fn there_may_be_as_many_headers_as_allowed() -> Result<()> {
    let (_, mut session) = limited("max_headers = 10")?;
    session.request("GET", &["X: x"; 10])?.expect(404);
    let request = format!("GET {} HTTP/1.1\r\n{}\r\n", session.target, "X: x\r\n".repeat(11));
    expect_refusal(&mut session, request, "max_headers")
}

#[test]
fn a_body_may_be_as_large_as_allowed() -> Result<()> {
    let (_, mut session) = limited("max_body = 100000")?;
    session.put(0, &vec![b'x'; 100_000])?.expect(200);
    session.delete(0)?.expect(200);
    let request = request::put(&session.target, 0, &vec![b'x'; 100_001]);
    expect_refusal(&mut session, request, "max_body")
}

#[test]
fn a_payload_may_be_as_large_as_its_store_allows() -> Result<()> {
    let host = Arc::new(Host::start("[stores.default]\nmax_payload = 1000\n")?);
    let mut session = Session::on(&host)?;
    session.put(0, &[b'x'; 1000])?.expect(200);
    session.delete(0)?.expect(200);
    let request = request::put(&session.target, 0, &[b'x'; 1001]);
    expect_refusal(&mut session, request, "max_payload")
}

#[test]
fn what_is_no_request_is_refused() -> Result<()> {
    let (host, _) = limited("")?;
    let target = new_target();
    for bytes in [
        "nonsense\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\0\r\n".to_owned(),
        format!("GET {target}\r\n\r\n"),
        format!("GET {target} HTTP/1.1\r\nno colon\r\n\r\n"),
        format!("PUT {target} HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
        format!("PUT {target} HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        format!("PUT {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    ] {
        expect_refusal(&mut Session::on(&host)?, bytes, "answering 400 to what is not a request")?;
    }
    Connection::open(host.state_server())?.exchange(request::get(&target))?.expect(404);
    Ok(())
}

/// A client that was let in. It may take some attempts, since a place is free only when the host has noticed that the
/// one who had it is gone.
fn let_in(session: &Session) -> Result<Session> {
    loop {
        let mut next = session.other_client()?;
        if let Ok(answer) = next.get() {
            answer.expect(200);
            return Ok(next);
        }
    }
}

#[test]
fn connections_beyond_the_limit_are_closed_at_once() -> Result<()> {
    let (host, mut session) = limited("max_connections = 3")?;
    session.put(0, &ONE_ITEM)?.expect(200);
    let (mut second, third) = (let_in(&session)?, let_in(&session)?);
    session.other_client()?.connection.expect_close()?;
    host.wait_for_log("max_connections")?;
    // The others go on, and a place that becomes free is given away.
    session.get()?.expect(200);
    second.get()?.expect(200);
    drop(third);
    let_in(&session)?;
    Ok(())
}
