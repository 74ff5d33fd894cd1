//! Addresses for servers that tests start.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, anyhow};

/// A loopback address that nobody listens on and that no other server of this test run was given.
pub fn free_address() -> Result<SocketAddr> {
    let [address] = free_addresses()?;
    Ok(address)
}

/// Loopback addresses that nobody listens on and that no other server of this test run was given.
pub fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    // All listeners stay open until all numbers are chosen, so that the system does not offer one twice.
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    while addresses.len() < COUNT {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
        let address = listener.local_addr()?;
        if given.insert(address.port()) {
            addresses.push(address);
        }
        listeners.push(listener);
    }
    addresses.try_into().map_err(|_| anyhow!("not {COUNT} addresses"))
}
