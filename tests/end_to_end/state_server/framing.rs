//! Requests in every shape that means the same, bodies of every kind, answers in the one order (assertions 12 and 16 of
//! section 10.2).

use anyhow::Result;
use harness::state_server::{EMPTY_BLOCK, Response, request};

use crate::{Expect, ONE_ITEM, Session};

#[test]
fn headers_may_come_in_any_spacing_case_and_order() -> Result<()> {
    let shapes: [&[&str]; 5] = [
        &["Timeout:7", "ExtraFlags:0", "LockCookie:2"],
        &["Timeout: 7", "ExtraFlags: 0", "LockCookie: 2"],
        &["lockcookie:2", "EXTRAFLAGS: 0", "tImEoUt:\t7 "],
        &["X-Unknown: ActionFlags: 1", "Lock-Cookie: 2", "Accept:", "Timeout :7"],
        &["LockCookie:   2", "Cookie: a=b; c=d", "Timeout:7", "Connection: keep-alive"],
    ];
    for headers in shapes {
        let mut session = Session::stored()?;
        session.acquire()?.expect(200);
        session.put_with(headers, b"shaped")?.expect(200);
        let read = session.get()?;
        read.expect(200).expect_body(b"shaped");
        assert_eq!(read.header("Timeout"), Some("7"), "{headers:?}");
    }
    Ok(())
}

#[test]
fn exclusive_may_be_written_in_any_case_and_means_nothing_else() -> Result<()> {
    let mut session = Session::stored()?;
    session.request("GET", &["exclusive:ACQUIRE"])?.expect(200);
    session.request("GET", &["EXCLUSIVE: Release", "Lock-Cookie: 2"])?.expect(200);
    let read = session.request("GET", &["Exclusive: perhaps"])?;
    assert_eq!(read.expect(200).header("LockCookie"), None);
    Ok(())
}

#[test]
fn a_host_header_is_not_needed() -> Result<()> {
    let mut session = Session::stored()?;
    session.request("GET", &[])?.expect(200);
    Ok(())
}

#[test]
fn a_request_may_arrive_byte_by_byte() -> Result<()> {
    let mut session = Session::missing()?;
    for byte in request::put(&session.target, 0, &ONE_ITEM) {
        session.connection.send([byte])?;
    }
    session.connection.receive()?.expect(200);
    for byte in request::get(&session.target) {
        session.connection.send([byte])?;
    }
    session.connection.receive()?.expect(200).expect_body(&ONE_ITEM);
    Ok(())
}

#[test]
fn a_request_may_be_cut_anywhere() -> Result<()> {
    let mut session = Session::missing()?;
    let bytes = request::put(&session.target, 0, b"\r\n\r\n\0\r\n");
    for cut in 1..bytes.len() {
        session.connection.send(&bytes[..cut])?;
        // A turn of the other side between the two, so that they are two reads as often as not.
        std::thread::yield_now();
        session.connection.send(&bytes[cut..])?;
        session.connection.receive()?.expect(200);
    }
    session.get()?.expect_body(b"\r\n\r\n\0\r\n");
    Ok(())
}

#[test]
fn lines_may_end_in_lf_alone() -> Result<()> {
    let mut session = Session::stored()?;
    let request = format!("\r\nGET {} HTTP/1.1\nExclusive: acquire\n\n", session.target);
    session.connection.exchange(request)?.expect(200);
    Ok(())
}

#[test]
fn a_length_announced_on_a_verb_without_body_is_ignored() -> Result<()> {
    let mut session = Session::stored()?;
    session.request("GET", &["Content-Length: 184"])?.expect(200);
    session.request("HEAD", &["Content-Length: 163"])?.expect(200);
    session.request("DELETE", &["Content-Length: 5", "LockCookie: 0"])?.expect(200);
    session.get()?.expect(404);
    Ok(())
}

#[test]
fn a_put_without_length_or_with_length_zero_stores_a_session() -> Result<()> {
    for headers in [&["Timeout: 3"][..], &["Timeout: 3", "Content-Length: 0"]] {
        let mut session = Session::missing()?;
        session.request("PUT", headers)?.expect(200);
        // Never an empty body: a client takes that for a session that does not exist.
        let mut empty = EMPTY_BLOCK;
        empty[0] = 3;
        session.get()?.expect(200).expect_body(&empty);
        session.acquire()?.expect(200).expect_body(&empty);
    }
    Ok(())
}

#[test]
fn any_bytes_are_a_body() -> Result<()> {
    let mut session = Session::missing()?;
    let all: Vec<u8> = (0..=255).collect();
    let bodies: [&[u8]; 4] = [b"\0", b"\r\n\r\n", b"GET /a/b HTTP/1.1\r\n\r\n", &all];
    for body in bodies {
        session.put(0, body)?.expect(200);
        session.get()?.expect(200).expect_body(body);
    }
    Ok(())
}

#[test]
fn bodies_may_have_megabytes() -> Result<()> {
    let mut session = Session::missing()?;
    for size in [4095, 4096, 65_537, 5_000_000] {
        let body: Vec<u8> =
            (0..size).map(|position: u32| position.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        session.put(0, &body)?.expect(200);
        let read = session.acquire()?;
        read.expect(200).expect_body(&body);
        session.release(read.cookie())?.expect(200);
    }
    Ok(())
}

#[test]
fn requests_sent_ahead_are_answered_one_after_the_other() -> Result<()> {
    let mut session = Session::missing()?;
    let ahead = [
        request::acquire(&session.target),
        request::put(&session.target, 0, b"first"),
        request::get(&session.target),
        request::acquire(&session.target),
        request::put(&session.target, 2, b"second"),
        request::get(&session.target),
    ];
    session.connection.send(ahead.concat())?;
    session.connection.receive()?.expect(404);
    session.connection.receive()?.expect(200);
    session.connection.receive()?.expect(200).expect_body(b"first");
    assert_eq!(session.connection.receive()?.expect(200).cookie(), 2);
    session.connection.receive()?.expect(200);
    session.connection.receive()?.expect(200).expect_body(b"second");
    Ok(())
}

/// The table of section 1.6: which headers an answer has, in order.
#[track_caller]
fn expect_headers(answer: &Response, status_line: &str, between: &[&str]) {
    let names = [&["X-AspNet-Version"], between, &["Cache-Control", "Content-Length"]].concat();
    assert_eq!(answer.header_names(), names, "{answer:?}");
    assert!(answer.raw.starts_with(format!("{status_line}\r\n").as_bytes()), "{answer:?}");
    assert_eq!(answer.header("X-AspNet-Version"), Some("4.0.30319"));
    assert_eq!(answer.header("Cache-Control"), Some("private"));
    if answer.status != 200 {
        assert!(answer.body.is_empty(), "{answer:?}");
    }
}

#[test]
fn every_answer_has_its_headers_in_order() -> Result<()> {
    let locked = ["LockDate", "LockAge", "LockCookie"];
    let mut session = Session::missing()?;
    for missing in [session.get()?, session.acquire()?, session.release(1)?, session.delete(1)?, session.head()?] {
        expect_headers(&missing, "404 Not Found", &[]);
    }
    expect_headers(&session.create_uninitialized()?, "200 OK", &[]);
    expect_headers(&session.acquire()?, "200 OK", &["ActionFlags", "LockCookie", "Timeout"]);
    let met = [session.get()?, session.acquire()?, session.release(1)?, session.put(1, b"x")?, session.delete(1)?];
    for met in met {
        expect_headers(&met, "423 Locked", &locked);
    }
    expect_headers(&session.head()?, "200 OK", &[]);
    expect_headers(&session.put(2, &ONE_ITEM)?, "200 OK", &[]);
    expect_headers(&session.get()?, "200 OK", &["Timeout"]);
    expect_headers(&session.acquire()?, "200 OK", &["LockCookie", "Timeout"]);
    expect_headers(&session.release(3)?, "200 OK", &[]);
    expect_headers(&session.request("GET", &["Exclusive: release"])?, "400 Bad Request", &[]);
    expect_headers(&session.put_with(&["Timeout: x"], b"x")?, "400 Bad Request", &[]);
    expect_headers(&session.request("POST", &[])?, "400 Bad Request", &[]);
    expect_headers(&session.delete(3)?, "200 OK", &[]);
    session.create_uninitialized()?.expect(200);
    expect_headers(&session.release(1)?, "200 OK", &["ActionFlags"]);
    session.connection.send("nonsense\r\n\r\n")?;
    expect_headers(&session.connection.receive()?, "400 Bad Request", &[]);
    Ok(())
}
