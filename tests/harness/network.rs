//! A network of a test's own with two sides and a cable between them, which can be cut: a partition.
//!
//! The test runs once more by itself, in namespaces of its own (`unshare`), where it may set up interfaces. They are gone
//! with it. On the near side are the test and the hosts; on the far side is what they need.

use std::{
    env,
    ffi::OsStr,
    net::{IpAddr, Ipv4Addr},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::account::is_root;

/// Set where the test runs once more.
const INSIDE: &str = "CLOAKROOM_TEST_NETWORK";
/// The other side's name and address.
const FAR: &str = "far";
const FAR_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
/// Both sides, and the cable. The tables of namespaces are not shared with the machine.
const SET_UP: &str = "mount -t tmpfs none /run && ip netns add far && ip link set lo up \
    && ip link add near-end type veth peer name far-end netns far \
    && ip addr add 10.9.0.1/24 dev near-end && ip link set near-end up \
    && ip -n far addr add 10.9.0.2/24 dev far-end && ip -n far link set far-end up && ip -n far link set lo up";

/// Where something runs.
#[derive(Clone, Copy)]
pub struct Side {
    /// The address that it listens at.
    pub(crate) address: IpAddr,
    is_far: bool,
}

impl Side {
    /// Where the test is.
    pub(crate) const NEAR: Self = Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), is_far: false };

    /// What starts a program there.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        if !self.is_far {
            return Command::new(program);
        }
        let mut command = Command::new("ip");
        command.args(["netns", "exec", FAR]).arg(program);
        command
    }
}

/// The far side and the cable to it.
pub struct Network(());

impl Network {
    /// Runs a test in a network of its own. `name` is what the test is called, with its modules.
    pub fn with(name: &str, test: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        if env::var_os(INSIDE).is_some() {
            sh(SET_UP)?;
            return test(&Self(()));
        }
        let namespaces = if is_root()? { "-nm" } else { "-Urnm" };
        let inside = Command::new("unshare")
            .arg(namespaces)
            .arg(env::current_exe()?)
            .args(["--exact", name, "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .context("cannot run unshare")?;
        let said = String::from_utf8_lossy(&inside.stdout);
        // Without the frame around it, which would be taken for one more test.
        let measured =
            |line: &&str| !["test ", "running "].iter().any(|frame| line.starts_with(frame)) && !line.is_empty();
        said.lines().filter(measured).for_each(|line| println!("{line}"));
        ensure!(inside.status.success(), "{said}{}", String::from_utf8_lossy(&inside.stderr));
        ensure!(said.contains("1 passed"), "there is no test {name}");
        Ok(())
    }

    /// Beyond the cable.
    #[must_use]
    pub fn far_side(&self) -> Side {
        Side { address: FAR_ADDRESS, is_far: true }
    }

    /// From now on whatever is sent is lost, and nobody is told.
    pub fn cut(&self) -> Result<()> {
        sh("ip -n far link set far-end down")
    }

    /// Joins the two sides again.
    pub fn mend(&self) -> Result<()> {
        sh("ip -n far link set far-end up")
    }
}

fn sh(script: &str) -> Result<()> {
    let ran = Command::new("sh").args(["-c", script]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output()?;
    ensure!(ran.status.success(), "{script}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}
