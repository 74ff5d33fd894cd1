//! Messages between the hosts of a farm: LISTEN and NOTIFY of PostgreSQL.

use futures_util::{Stream, stream};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{
    connection::SqlConnection,
    driver::{Dialect, Target},
    error::Failure,
    values::Given,
};
use crate::capabilities::bindings::types::Error;

/// The longest name of a channel.
const LONGEST: usize = 63;

/// More than what a notification answers with.
const ANSWER: usize = 1024;

impl SqlConnection {
    /// Whether the database passes messages on.
    pub(in crate::capabilities) fn passes_messages(&self) -> bool {
        self.dialect() == Dialect::PostgreSql
    }

    /// Says something to all who listen to the channel.
    pub(in crate::capabilities) async fn notify(&self, channel: &str, message: &str) -> Result<(), Error> {
        let given = [Given::Text(fitting(channel)), Given::Text(message.to_owned())];
        // A row of its own, because the function returns `void`, of which a component could make nothing.
        self.execute("SELECT 1 FROM pg_notify($1, $2)", &given, ANSWER).await.map(drop)
    }

    /// What is said from now on, over a connection beside those of the pool, until that is lost.
    pub(in crate::capabilities) async fn listen(
        &self,
        channel: &str,
    ) -> Result<impl Stream<Item = String> + use<>, Error> {
        let Target::Postgres { options, .. } = self.target() else {
            return Err(Error::Other(format!("connection `{}`: only PostgreSQL passes messages on", self.name())));
        };
        let connecting = async {
            let one = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
            let mut listener = PgListener::connect_with(&one.connect_lazy_with(options.as_ref().clone())).await?;
            // Whoever listens begins anew, and says so if that is not possible.
            listener.eager_reconnect(false);
            listener.listen(&fitting(channel)).await?;
            Ok(listener)
        };
        let listener = self.in_time(async { connecting.await.map_err(Failure::Server) }).await?;
        Ok(stream::unfold(listener, |mut listener| async {
            let said = listener.try_recv().await.ok()??;
            Some((said.payload().to_owned(), listener))
        }))
    }
}

/// A channel's name, or what stands for it where it is too long for PostgreSQL.
fn fitting(channel: &str) -> String {
    if channel.len() <= LONGEST {
        return channel.to_owned();
    }
    let digest = hex::encode(Sha256::digest(channel));
    format!("cloakroom:{}", digest.get(..32).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_a_name_that_postgresql_takes_and_no_two_have_one() {
        assert_eq!(fitting("cloakroom:locks:carts"), "cloakroom:locks:carts");
        let [long, longer] = [64, 65].map(|length| fitting(&"x".repeat(length)));
        assert!(long.len() <= LONGEST && longer.len() <= LONGEST);
        assert_ne!(long, longer);
    }
}
