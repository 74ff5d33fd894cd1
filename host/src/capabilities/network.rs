//! TCP connections to the addresses that were granted, and to no other.
//!
//! A component may look up the names that stand in its grants, and connect to what such a look-up answered, at the port
//! that is granted with the name. So a name follows its address record as it changes, and no other address can be
//! reached through it. Components do not listen, and have no UDP.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use parking_lot::Mutex;
use wasmtime::{
    Result,
    component::{HasData, Resource},
};
use wasmtime_wasi::{
    WasiCtxBuilder,
    p2::{
        DynPollable, Network, SocketError, SocketResult,
        bindings::sockets::{
            ip_name_lookup::{self, ResolveAddressStream},
            network::{self, ErrorCode, IpAddress},
        },
    },
    sockets::{SocketAddrUse, WasiSocketsCtxView},
};

use crate::config::{GrantedAddress, Grants};

/// What one instance may reach, and what it has looked up.
#[derive(Default)]
pub(super) struct Reach {
    grants: Arc<Grants>,
    /// What look-ups of granted names answered, with the port that is granted.
    answered: Arc<Mutex<HashSet<(IpAddr, u16)>>>,
    /// The names that open look-ups are for, by the handle of the look-up.
    looking_up: HashMap<u32, String>,
}

impl Reach {
    /// What these grants let a component reach.
    pub(super) fn new(grants: Arc<Grants>) -> Self {
        Self { grants, ..Self::default() }
    }

    /// Lets the component use sockets for that and for nothing else.
    pub(super) fn allow(&self, wasi: &mut WasiCtxBuilder) {
        if self.grants.sockets.is_empty() {
            return;
        }
        let (grants, answered) = (self.grants.clone(), self.answered.clone());
        wasi.allow_tcp(true).allow_ip_name_lookup(true).socket_addr_check(move |address, usage| {
            let allowed = match usage {
                // Before it connects, a socket is bound to any address and port that is free.
                SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
                SocketAddrUse::TcpConnect => may_connect(&grants.sockets, &answered.lock(), address),
                _ => false,
            };
            Box::pin(async move { allowed })
        });
    }

    fn is_granted(&self, name: &str) -> bool {
        self.grants.sockets.iter().any(|address| address.host.eq_ignore_ascii_case(name))
    }

    fn answered(&self, name: &str, ip: IpAddr) {
        let granted = self.grants.sockets.iter().filter(|address| address.host.eq_ignore_ascii_case(name));
        self.answered.lock().extend(granted.map(|address| (ip.to_canonical(), address.port)));
    }
}

fn may_connect(granted: &[GrantedAddress], answered: &HashSet<(IpAddr, u16)>, to: SocketAddr) -> bool {
    let (ip, port) = (to.ip().to_canonical(), to.port());
    answered.contains(&(ip, port)) || granted.iter().any(|address| address.port == port && address.ip() == Some(ip))
}

/// Says what [`NameLookup`] borrows of an instance.
pub(super) struct NameLookups;

impl HasData for NameLookups {
    type Data<'a> = NameLookup<'a>;
}

/// `wasi:sockets/ip-name-lookup` for granted names.
pub(super) struct NameLookup<'a> {
    pub(super) reach: &'a mut Reach,
    pub(super) sockets: WasiSocketsCtxView<'a>,
}

impl ip_name_lookup::Host for NameLookup<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        if !self.reach.is_granted(&name) {
            return Err(SocketError::from(ErrorCode::AccessDenied));
        }
        let stream = ip_name_lookup::Host::resolve_addresses(&mut self.sockets, network, name.clone())?;
        self.reach.looking_up.insert(stream.rep(), name);
        Ok(stream)
    }
}

impl ip_name_lookup::HostResolveAddressStream for NameLookup<'_> {
    fn resolve_next_address(&mut self, stream: Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>> {
        let name = self.reach.looking_up.get(&stream.rep()).cloned();
        let next = ip_name_lookup::HostResolveAddressStream::resolve_next_address(&mut self.sockets, stream)?;
        if let (Some(name), Some(address)) = (name, &next) {
            self.reach.answered(&name, ip(*address));
        }
        Ok(next)
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> Result<Resource<DynPollable>> {
        self.sockets.subscribe(stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> Result<()> {
        self.reach.looking_up.remove(&stream.rep());
        ip_name_lookup::HostResolveAddressStream::drop(&mut self.sockets, stream)
    }
}

// The look-up's errors are of the interface `network`, and so its host is asked for here as well.
impl network::Host for NameLookup<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
        self.sockets.convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> Result<Option<ErrorCode>> {
        self.sockets.network_error_code(error)
    }
}

impl network::HostNetwork for NameLookup<'_> {
    fn drop(&mut self, network: Resource<Network>) -> Result<()> {
        network::HostNetwork::drop(&mut self.sockets, network)
    }
}

fn ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Limits;

    fn reach(sockets: &str) -> Reach {
        let text = format!("sockets = {sockets}");
        let grants = Grants::from_toml("test", Path::new(""), &text, Limits::default()).expect("grants");
        Reach::new(Arc::new(grants))
    }

    fn may(reach: &Reach, to: &str) -> bool {
        may_connect(&reach.grants.sockets, &reach.answered.lock(), to.parse().expect("an address"))
    }

    #[test]
    fn an_address_is_granted_with_its_port_and_in_both_of_its_forms() {
        let reach = reach("[\"10.0.0.1:6379\", \"[::1]:80\"]");
        for granted in ["10.0.0.1:6379", "[::ffff:10.0.0.1]:6379", "[::1]:80"] {
            assert!(may(&reach, granted), "{granted}");
        }
        for other in ["10.0.0.1:6380", "10.0.0.2:6379", "[::1]:6379", "127.0.0.1:80"] {
            assert!(!may(&reach, other), "{other}");
        }
    }

    #[test]
    fn a_name_grants_what_its_look_up_answered_at_its_own_port() {
        let reach = reach("[\"db.example:5432\", \"cache.example:6379\"]");
        assert!(reach.is_granted("DB.example") && !reach.is_granted("example"));
        assert!(!may(&reach, "10.0.0.7:5432"));
        reach.answered("db.example", IpAddr::from([10, 0, 0, 7]));
        assert!(may(&reach, "10.0.0.7:5432"));
        assert!(!may(&reach, "10.0.0.7:6379"));
        assert!(!may(&reach, "10.0.0.8:5432"));
    }
}
