//! What a component may say to a server, found out without knowing the whole of SQL: the first words of a statement,
//! where it ends, and where its parameters are.

use std::fmt::Write as _;

use super::driver::Dialect;

/// What a statement may begin with. The others change the session (`SET`, `USE`, `PRAGMA`), begin or end transactions
/// behind the host's back, listen, or reach for files.
const ALLOWED: [&str; 14] = [
    "ALTER", "ANALYZE", "COMMENT", "CREATE", "DELETE", "DROP", "INSERT", "MERGE", "REPLACE", "SELECT", "TRUNCATE",
    "UPDATE", "VALUES", "WITH",
];

/// Among the first words of a `CREATE`, or after an `INTO`: a table that the session would keep.
const TEMPORARY: [&str; 2] = ["TEMP", "TEMPORARY"];

/// What can stand before it in a `CREATE`.
const BEFORE_TEMPORARY: [&str; 5] = ["CREATE", "OR", "REPLACE", "GLOBAL", "LOCAL"];

/// A statement as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    /// Which parameter belongs at each place, counted from 0; `None` where the server knows them by their numbers.
    pub(super) order: Option<Vec<usize>>,
}

impl Statement {
    /// Reads a statement that is run with this many parameters. An error says what may not be said.
    pub(super) fn read(dialect: Dialect, text: &str, parameters: usize) -> Result<Self, String> {
        let mut reader = Reader { dialect, text, at: 0, words: 0, last_word: String::new(), is_creating: true };
        let mut read = Self { text: String::with_capacity(text.len() + 16), order: None };
        let mut order = Vec::new();
        let mut copied = 0;
        let mut is_over = false;
        while let Some(token) = reader.next()? {
            if is_over {
                return Err("it has something after its end; one statement can be run at a time".to_owned());
            }
            match token {
                Token::End => is_over = true,
                Token::Parameter { from, number } => {
                    let Some(place) = number.checked_sub(1).filter(|place| *place < parameters) else {
                        return Err(format!("it has a parameter ${number}, and {parameters} were given"));
                    };
                    if dialect == Dialect::MySql {
                        read.text.push_str(text.get(copied..from).unwrap_or_default());
                        read.text.push('?');
                        copied = reader.at;
                    }
                    order.push(place);
                }
                Token::Other => {}
            }
        }
        if reader.words == 0 {
            return Err("it says nothing".to_owned());
        }
        if let Some(unused) = (0..parameters).find(|place| !order.contains(place)) {
            return Err(format!("{parameters} parameters were given, and ${} is not in it", unused + 1));
        }
        read.text.push_str(text.get(copied..).unwrap_or_default());
        if dialect == Dialect::MySql {
            read.order = Some(order);
        }
        Ok(read)
    }

    /// Marks the text with the kinds of the parameters. PostgreSQL settles on types when it prepares a statement, so one
    /// with other kinds has to be prepared for itself.
    pub(super) fn mark(&mut self, kinds: impl Iterator<Item = char>) {
        self.text.push_str(" /*");
        self.text.extend(kinds);
        let _ = self.text.write_str("*/");
    }
}

enum Token {
    /// `$1`
    Parameter {
        from: usize,
        number: usize,
    },
    /// `;`
    End,
    Other,
}

struct Reader<'t> {
    dialect: Dialect,
    text: &'t str,
    at: usize,
    /// How many words there were.
    words: usize,
    last_word: String,
    /// Whether there was nothing so far but the beginning of a `CREATE`.
    is_creating: bool,
}

impl Reader<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Result<Option<Token>, String> {
        loop {
            let Some(byte) = self.byte(0) else { return Ok(None) };
            match (byte, self.byte(1)) {
                (byte, _) if byte.is_ascii_whitespace() => self.at += 1,
                (b'-', Some(b'-')) if self.begins_comment() => self.skip_line(),
                (b'#', _) if self.dialect == Dialect::MySql => self.skip_line(),
                (b'/', Some(b'*')) => self.skip_comment()?,
                _ => break,
            }
        }
        let from = self.at;
        let byte = self.byte(0).unwrap_or_default();
        match byte {
            b'\'' => self.skip_quoted(b'\'', self.escapes())?,
            b'"' => self.skip_quoted(b'"', self.dialect == Dialect::MySql)?,
            b'`' if self.dialect != Dialect::PostgreSql => self.skip_quoted(b'`', false)?,
            b'[' if self.dialect == Dialect::Sqlite => self.skip_to("]")?,
            b'$' if self.byte(1).is_some_and(|next| next.is_ascii_digit()) => {
                self.at += 1;
                let digits = self.run(|byte| byte.is_ascii_digit());
                let number = digits.parse().map_err(|_| format!("it has a parameter ${digits}"))?;
                self.last_word.clear();
                return Ok(Some(Token::Parameter { from, number }));
            }
            b'$' if self.dialect == Dialect::PostgreSql => self.skip_dollar_quoted()?,
            b'?' if self.dialect != Dialect::PostgreSql => {
                return Err("it has a `?`; parameters are written $1, $2 and so on".to_owned());
            }
            b';' => {
                self.at += 1;
                return Ok(Some(Token::End));
            }
            byte if is_of_word(byte) => return self.word().map(|()| Some(Token::Other)),
            _ => self.at += 1,
        }
        self.last_word.clear();
        Ok(Some(Token::Other))
    }

    /// A word, a number or an identifier.
    fn word(&mut self) -> Result<(), String> {
        let word = self.run(|byte| is_of_word(byte) || byte == b'$').to_ascii_uppercase();
        self.words += 1;
        if self.words == 1 && !ALLOWED.contains(&word.as_str()) {
            return Err(format!("it begins with {word}; a statement begins with one of {}", ALLOWED.join(", ")));
        }
        if TEMPORARY.contains(&word.as_str()) && (self.is_creating || self.last_word == "INTO") {
            return Err("it makes a temporary table, which would stay with a connection that others use".to_owned());
        }
        self.is_creating &= BEFORE_TEMPORARY.contains(&word.as_str());
        self.last_word = word;
        Ok(())
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &str {
        let from = self.at;
        while self.byte(0).is_some_and(&belongs) {
            self.at += 1;
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// Whether two dashes begin a comment here. On MySQL a space has to follow them.
    fn begins_comment(&self) -> bool {
        self.dialect != Dialect::MySql || self.byte(2).is_none_or(|next| next.is_ascii_whitespace())
    }

    fn skip_line(&mut self) {
        self.run(|byte| byte != b'\n');
    }

    fn skip_comment(&mut self) -> Result<(), String> {
        // What stands in such a comment is run.
        let runs = self.byte(2) == Some(b'!') || (self.byte(2) == Some(b'M') && self.byte(3) == Some(b'!'));
        if self.dialect == Dialect::MySql && runs {
            return Err("it has a comment that is run (`/*!`)".to_owned());
        }
        self.at += 2;
        let mut depth = 1;
        while depth > 0 {
            match (self.byte(0), self.byte(1)) {
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                (Some(b'/'), Some(b'*')) if self.dialect == Dialect::PostgreSql => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err("it has a comment without an end".to_owned()),
            }
        }
        Ok(())
    }

    /// Whether a backslash in a text keeps what follows from ending it.
    fn escapes(&self) -> bool {
        match self.dialect {
            Dialect::MySql => true,
            Dialect::PostgreSql => self.last_word == "E",
            Dialect::Sqlite => false,
        }
    }

    fn skip_quoted(&mut self, quote: u8, escapes: bool) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.byte(0) {
                None => return Err("it has a text or name without an end".to_owned()),
                Some(b'\\') if escapes => self.at += 2,
                Some(byte) if byte == quote && self.byte(1) == Some(quote) => self.at += 2,
                Some(byte) => {
                    self.at += 1;
                    if byte == quote {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// `$$text$$` or `$tag$text$tag$`
    fn skip_dollar_quoted(&mut self) -> Result<(), String> {
        let from = self.at;
        self.at += 1;
        self.run(is_of_word);
        if self.byte(0) != Some(b'$') {
            return Ok(());
        }
        self.at += 1;
        let tag = self.text.get(from..self.at).unwrap_or_default().to_owned();
        self.skip_to(&tag)
    }

    fn skip_to(&mut self, end: &str) -> Result<(), String> {
        match self.text.get(self.at..).and_then(|rest| rest.find(end)) {
            Some(found) => {
                self.at += found + end.len();
                Ok(())
            }
            None => Err("it has a text or name without an end".to_owned()),
        }
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use Dialect::{MySql, PostgreSql, Sqlite};

    use super::*;

    fn refused(dialect: Dialect, text: &str) -> String {
        Statement::read(dialect, text, 0).expect_err(text)
    }

    #[test]
    fn what_would_change_the_session_is_refused_by_its_first_word() {
        for text in [
            "SET a = 1",
            "set a = 1",
            " -- x\n /* y */ BEGIN",
            "COMMIT",
            "START TRANSACTION",
            "SAVEPOINT a",
            "USE other",
            "PRAGMA synchronous = OFF",
            "ATTACH 'f' AS g",
            "LISTEN a",
            "LOCK TABLES a",
            "COPY a FROM 'b'",
            "DO 1",
            "CALL a()",
        ] {
            for dialect in [PostgreSql, MySql, Sqlite] {
                assert!(refused(dialect, text).starts_with("it begins with "), "{text}");
            }
        }
        assert_eq!(refused(Sqlite, " ; "), "it says nothing");
        assert_eq!(refused(Sqlite, ""), "it says nothing");
    }

    #[test]
    fn a_second_statement_is_refused_however_it_is_hidden() {
        for text in ["SELECT 1; BEGIN", "SELECT 1;;", "SELECT ';'; PRAGMA x", "SELECT 1 /* ; */ ; SELECT 2"] {
            assert!(refused(Sqlite, text).contains("after its end"), "{text}");
        }
        for text in ["SELECT 1;", "SELECT ';'", "SELECT 1 -- ; x", "SELECT \";\"", "SELECT [;]", "SELECT 1; -- the end"]
        {
            assert!(Statement::read(Sqlite, text, 0).is_ok(), "{text}");
        }
        assert!(Statement::read(PostgreSql, "SELECT $a$ ; $$ ; $a$, E'\\';'", 0).is_ok());
        assert!(Statement::read(MySql, "SELECT 'a\\';' # ; b", 0).is_ok());
    }

    #[test]
    fn temporary_tables_and_comments_that_run_are_refused() {
        for text in
            ["CREATE TEMP TABLE a (b int)", "create or replace temporary table a (b int)", "SELECT 1 INTO TEMP a"]
        {
            assert!(refused(PostgreSql, text).contains("temporary"), "{text}");
        }
        assert!(Statement::read(PostgreSql, "CREATE TABLE a (temp int)", 0).is_ok());
        assert!(refused(MySql, "/*!50000 SET a = 1 */ SELECT 1").contains("comment that is run"));
        assert!(refused(MySql, "SELECT 1 /*M! , 2 */").contains("comment that is run"));
    }

    #[test]
    fn parameters_are_counted_and_stay_as_they_are_where_the_server_numbers_them() {
        let text = "SELECT $2, '$3', $1, $2";
        for dialect in [PostgreSql, Sqlite] {
            assert_eq!(Statement::read(dialect, text, 2), Ok(Statement { text: text.to_owned(), order: None }));
        }
        let read = Statement::read(MySql, "SELECT $2, '$3', a$1, $1, $2 FROM `$9`", 2).expect("a statement");
        assert_eq!(read.text, "SELECT ?, '$3', a$1, ?, ? FROM `$9`");
        assert_eq!(read.order, Some(vec![1, 0, 1]));
    }

    #[test]
    fn parameters_that_are_missing_or_too_many_are_refused() {
        for dialect in [PostgreSql, MySql, Sqlite] {
            let too_few = Statement::read(dialect, "SELECT $1, $2", 1).expect_err("too few");
            assert_eq!(too_few, "it has a parameter $2, and 1 were given");
            let unused = Statement::read(dialect, "SELECT $1, $3", 3).expect_err("one is unused");
            assert_eq!(unused, "3 parameters were given, and $2 is not in it");
            assert!(refused(dialect, "SELECT $0").contains("a parameter $0"));
        }
        assert!(refused(MySql, "SELECT ?").contains("written $1"));
        // An operator there.
        assert!(Statement::read(PostgreSql, "SELECT a ? 'b' FROM c", 0).is_ok());
    }

    #[test]
    fn a_text_without_an_end_is_refused() {
        for text in ["SELECT 'a", "SELECT \"a", "SELECT /* a", "SELECT 'a''"] {
            for dialect in [PostgreSql, MySql, Sqlite] {
                assert!(refused(dialect, text).contains("without an end"), "{text}");
            }
        }
        assert!(refused(PostgreSql, "SELECT $a$ b $c$").contains("without an end"));
    }
}
