//! The limit on open files, each connection being one.
//!
//! A process starts with a soft limit, often 1024, which it may raise to the hard limit by itself. So the host does,
//! and the operator hears of it only where the hard limit is too low.

use crate::config::Config;

/// What the host opens besides State Server connections: HTTP connections, the directory's files, the runtime's own.
const OTHER_FILES: usize = 512;

/// Raises the soft limit to the hard limit, and warns if that is not enough for the connections that are configured.
pub(super) fn raise_limit(config: &Config) {
    let connections = config.state_server.as_ref().map_or(0, |front_end| front_end.max_connections);
    let needed = u64::try_from(connections.saturating_add(OTHER_FILES)).unwrap_or(u64::MAX);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => {
            tracing::debug!(limit, needed, "raised the limit on open files");
            if let Some(warning) = too_low(limit, needed, connections) {
                tracing::warn!("{warning}");
            }
        }
        Err(error) => {
            tracing::warn!(%error, needed, "the limit on open files cannot be raised; see that `ulimit -n` is enough");
        }
    }
}

/// What to tell the operator of a limit that is lower than what is needed.
fn too_low(limit: u64, needed: u64, connections: usize) -> Option<String> {
    (limit < needed).then(|| {
        format!(
            "this process may open {limit} files, and the {connections} connections that `state_server.max_connections` \
             allows need {needed}: some will not be accepted; raise the hard limit (`LimitNOFILE=` in a systemd unit, \
             `ulimit -Hn` in a shell, `--ulimit nofile=` of a container), or lower `max_connections`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_told_with_both_numbers_and_what_to_do() {
        let warning = too_low(4096, 10_512, 10_000).unwrap();
        for part in ["4096", "10000", "10512", "LimitNOFILE", "max_connections"] {
            assert!(warning.contains(part), "{warning}");
        }
    }

    #[test]
    fn a_limit_that_is_just_enough_is_not_worth_a_word() {
        assert_eq!(too_low(10_512, 10_512, 10_000), None);
    }
}
