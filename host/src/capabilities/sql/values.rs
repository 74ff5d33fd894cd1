//! Parameters on their way to a server, and columns on their way back.

use bytes::Bytes;
use sqlx::{
    Arguments as _, Encode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _,
    encode::IsNull,
    error::BoxDynError,
    mysql::{MySqlArguments, MySqlRow},
    postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, types::Oid},
    sqlite::{SqliteArguments, SqliteRow},
};

/// A parameter.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Null,
    Number(i64),
    Text(String),
    /// Shared with whoever has the payload.
    Bytes(Bytes),
}

/// A column of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Column {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What a statement did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) rows: Vec<Vec<Column>>,
    /// How many rows it changed.
    pub(super) affected: u64,
}

/// Why a column cannot be handed over.
pub(super) enum Unfit {
    /// The contract has no such type.
    Type(String),
    /// The driver cannot make sense of it.
    Driver(sqlx::Error),
}

impl From<sqlx::Error> for Unfit {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl Given {
    /// A letter for its kind.
    pub(super) fn kind(&self) -> char {
        match self {
            Self::Null => '0',
            Self::Number(_) => 'n',
            Self::Text(_) => 't',
            Self::Bytes(_) => 'b',
        }
    }
}

impl Column {
    /// The bytes that it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Number(_) => size_of::<Self>(),
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Nothing, of whatever type PostgreSQL finds fitting.
struct Untyped;

/// PostgreSQL's pseudo-type `unknown`: the type is to be found from where the parameter stands.
const UNKNOWN: Oid = Oid(705);

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UNKNOWN)
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

/// Parameters in the order of a statement.
pub(super) fn postgres<'g>(given: impl Iterator<Item = &'g Given>) -> Result<PgArguments, BoxDynError> {
    let mut arguments = PgArguments::default();
    for value in given {
        match value {
            Given::Null => arguments.add(Untyped)?,
            Given::Number(number) => arguments.add(*number)?,
            Given::Text(text) => arguments.add(text.as_str())?,
            Given::Bytes(bytes) => arguments.add(bytes.as_ref())?,
        }
    }
    Ok(arguments)
}

/// Parameters in the order of a statement.
pub(super) fn mysql<'g>(given: impl Iterator<Item = &'g Given>) -> Result<MySqlArguments, BoxDynError> {
    let mut arguments = MySqlArguments::default();
    for value in given {
        match value {
            Given::Null => arguments.add(None::<i64>)?,
            Given::Number(number) => arguments.add(*number)?,
            Given::Text(text) => arguments.add(text.as_str())?,
            Given::Bytes(bytes) => arguments.add(bytes.as_ref())?,
        }
    }
    Ok(arguments)
}

/// Parameters in the order of a statement.
pub(super) fn sqlite<'g>(given: impl Iterator<Item = &'g Given>) -> Result<SqliteArguments, BoxDynError> {
    let mut arguments = SqliteArguments::default();
    for value in given {
        match value {
            Given::Null => arguments.add(None::<i64>)?,
            Given::Number(number) => arguments.add(*number)?,
            Given::Text(text) => arguments.add(text.as_str())?,
            Given::Bytes(bytes) => arguments.add(bytes.as_ref())?,
        }
    }
    Ok(arguments)
}

/// Reads a row of PostgreSQL.
pub(super) fn postgres_row(row: &PgRow) -> Result<Vec<Column>, Unfit> {
    (0..row.len())
        .map(|place| {
            let value = row.try_get_raw(place)?;
            if value.is_null() {
                return Ok(Column::Null);
            }
            let kind = value.type_info();
            Ok(match kind.name() {
                "INT2" | "INT4" | "INT8" => Column::Number(row.try_get_unchecked::<i64, _>(place)?),
                "BOOL" => Column::Number(row.try_get_unchecked::<bool, _>(place)?.into()),
                "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" => Column::Text(row.try_get_unchecked(place)?),
                "BYTEA" => Column::Bytes(row.try_get_unchecked(place)?),
                "VOID" => Column::Null,
                other => return Err(Unfit::Type(other.to_owned())),
            })
        })
        .collect()
}

/// Reads a row of MariaDB or MySQL.
pub(super) fn mysql_row(row: &MySqlRow) -> Result<Vec<Column>, Unfit> {
    (0..row.len())
        .map(|place| {
            let value = row.try_get_raw(place)?;
            if value.is_null() {
                return Ok(Column::Null);
            }
            let kind = value.type_info();
            Ok(match kind.name() {
                "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
                    Column::Number(row.try_get_unchecked::<i64, _>(place)?)
                }
                unsigned if unsigned.ends_with(" UNSIGNED") => {
                    let number = row.try_get_unchecked::<u64, _>(place)?;
                    Column::Number(i64::try_from(number).map_err(|_| Unfit::Type(format!("{unsigned} above 2^63")))?)
                }
                "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" => {
                    Column::Text(row.try_get_unchecked(place)?)
                }
                "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
                    Column::Bytes(row.try_get_unchecked(place)?)
                }
                other => return Err(Unfit::Type(other.to_owned())),
            })
        })
        .collect()
}

/// Reads a row of SQLite, where the type is that of the value.
pub(super) fn sqlite_row(row: &SqliteRow) -> Result<Vec<Column>, Unfit> {
    (0..row.len())
        .map(|place| {
            let value = row.try_get_raw(place)?;
            if value.is_null() {
                return Ok(Column::Null);
            }
            let kind = value.type_info();
            Ok(match kind.name() {
                "INTEGER" | "BOOLEAN" => Column::Number(row.try_get_unchecked::<i64, _>(place)?),
                "TEXT" => Column::Text(row.try_get_unchecked(place)?),
                "BLOB" => Column::Bytes(row.try_get_unchecked(place)?),
                other => return Err(Unfit::Type(other.to_owned())),
            })
        })
        .collect()
}
