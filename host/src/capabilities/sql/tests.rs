//! The capability against a real database: SQLite in a file of the test's own.

use bytes::Bytes;
use tempfile::TempDir;

use super::{
    connection::SqlConnection,
    values::{Column, Given},
};
use crate::{capabilities::bindings::types::Error, config::ConnectionConfig};

/// The bytes that an answer may have.
const MOST: usize = 1 << 20;

struct Database {
    connection: SqlConnection,
    _directory: TempDir,
}

fn database() -> Database {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite://{}", directory.path().join("sessions.db").display());
    let config = ConnectionConfig { url, ..ConnectionConfig::default() };
    let connection = SqlConnection::new("main", &config).expect("a URL").expect("a database");
    Database { connection, _directory: directory }
}

impl Database {
    async fn run(&self, text: &str, given: &[Given]) -> Vec<Vec<Column>> {
        self.connection.execute(text, given, MOST).await.expect(text).rows
    }

    async fn count(&self) -> Vec<Vec<Column>> {
        self.run("SELECT count(*) FROM coats", &[]).await
    }
}

fn number(number: i64) -> Vec<Vec<Column>> {
    vec![vec![Column::Number(number)]]
}

#[tokio::test]
async fn values_of_each_kind_come_back_as_they_went() {
    let database = database();
    let bytes: Vec<u8> = (0..=255).collect();
    let given = [
        Given::Null,
        Given::Number(i64::MIN),
        Given::Text("Mäntel 🧥 ' \" \\".to_owned()),
        Given::Bytes(Bytes::from(bytes.clone())),
        Given::Bytes(Bytes::new()),
    ];
    let expected = vec![
        Column::Null,
        Column::Number(i64::MIN),
        Column::Text("Mäntel 🧥 ' \" \\".to_owned()),
        Column::Bytes(bytes),
        Column::Bytes(Vec::new()),
    ];
    assert_eq!(database.run("SELECT $1, $2, $3, $4, $5", &given).await, [expected]);
    let real = database.connection.execute("SELECT 1.5", &[], MOST).await.unwrap_err();
    assert!(matches!(&real, Error::Other(text) if text.contains("`main`") && text.contains("REAL")), "{real:?}");
}

#[tokio::test]
async fn a_transaction_without_commit_leaves_nothing() {
    let database = database();
    database.run("CREATE TABLE coats (size INTEGER UNIQUE)", &[]).await;
    let transaction = database.connection.begin().await.expect("a transaction");
    transaction.execute("INSERT INTO coats VALUES ($1)", &[Given::Number(1)], MOST).await.expect("a row");
    drop(transaction);
    assert_eq!(database.count().await, number(0));
    let transaction = database.connection.begin().await.expect("a transaction");
    transaction.execute("INSERT INTO coats VALUES ($1)", &[Given::Number(1)], MOST).await.expect("a row");
    transaction.commit().await.expect("a commit");
    assert_eq!(database.count().await, number(1));
}

#[tokio::test]
async fn a_transaction_is_over_when_its_call_is_or_a_statement_fails() {
    let database = database();
    database.run("CREATE TABLE coats (size INTEGER UNIQUE)", &[]).await;
    let transaction = database.connection.begin().await.expect("a transaction");
    transaction.open().end();
    let over = transaction.execute("INSERT INTO coats VALUES (1)", &[], MOST).await.unwrap_err();
    assert!(matches!(&over, Error::Other(text) if text.contains("over")), "{over:?}");

    let transaction = database.connection.begin().await.expect("a transaction");
    transaction.execute("INSERT INTO coats VALUES (1)", &[], MOST).await.expect("a row");
    transaction.execute("INSERT INTO coats VALUES (1)", &[], MOST).await.expect_err("it is unique");
    transaction.commit().await.expect_err("it is over");
    assert_eq!(database.count().await, number(0));
}

#[tokio::test]
async fn a_call_that_is_given_up_rolls_its_transaction_back() {
    let database = database();
    database.run("CREATE TABLE coats (size INTEGER UNIQUE)", &[]).await;
    let transaction = database.connection.begin().await.expect("a transaction");
    transaction.execute("INSERT INTO coats VALUES (1)", &[], MOST).await.expect("a row");
    {
        let many = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
                    INSERT INTO coats SELECT i FROM n";
        let insert = transaction.execute(many, &[], MOST);
        let mut insert = std::pin::pin!(insert);
        // Begun and not waited for: so many are not inserted at once.
        let begun = std::future::poll_fn(|context| std::task::Poll::Ready(insert.as_mut().poll(context).is_pending()));
        assert!(begun.await);
    }
    transaction.commit().await.expect_err("it is over");
    assert_eq!(database.count().await, number(0));
}

#[tokio::test]
async fn an_error_does_not_quote_values() {
    let database = database();
    database.run("CREATE TABLE coats (ticket TEXT UNIQUE)", &[]).await;
    let ticket = || [Given::Text("s3cret".to_owned())];
    database.run("INSERT INTO coats VALUES ($1)", &ticket()).await;
    let twice = database.connection.execute("INSERT INTO coats VALUES ($1)", &ticket(), MOST).await.unwrap_err();
    assert!(matches!(&twice, Error::Other(text) if text.contains("2067") && !text.contains("s3cret")), "{twice:?}");
}

#[tokio::test]
async fn an_answer_is_not_larger_than_it_may_be() {
    let database = database();
    let large = database.connection.execute("SELECT zeroblob(2000)", &[], 1000).await.unwrap_err();
    assert!(matches!(large, Error::LimitExceeded(_)), "{large:?}");
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n";
    let many = database.connection.execute(many, &[], usize::MAX).await.unwrap_err();
    assert!(matches!(many, Error::LimitExceeded(_)), "{many:?}");
    assert_eq!(database.run("SELECT 1", &[]).await, number(1));
}

#[tokio::test]
async fn a_file_is_kept_as_it_must_be_to_lose_nothing() {
    let database = database();
    database.run("CREATE TABLE coats (size INTEGER)", &[]).await;
    assert_eq!(database.run("SELECT * FROM pragma_journal_mode", &[]).await, [[Column::Text("wal".to_owned())]]);
    // 2 is FULL.
    assert_eq!(database.run("SELECT * FROM pragma_synchronous", &[]).await, number(2));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once_and_without_its_address() {
    let url = "postgres://anna:s3cret@127.0.0.1:1/sessions".to_owned();
    let config = ConnectionConfig { url, ..ConnectionConfig::default() };
    let connection = SqlConnection::new("main", &config).expect("a URL").expect("a server");
    let gone = connection.execute("SELECT 1", &[], MOST).await.unwrap_err();
    let Error::Unavailable(text) = gone else { panic!("{gone:?}") };
    assert!(text.contains("`main`") && !text.contains("s3cret") && !text.contains("127.0.0.1"), "{text}");
}
