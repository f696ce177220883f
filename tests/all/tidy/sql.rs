//! Rule 4: SQL stands in `store.rs` and in `migrations/`, and every table is strict.

use super::house::House;
use super::source::is_word_at;

/// What gives SQL away in a string. Upper case, as our SQL is written.
const STATEMENTS: [&str; 13] = [
    "SELECT ",
    "INSERT INTO",
    "INSERT OR",
    "UPDATE ",
    "DELETE FROM",
    "CREATE TABLE",
    "CREATE INDEX",
    "DROP TABLE",
    "ALTER TABLE",
    "PRAGMA ",
    "SAVEPOINT",
    "BEGIN IMMEDIATE",
    "ON CONFLICT",
];

fn rule(house: &House) -> Vec<String> {
    let mut said = Vec::new();
    for package in &house.packages {
        let homes = package
            .files
            .iter()
            .filter(|file| package.name() != "store" && !file.is_or_is_below("store"));
        for file in homes.filter(|file| file.path.ends_with(".rs")) {
            for (at, text) in file.product_literals().filter(|(_, text)| is_sql(text)) {
                let start: String = text.trim().chars().take(30).collect();
                said.push(format!("{}: SQL belongs in store.rs: {start}…", file.place(at)));
            }
        }
        for file in package.files.iter().filter(|file| file.path.ends_with(".sql")) {
            if !file.path.contains("/migrations/") {
                said.push(format!("{}: SQL files belong in migrations/", file.path));
            }
            let code = without_comments(&file.text);
            let tables = code.split(';').filter(|one| one.contains("CREATE TABLE"));
            said.extend(tables.filter(|table| !ends_strict(table)).map(|table| {
                let name = table.split("CREATE TABLE").nth(1).unwrap_or_default();
                let name = name.split('(').next().unwrap_or_default().trim();
                format!("{}: the table {name} is not STRICT", file.path)
            }));
        }
    }
    said
}

fn is_sql(text: &str) -> bool {
    STATEMENTS.iter().any(|statement| {
        text.match_indices(statement).any(|(at, _)| is_word_at(text, at, statement.trim()))
    })
}

/// The text without what stands behind `--`.
fn without_comments(sql: &str) -> String {
    sql.lines().flat_map(|line| [line.split("--").next().unwrap_or_default(), "\n"]).collect()
}

fn ends_strict(table: &str) -> bool {
    table.rsplit(')').next().is_some_and(|end| end.contains("STRICT"))
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    #[test]
    fn sql_has_one_home() {
        check(rule);
    }

    #[test]
    fn sql_away_from_home_is_found() {
        let planted = |path, text| House::planted("vitals", 2, &[]).with_file(path, text);
        let text = "const Q: &str = \"\n    SELECT x FROM t\";";
        check_finds(rule, &planted("src/kind.rs", text), "src/kind.rs:1: SQL belongs in store.rs");
        check_allows(rule, &planted("src/store.rs", text));
        check_allows(rule, &planted("src/kind.rs", "// SELECT x\nlet a = \"Select a patient\";"));
        check_allows(rule, &planted("src/kind.rs", "#[cfg(test)]\nmod tests { \"SELECT x\" }"));
    }

    #[test]
    fn a_lax_table_is_found() {
        let planted =
            |text| House::planted("vitals", 2, &[]).with_file("migrations/001_a.sql", text);
        check_allows(rule, &planted("CREATE TABLE a (x TEXT NOT NULL) STRICT, WITHOUT ROWID;"));
        check_finds(
            rule,
            &planted("CREATE TABLE a (x TEXT NOT NULL);"),
            "the table a is not STRICT",
        );
        let stray = House::planted("vitals", 2, &[]).with_file("src/a.sql", "");
        check_finds(rule, &stray, "migrations/");
    }
}
