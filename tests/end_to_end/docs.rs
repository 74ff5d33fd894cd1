//! The book and the README say what the host does: every example in them is run (see `harness::docs`).

use anyhow::{Result, ensure};
use harness::docs;

#[test]
fn every_example_of_the_book_prints_what_it_says() -> Result<()> {
    let mut failures = Vec::new();
    let mut count = 0;
    for document in docs::documents()? {
        match docs::run(&document) {
            Ok(examples) => count += examples,
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    ensure!(failures.is_empty(), "examples failed:\n\n{}", failures.join("\n"));
    ensure!(count > 0, "no document has an example");
    println!("{count} examples ran");
    Ok(())
}
