//! A file of SQLite.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use rustix::fs::{Access, access, statfs, statvfs};
use sqlx::{ConnectOptions as _, Error, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{Notes, cause, in_time, schema, unasked};
use crate::{
    config::{ConnectionConfig, Synchronous},
    doctor::Users,
};

/// A volume with less room than this is nearly full, bytes.
const LITTLE_ROOM: u64 = 256 << 20;

/// How long a look through the whole file may take.
const WHOLE: Duration = Duration::from_secs(30);

/// What the kernel calls volumes of other machines: NFS, SMB, CIFS, 9P, FUSE (sshfs and the like).
const NETWORK: [u64; 5] = [0x6969, 0x517b, 0xff53_4d42, 0x0102_1997, 0x6573_5546];

/// Looks at a connection.
pub(in crate::doctor) async fn examine(notes: &mut Notes, config: &ConnectionConfig, users: &Users<'_>) {
    let options = match SqliteConnectOptions::from_str(&config.url) {
        Ok(options) => options.create_if_missing(false).busy_timeout(config.timeout).disable_statement_logging(),
        Err(error) => return notes.error("reachable", cause(&error), "correct `url`"),
    };
    let file = options.get_filename().to_owned();
    let Some(is_there) = writable(notes, &file) else { return };
    volume(notes, &file);
    durability(notes, config);
    if !is_there {
        return notes.ok("schema", "the first host that needs it makes the file and its tables");
    }
    let connection = match in_time(config.connect_timeout, options.connect()).await {
        Ok(connection) => connection,
        Err(error) => {
            let what = format!("`{}` cannot be opened: {}", file.display(), cause(&error));
            return notes.error("reachable", what, "see that it is a file of SQLite");
        }
    };
    let mut database = Database { connection, config };
    if let Err(error) = modes(notes, &mut database).await {
        let what = format!("`{}` cannot be read: {}", file.display(), cause(&error));
        return notes.error(
            "reachable",
            what,
            "see that it is a file of SQLite, and put a copy of it in its place if not",
        );
    }
    integrity(notes, &mut database).await;
    schema::examine(notes, &schema::SQLITE, &mut database, users).await;
}

struct Database<'c> {
    connection: SqliteConnection,
    config: &'c ConnectionConfig,
}

impl Database<'_> {
    async fn text(&mut self, statement: &'static str) -> Result<String, Error> {
        let asked = sqlx::query_scalar::<_, String>(statement).fetch_one(&mut self.connection);
        in_time(self.config.timeout, asked).await
    }
}

/// Whether the file is there; nothing if a host could not write to it.
fn writable(notes: &mut Notes, file: &Path) -> Option<bool> {
    let folder = folder(file);
    let rights = "correct owner and rights, or the path in `url`";
    if let Err(error) = access(&folder, Access::WRITE_OK | Access::EXEC_OK) {
        let what = format!("nothing can be written in the folder `{}`: {}", folder.display(), io::Error::from(error));
        notes.error("writable", what, format!("make the folder, {rights}"));
        return None;
    }
    match access(file, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => {
            notes.ok("writable", format!("`{}` can be written to", file.display()));
            Some(true)
        }
        Err(rustix::io::Errno::NOENT) => {
            notes.ok("writable", format!("`{}` is not there yet, and can be made", file.display()));
            Some(false)
        }
        Err(error) => {
            let what = format!("`{}` cannot be written to: {}", file.display(), io::Error::from(error));
            notes.error("writable", what, rights);
            None
        }
    }
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The volume that the file is on.
fn volume(notes: &mut Notes, file: &Path) {
    let folder = folder(file);
    if let Ok(volume) = statfs(&folder)
        && NETWORK.contains(&(u64::try_from(volume.f_type).unwrap_or_default() & 0xffff_ffff))
    {
        let what = "its file seems to be on a volume of another machine, where locks and WAL cannot be relied on";
        notes.warning("volume", what, "put it on a local disk; for several machines use PostgreSQL or MariaDB");
    }
    let Ok(room) = statvfs(&folder) else { return };
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let size = fs::metadata(file).map_or(0, |file| file.len());
    let mib = |bytes: u64| bytes >> 20;
    let what = format!("its volume has {} MiB free, and the file has {}", mib(free), mib(size));
    if free < LITTLE_ROOM {
        notes.warning("room", what, "make room: on a full volume nothing is stored");
    } else {
        notes.ok("room", what);
    }
}

fn durability(notes: &mut Notes, config: &ConnectionConfig) {
    match config.synchronous {
        Synchronous::Normal => {
            let what =
                "`synchronous` is \"normal\": what was acknowledged last is lost when the machine loses its power";
            notes.warning("persistence", what, "write `synchronous = \"full\"` if that must not be");
        }
        Synchronous::Full | Synchronous::Extra => {
            let what = format!("what is acknowledged is on the disk (synchronous = {:?})", config.synchronous.name());
            notes.ok("persistence", what);
        }
    }
}

async fn modes(notes: &mut Notes, database: &mut Database<'_>) -> Result<(), Error> {
    let version = database.text("SELECT sqlite_version()").await?;
    let journal = database.text("PRAGMA journal_mode").await?;
    notes.ok("version", format!("SQLite {version}, which comes with the host"));
    if journal == "wal" {
        notes.ok("journal", "it is in WAL mode");
    } else {
        notes.warning(
            "journal",
            format!("it is in journal mode `{journal}`, in which readers and writers wait for each other"),
            "nothing, if no host has opened it yet: the first one switches it to WAL; otherwise see that its volume can",
        );
    }
    Ok(())
}

async fn integrity(notes: &mut Notes, database: &mut Database<'_>) {
    let whole = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut database.connection);
    match in_time(WHOLE, whole).await {
        Ok(found) if found == "ok" => notes.ok("integrity", "it is whole (quick_check)"),
        Ok(found) => {
            let remedy = "stop the hosts, and put a copy in its place, or what `sqlite3 FILE .recover` saves";
            notes.error("integrity", format!("it is damaged: {found}"), remedy);
        }
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
            let what = format!("it could not be looked through within {WHOLE:?}");
            notes.warning("integrity", what, "run `sqlite3 FILE 'PRAGMA quick_check'` in a quiet hour");
        }
        Err(error) => unasked(notes, "integrity", &error),
    }
}

impl schema::Asked for Database<'_> {
    async fn has_table(&mut self, name: &str) -> Result<bool, Error> {
        const COUNT: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?";
        let asked = sqlx::query_scalar::<_, i64>(COUNT).bind(name).fetch_one(&mut self.connection);
        Ok(in_time(self.config.timeout, asked).await? > 0)
    }

    async fn number(&mut self, statement: &'static str) -> Result<Option<i64>, Error> {
        let asked = sqlx::query_scalar::<_, Option<i64>>(statement).fetch_one(&mut self.connection);
        in_time(self.config.timeout, asked).await
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), Error> {
        let running = sqlx::query(statement).execute(&mut self.connection);
        in_time(self.config.timeout, running).await.map(drop)
    }

    async fn may_create(&mut self) -> Result<bool, Error> {
        Ok(true)
    }
}
