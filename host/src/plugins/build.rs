//! One build of a plugin at work for one store.

use std::{
    collections::BTreeMap,
    future::Future,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use wasmtime::component::TypedFunc;

use super::{
    CallError, Plugin,
    code::Code,
    exports::{Answer, Exports, Instances, Params, Value},
    health::{Health, Patient},
    pool::{Pool, Stopped},
};
use crate::{
    capabilities::{InnerProvider, Nonsense},
    contract::{SessionKey, StoreError},
};

/// Exports that a build is judged by before it serves.
pub(super) trait Judged: Exports {
    /// Refuses what must not serve.
    fn accept(_build: &Build<Self>) -> impl Future<Output = Result<(), CallError>> + Send {
        async { Ok(()) }
    }
}

/// The instance that a call is meant for, where that makes a difference.
#[derive(Clone, Copy)]
pub(super) enum Shard<'a> {
    /// The one that has this session.
    Of(&'a SessionKey),
    /// The one with this number.
    Number(usize),
}

/// One build of a plugin at work for one store.
pub(super) struct Build<E: Exports> {
    code: Arc<Code>,
    /// One pool, or one for each shard.
    pub(super) pools: Vec<Pool<E>>,
    /// What the first instance said of itself.
    pub(super) info: E::Info,
    instances: Instances,
    /// Whether it is called.
    pub(super) health: Health,
}

impl<E: Exports> Build<E> {
    /// Initializes an instance, and one of each shard. Fails where the component cannot be used.
    pub(super) async fn open(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
        inner: Option<Arc<dyn InnerProvider>>,
    ) -> Result<Self, CallError> {
        check_place(plugin.code(), inner.is_some())?;
        let (code, setup) = (plugin.code(), plugin.setup(store, settings, inner));
        let health = Health::sound(Patient {
            plugin: setup.plugin.clone(),
            store: store.to_owned(),
            is_supervised: plugin.is_supervised(),
            counters: code.counters.clone(),
            clock: setup.clock.clone(),
        });
        let (first, info) = Pool::open(code.clone(), store, setup.clone()).await?;
        let instances = E::instances(&info);
        let mut pools = vec![first];
        if let Instances::Shards(shards) = instances {
            let most = code.limits.instances;
            if shards == 0 || shards > most {
                return Err(CallError::Store(StoreError::InvalidArgument(format!(
                    "plugin `{}` wants {shards} shards, and may have 1 to {most} (limit `instances`)",
                    code.name()
                ))));
            }
            while pools.len() < shards {
                pools.push(Pool::open(code.clone(), store, setup.clone()).await?.0);
            }
            pools.iter().for_each(|pool| pool.restrict_to(1));
        }
        Ok(Self { code: code.clone(), pools, info, instances, health })
    }

    /// The plugin's code.
    pub(super) fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// How many pools there are.
    pub(super) fn shards(&self) -> usize {
        self.pools.len()
    }

    /// Whether sessions live in the component's memory.
    pub(super) fn keeps_sessions_in_memory(&self) -> bool {
        self.instances != Instances::Any
    }

    /// Calls a function in this build and no other, to try it out.
    pub(super) async fn call<P: Params, R: Value, O>(
        &self,
        operation: &'static str,
        function: impl FnOnce(&E) -> TypedFunc<P, Answer<R>>,
        params: P,
        outcome: impl FnOnce(R) -> Result<O, Nonsense>,
    ) -> Result<O, CallError> {
        let pool = self.pool(Shard::Number(0))?;
        let taken = pool.take_out().await?.map_err(|Stopped| StoreError::Unavailable("it was replaced".to_owned()))?;
        pool.call(
            taken,
            operation,
            |exports| Some(function(exports)),
            |_| Ok(params),
            |_, answer| match answer {
                Ok(answer) => outcome(answer).map(Ok),
                Err(error) => Ok(Err(CallError::Store(StoreError::from(error)))),
            },
        )
        .await?
    }

    pub(super) fn pool(&self, shard: Shard<'_>) -> Result<&Pool<E>, StoreError> {
        let number = match shard {
            _ if self.pools.len() == 1 => 0,
            Shard::Number(number) => number,
            Shard::Of(key) => shard_of(key, self.pools.len()),
        };
        self.pools.get(number).ok_or_else(|| {
            StoreError::InvalidArgument(format!("there is no shard {number}; there are {}", self.pools.len()))
        })
    }
}

/// Refuses a component that wraps a provider where there is none behind it, and one that does not where there is.
fn check_place(code: &Code, is_around: bool) -> Result<(), StoreError> {
    let name = code.name();
    let wrong = match (code.wraps, is_around) {
        (true, false) => format!("it wraps another provider: name that one behind it, as in [\"{name}\", \"memory\"]"),
        (false, true) => "it wraps no provider, so none can stand behind it".to_owned(),
        (true, true) if code.limits.instances < 2 => {
            "it needs two instances, one to sweep and one for what expired (limit `instances`)".to_owned()
        }
        _ => return Ok(()),
    };
    Err(StoreError::InvalidArgument(wrong))
}

/// The shard of a session: the same in every build that has as many, so that a successor can take shards over.
fn shard_of(key: &SessionKey, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    (key.application(), key.id()).hash(&mut hasher);
    let shards = u64::try_from(shards).unwrap_or(u64::MAX).max(1);
    usize::try_from(hasher.finish() % shards).unwrap_or_default()
}
