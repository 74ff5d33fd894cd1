//! For the OpenAPI document: the refusals that several operations share.
//!
//! The types here describe; nothing makes values of them.
#![expect(dead_code, reason = "the fields are read by the derive macros only")]

use utoipa::IntoResponses;

use super::problem::ProblemBody;

#[derive(IntoResponses)]
#[response(status = 404, description = "No such session", content_type = "application/problem+json")]
pub(super) struct Missing(ProblemBody);

#[derive(IntoResponses)]
#[response(
    status = 409,
    description = "The lock is held under another lock id",
    content_type = "application/problem+json"
)]
pub(super) struct LockLost(ProblemBody);

#[derive(IntoResponses)]
#[response(status = 412, description = "A precondition is false", content_type = "application/problem+json")]
pub(super) struct PreconditionFailed(ProblemBody);

#[derive(IntoResponses)]
#[response(
    status = 423,
    description = "Somebody holds the lock",
    content_type = "application/problem+json",
    headers(
        ("Session-Lock-Age" = u64, description = "For how many seconds"),
        ("Session-Lock" = u32, description = "Under which lock id"),
        ("Retry-After" = u64, description = "When to try again, in seconds"),
    ),
)]
pub(super) struct Locked(ProblemBody);

#[derive(IntoResponses)]
#[response(status = 501, description = "The provider has no index", content_type = "application/problem+json")]
pub(super) struct NoIndex(ProblemBody);
