//! Answers, byte for byte as the real service sends them.
//!
//! Status line (without an HTTP version, unless the operator wants one), `X-AspNet-Version`, the headers of the answer
//! in the order in which that service inserts them, `Cache-Control`, `Content-Length`, empty line, body. Only a 200 has
//! a body: an old client leaks memory when a 423 has one.

use bytes::Bytes;

use crate::contract::LockId;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// 200 with the session.
    Item {
        /// Never empty: a client takes an empty body for a session that does not exist.
        body: Bytes,
        /// The idle timeout, minutes.
        timeout: u32,
        /// Whether this request was the first to see an uninitialized session.
        initialize: bool,
        /// The lock that the client has now, if it asked for it.
        lock: Option<LockId>,
    },
    /// 200 without a body.
    Done {
        /// Whether this request was the first to see an uninitialized session.
        initialize: bool,
    },
    /// 423
    Locked {
        /// The holder's lock.
        lock: LockId,
        /// Since when it has been held, in .NET ticks of local time.
        date: i64,
        /// How long it has been held, whole seconds.
        age: u64,
    },
    /// 404
    NotFound,
    /// 400
    BadRequest,
}

impl Answer {
    /// The number in the status line.
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Item { .. } | Self::Done { .. } => Status::Ok,
            Self::Locked { .. } => Status::Locked,
            Self::NotFound => Status::NotFound,
            Self::BadRequest => Status::BadRequest,
        }
    }

    /// What follows the head.
    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Item { body, .. } => body,
            _ => &[],
        }
    }

    /// The lock that the client holds once it has this answer.
    pub(super) fn granted_lock(&self) -> Option<LockId> {
        match self {
            Self::Item { lock, .. } => *lock,
            _ => None,
        }
    }
}

/// The statuses of the protocol; there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    Locked,
}

/// What a session without items is to ASP.NET: its timeout in minutes (32 bits, little-endian), no items, no static
/// objects, the end mark. Stands in for an empty payload, which the protocol cannot express.
pub(super) fn empty_block(timeout: u32) -> Bytes {
    let [a, b, c, d] = timeout.to_le_bytes();
    Bytes::copy_from_slice(&[a, b, c, d, 0, 0, 0xff])
}

/// The parts of answers that are the same every time.
#[derive(Debug)]
pub(super) struct Wording {
    ok: Box<[u8]>,
    bad_request: Box<[u8]>,
    not_found: Box<[u8]>,
    locked: Box<[u8]>,
}

impl Wording {
    /// `http_prefix`: whether status lines begin with `HTTP/1.1 `. `version`: what `X-AspNet-Version` says.
    pub(super) fn new(http_prefix: bool, version: &str) -> Self {
        let prefix = if http_prefix { "HTTP/1.1 " } else { "" };
        let start = |status: &str| format!("{prefix}{status}\r\nX-AspNet-Version: {version}\r\n").into_bytes().into();
        Self {
            ok: start("200 OK"),
            bad_request: start("400 Bad Request"),
            not_found: start("404 Not Found"),
            locked: start("423 Locked"),
        }
    }

    /// Writes everything up to the body into `head`, which it empties first.
    pub(super) fn write_head(&self, answer: &Answer, head: &mut Vec<u8>) {
        head.clear();
        head.extend_from_slice(match answer.status() {
            Status::Ok => &self.ok,
            Status::BadRequest => &self.bad_request,
            Status::NotFound => &self.not_found,
            Status::Locked => &self.locked,
        });
        match answer {
            Answer::Item { timeout, initialize, lock, .. } => {
                action_flags(head, *initialize);
                if let Some(lock) = lock {
                    header(head, b"LockCookie: ", lock.get());
                }
                header(head, b"Timeout: ", *timeout);
            }
            Answer::Done { initialize } => action_flags(head, *initialize),
            Answer::Locked { lock, date, age } => {
                header(head, b"LockDate: ", *date);
                header(head, b"LockAge: ", *age);
                header(head, b"LockCookie: ", lock.get());
            }
            Answer::NotFound | Answer::BadRequest => {}
        }
        head.extend_from_slice(b"Cache-Control: private\r\n");
        header(head, b"Content-Length: ", answer.body().len());
        head.extend_from_slice(b"\r\n");
    }
}

fn action_flags(head: &mut Vec<u8>, initialize: bool) {
    if initialize {
        head.extend_from_slice(b"ActionFlags: 1\r\n");
    }
}

fn header(head: &mut Vec<u8>, name: &[u8], value: impl itoa::Integer) {
    head.extend_from_slice(name);
    head.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answer: &Answer) -> String {
        written_by(&Wording::new(false, "4.0.30319"), answer)
    }

    fn written_by(wording: &Wording, answer: &Answer) -> String {
        let mut head = b"left over".to_vec();
        wording.write_head(answer, &mut head);
        String::from_utf8(head).unwrap()
    }

    // The expected texts are those of section 1.7 of the facts about the protocol.

    #[test]
    fn a_missing_session_is_four_hundred_and_four() {
        assert_eq!(
            written(&Answer::NotFound),
            "404 Not Found\r\nX-AspNet-Version: 4.0.30319\r\nCache-Control: private\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_finished_write_is_a_bare_two_hundred() {
        assert_eq!(
            written(&Answer::Done { initialize: false }),
            "200 OK\r\nX-AspNet-Version: 4.0.30319\r\nCache-Control: private\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn the_first_acquire_carries_flags_then_cookie_then_timeout() {
        let answer =
            Answer::Item { body: empty_block(20), timeout: 20, initialize: true, lock: Some(LockId::new(2).unwrap()) };
        assert_eq!(
            written(&answer),
            "200 OK\r\nX-AspNet-Version: 4.0.30319\r\nActionFlags: 1\r\nLockCookie: 2\r\nTimeout: 20\r\n\
             Cache-Control: private\r\nContent-Length: 7\r\n\r\n"
        );
        assert_eq!(answer.body(), [0x14, 0, 0, 0, 0, 0, 0xff]);
    }

    #[test]
    fn a_plain_read_carries_the_timeout_only() {
        let answer = Answer::Item { body: Bytes::from_static(&[0; 30]), timeout: 20, initialize: false, lock: None };
        assert_eq!(
            written(&answer),
            "200 OK\r\nX-AspNet-Version: 4.0.30319\r\nTimeout: 20\r\nCache-Control: private\r\n\
             Content-Length: 30\r\n\r\n"
        );
    }

    #[test]
    fn a_locked_session_tells_date_age_and_cookie() {
        let lock = LockId::new(2).unwrap();
        assert_eq!(
            written(&Answer::Locked { lock, date: 637_134_336_000_000_000, age: 3 }),
            "423 Locked\r\nX-AspNet-Version: 4.0.30319\r\nLockDate: 637134336000000000\r\nLockAge: 3\r\n\
             LockCookie: 2\r\nCache-Control: private\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_release_can_be_the_first_to_see_a_session() {
        assert!(written(&Answer::Done { initialize: true }).contains("30319\r\nActionFlags: 1\r\nCache-Control"));
    }

    #[test]
    fn status_lines_begin_with_the_http_version_where_that_is_wanted() {
        let wording = Wording::new(true, "2.0.50727");
        assert_eq!(
            written_by(&wording, &Answer::BadRequest),
            "HTTP/1.1 400 Bad Request\r\nX-AspNet-Version: 2.0.50727\r\nCache-Control: private\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn only_an_acquire_grants_a_lock() {
        let lock = LockId::new(7).unwrap();
        let item = |lock| Answer::Item { body: empty_block(1), timeout: 1, initialize: false, lock };
        assert_eq!(item(Some(lock)).granted_lock(), Some(lock));
        assert_eq!(item(None).granted_lock(), None);
        assert_eq!(Answer::Locked { lock, date: 0, age: 0 }.granted_lock(), None);
    }

    #[test]
    fn the_empty_block_holds_the_timeout_in_little_endian() {
        assert_eq!(empty_block(525_600).as_ref(), [0x20, 0x05, 0x08, 0, 0, 0, 0xff]);
    }
}
