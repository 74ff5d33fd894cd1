//! What the command line says.

use std::{net::SocketAddr, path::PathBuf};

/// What the command line says, over what the file says.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--plugins DIR`
    pub plugins: Option<PathBuf>,
    /// `--state-server ADDR`; switches the front end on.
    pub state_server: Option<SocketAddr>,
    /// `--http ADDR`; switches the front end on.
    pub http: Option<SocketAddr>,
    /// `--data DIR`
    pub data_dir: Option<PathBuf>,
}
