use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { line: 200, headers: 8, body: 1000 };

/// Everything that came out of a parser: requests with their targets, and how it ended.
type Parsed = (Vec<(String, Request)>, Result<(), Violation>);

/// Feeds a parser in these pieces, the way a connection does.
fn parse_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Parsed {
    let mut parser = Parser::new(LIMITS);
    let mut buffer = BytesMut::new();
    let mut requests = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            match parser.body_space() {
                Some(mut space) => {
                    let count = piece.len().min(space.remaining_mut());
                    space.put_slice(&piece[..count]);
                    piece = &piece[count..];
                }
                None => buffer.extend_from_slice(std::mem::take(&mut piece)),
            }
            loop {
                match parser.advance(&mut buffer) {
                    Ok(Some(request)) => {
                        requests.push((String::from_utf8_lossy(parser.target()).into_owned(), request));
                    }
                    Ok(None) => break,
                    Err(violation) => return (requests, Err(violation)),
                }
            }
        }
    }
    (requests, Ok(()))
}

fn parse(bytes: impl AsRef<[u8]>) -> Parsed {
    parse_pieces([bytes.as_ref()])
}

fn parse_one(bytes: impl AsRef<[u8]>) -> (String, Request) {
    let (mut requests, end) = parse(bytes);
    assert_eq!((requests.len(), end), (1, Ok(())));
    requests.remove(0)
}

fn violation(bytes: impl AsRef<[u8]>) -> Violation {
    parse(bytes).1.unwrap_err()
}

#[test]
fn an_acquire_as_recorded() {
    let (target, request) = parse_one("GET %2fLM%2fx HTTP/1.1\r\nHost: localhost\r\nExclusive: acquire\r\n\r\n");
    assert_eq!(target, "%2fLM%2fx");
    assert_eq!(request, Request { verb: Verb::Get, exclusive: Exclusive::Acquire, ..Request::default() });
}

#[test]
fn a_put_as_recorded_without_spaces_after_the_colons() {
    let (_, request) = parse_one(
        "PUT %2fx HTTP/1.1\r\nHost: localhost\r\nTimeout:20\r\nContent-Length:5\r\nExtraFlags:0\r\n\
         LockCookie:2\r\n\r\na\r\n\r\n",
    );
    assert_eq!(
        request,
        Request {
            verb: Verb::Put,
            exclusive: Exclusive::None,
            lock_cookie: Number::Given(2),
            timeout: Number::Given(20),
            extra_flags: Number::Given(0),
            body: Bytes::from_static(b"a\r\n\r\n"),
        }
    );
}

#[test]
fn header_names_are_known_in_any_case_order_and_spacing() {
    let (_, request) = parse_one(
        "PUT /x HTTP/1.1\r\nEXTRAFLAGS:\t1 \r\ncontent-length  :   0\r\nlOcK-cOoKiE:7\r\nX-Other: a:b\r\ntimeout: 5\r\n\r\n",
    );
    assert_eq!(request.extra_flags, Number::Given(1));
    assert_eq!(request.lock_cookie, Number::Given(7));
    assert_eq!(request.timeout, Number::Given(5));
}

#[test]
fn exclusive_is_compared_without_case_and_anything_else_is_none() {
    let of = |value: &str| parse_one(format!("GET /x HTTP/1.1\r\nExclusive: {value}\r\n\r\n")).1.exclusive;
    assert_eq!(of("Acquire"), Exclusive::Acquire);
    assert_eq!(of("RELEASE"), Exclusive::Release);
    assert_eq!(of("acquired"), Exclusive::None);
    assert_eq!(of(""), Exclusive::None);
}

#[test]
fn a_content_length_on_a_verb_without_body_is_ignored() {
    for verb in ["GET", "HEAD", "DELETE"] {
        let bytes = format!("{verb} /x HTTP/1.1\r\nContent-Length: 184\r\n\r\n{verb} /y HTTP/1.1\r\n\r\n");
        let (requests, end) = parse(bytes);
        assert_eq!((requests.len(), end), (2, Ok(())), "{verb}");
    }
    assert_eq!(parse("GET /x HTTP/1.1\r\nContent-Length: nonsense\r\n\r\n").0.len(), 1);
}

#[test]
fn an_unknown_verb_is_a_request_with_its_body() {
    let (requests, end) = parse("POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /y HTTP/1.1\r\n\r\n");
    assert_eq!(end, Ok(()));
    assert_eq!(requests.iter().map(|(_, request)| request.verb).collect::<Vec<_>>(), [Verb::Other, Verb::Get]);
    assert_eq!(requests[0].1.body.as_ref(), b"abc");
}

#[test]
fn verbs_are_case_sensitive() {
    assert_eq!(parse_one("get /x HTTP/1.1\r\n\r\n").1.verb, Verb::Other);
}

#[test]
fn pipelined_requests_come_out_one_after_the_other() {
    let (requests, end) = parse(
        "PUT /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\r\n\r\nGET /2 HTTP/1.1\r\n\r\nHEAD /3 HTTP/1.1\r\n\r\nGET",
    );
    assert_eq!(end, Ok(()));
    assert_eq!(requests.iter().map(|(target, _)| target.as_str()).collect::<Vec<_>>(), ["/1", "/2", "/3"]);
    assert_eq!(requests[1].1.body.len(), 0);
}

#[test]
fn what_one_request_said_does_not_carry_over_to_the_next() {
    let (requests, _) = parse(
        "PUT /1 HTTP/1.1\r\nTimeout: 5\r\nLockCookie: 9\r\nExtraFlags: 1\r\nContent-Length: 1\r\n\r\nx\
         PUT /2 HTTP/1.1\r\n\r\n",
    );
    assert_eq!(requests[1].1, Request { verb: Verb::Put, ..Request::default() });
}

#[test]
fn a_line_may_end_in_lf_alone() {
    let (target, request) = parse_one("GET /x HTTP/1.1\nExclusive: release\nLockCookie: 3\n\n");
    assert_eq!((target.as_str(), request.exclusive), ("/x", Exclusive::Release));
    assert_eq!(request.lock_cookie, Number::Given(3));
}

#[test]
fn a_line_at_the_limit_passes_and_a_byte_more_does_not() {
    let line = |length: usize| {
        let header = format!("X: {}", "a".repeat(length - 3));
        format!("GET /x HTTP/1.1\r\n{header}\r\n\r\n")
    };
    assert_eq!(parse(line(LIMITS.line)).0.len(), 1);
    assert_eq!(violation(line(LIMITS.line + 1)), Violation::LineTooLong { limit: 200 });
}

#[test]
fn a_line_that_does_not_end_is_refused_before_it_does() {
    assert_eq!(violation("G".repeat(LIMITS.line + 2)), Violation::LineTooLong { limit: 200 });
}

#[test]
fn as_many_headers_as_allowed_pass_and_one_more_does_not() {
    let headers = |count| format!("GET /x HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(parse(headers(LIMITS.headers)).0.len(), 1);
    assert_eq!(violation(headers(LIMITS.headers + 1)), Violation::TooManyHeaders { limit: 8 });
}

#[test]
fn a_body_at_the_limit_passes_and_a_byte_more_is_refused_before_it_comes() {
    let announced = |length| format!("PUT /x HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
    let (_, request) = parse_one(announced(1000) + &"x".repeat(1000));
    assert_eq!(request.body.len(), 1000);
    assert_eq!(violation(announced(1001)), Violation::BodyTooLarge { length: 1001, limit: 1000 });
    let largest = u64::MAX;
    assert_eq!(violation(announced(largest)), Violation::BodyTooLarge { length: largest, limit: 1000 });
}

#[test]
fn request_lines_that_are_none_are_refused() {
    for line in [
        "GET",
        "GET /x",
        "GET  HTTP/1.1",
        " /x HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /a\tb HTTP/1.1",
        "GET /x FTP/1.1",
        "\u{16}\u{3}\u{1}",
    ] {
        assert_eq!(violation(format!("{line}\r\n\r\n")), Violation::RequestLine, "{line:?}");
    }
}

#[test]
fn headers_that_are_none_are_refused() {
    for line in ["no colon", " Folded: yes", "\tFolded: yes"] {
        assert_eq!(violation(format!("GET /x HTTP/1.1\r\n{line}\r\n\r\n")), Violation::Header, "{line:?}");
    }
}

#[test]
fn a_length_that_is_not_one_number_is_refused() {
    for value in ["", "x", "-1", "+1", "1 2", "0x10", "99999999999999999999999"] {
        let bytes = format!("PUT /x HTTP/1.1\r\nContent-Length: {value}\r\n\r\n");
        assert_eq!(violation(bytes), Violation::ContentLength, "{value:?}");
    }
    let twice = |other| format!("PUT /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: {other}\r\n\r\nx");
    assert_eq!(parse(twice(1)).0.len(), 1);
    assert_eq!(violation(twice(2)), Violation::ContentLength);
}

#[test]
fn a_body_in_another_encoding_is_refused() {
    let bytes = "PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(violation(bytes), Violation::TransferEncoding);
}

#[test]
fn a_parser_knows_whether_it_is_within_a_request() {
    let mut parser = Parser::new(LIMITS);
    let mut buffer = BytesMut::new();
    let mut within = |bytes: &str| {
        buffer.extend_from_slice(bytes.as_bytes());
        parser.advance(&mut buffer).unwrap();
        parser.is_within_request(&buffer)
    };
    assert!(!within(""));
    assert!(!within("\r\n"));
    assert!(within("PUT"));
    assert!(within(" /x HTTP/1.1\r\n"));
    assert!(within("Content-Length: 2\r\n\r\n"));
    assert!(within("a"));
    assert!(!within("b"));
}

/// Bytes that are often nearly requests.
fn nearly_requests() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("GET %2fa%2fb HTTP/1.1".to_owned()),
        Just("PUT /a/b HTTP/1.1".to_owned()),
        Just("HEAD /a/b HTTP/1.1".to_owned()),
        Just("Exclusive: acquire".to_owned()),
        Just("LockCookie:2".to_owned()),
        Just("Timeout:20".to_owned()),
        Just(String::new()),
        (0usize..1100).prop_map(|length| format!("Content-Length:{length}")),
        "[ -~]{0,220}",
    ];
    let end = prop_oneof![4 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("")];
    prop::collection::vec((line, end), 0..30).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| line.into_bytes().into_iter().chain(end.bytes())).collect()
    })
}

proptest! {
    #[test]
    fn however_bytes_are_cut_the_same_comes_out(
        bytes in prop_oneof![nearly_requests(), prop::collection::vec(any::<u8>(), 0..600)],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
        prop_assert_eq!(parse_pieces(pieces), parse(&bytes));
    }

    #[test]
    fn byte_by_byte_is_as_good_as_at_once(bytes in nearly_requests()) {
        prop_assert_eq!(parse_pieces(bytes.chunks(1)), parse(&bytes));
    }

    #[test]
    fn a_body_is_taken_as_it_is(body in prop::collection::vec(any::<u8>(), 0..1000), cut in any::<prop::sample::Index>()) {
        let mut bytes = format!("PUT /a/b HTTP/1.1\r\nContent-Length:{}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(&body);
        let cut = cut.index(bytes.len());
        let (requests, end) = parse_pieces([&bytes[..cut], &bytes[cut..]]);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(requests.len(), 1);
        prop_assert_eq!(requests[0].1.body.as_ref(), body.as_slice());
    }
}
