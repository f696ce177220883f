//! A Rust file taken apart just far enough: code, comments, string literals, and what is a test.

/// A file and, if it is Rust, its parts.
pub(super) struct Source {
    /// From the root of the repository.
    pub(super) path: String,
    pub(super) text: String,
    /// The text with comments and the inside of literals blanked out, byte for byte.
    pub(super) code: String,
    /// String literals outside comments: where they start, and what is between the quotes.
    pub(super) literals: Vec<(usize, String)>,
    /// Where the tests of the file begin; the house rule is that they come last.
    pub(super) tests_at: usize,
}

impl Source {
    pub(super) fn new(path: String, text: String) -> Self {
        let (code, literals) =
            if path.ends_with(".rs") { take_apart(&text) } else { (text.clone(), Vec::new()) };
        let tests_at =
            if is_test_file(&path) { 0 } else { code.find("#[cfg(test)]").unwrap_or(code.len()) };
        Self { path, text, code, literals, tests_at }
    }

    /// The last part of the path.
    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The code in front of the tests.
    pub(super) fn product(&self) -> &str {
        &self.code[..self.tests_at]
    }

    /// The string literals in front of the tests.
    pub(super) fn product_literals(&self) -> impl Iterator<Item = (usize, &str)> {
        self.literals
            .iter()
            .filter(|(at, _)| *at < self.tests_at)
            .map(|(at, text)| (*at, text.as_str()))
    }

    /// `path:line` of a byte, as editors jump to.
    pub(super) fn place(&self, at: usize) -> String {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}", self.path)
    }

    /// Whether the file stands for `name.rs` or lies in the folder of its module.
    pub(super) fn is_or_is_below(&self, name: &str) -> bool {
        self.file_name() == format!("{name}.rs") || self.path.contains(&format!("/{name}/"))
    }
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.starts_with("tests/")
}

/// Whether `word` stands at `at` as a word of its own.
pub(super) fn is_word_at(text: &str, at: usize, word: &str) -> bool {
    let part_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = text.as_bytes();
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    let after = bytes.get(at + word.len());
    !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
}

/// Where `word` stands in `text` as a word of its own.
pub(super) fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| is_word_at(text, *at, word))
}

fn take_apart(text: &str) -> (String, Vec<(usize, String)>) {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut literals = Vec::new();
    let mut blank = |from: usize, to: usize| {
        for byte in code[from..to].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
    };
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let end = if rest.starts_with(b"//") {
            let end = at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            blank(at, end);
            end
        } else if rest.starts_with(b"/*") {
            let end = at + block_comment_length(rest);
            blank(at, end);
            end
        } else if let Some((open, close)) = raw_string(rest).filter(|_| !follows_word(bytes, at)) {
            literals.push((at, text[at + open..at + close].to_owned()));
            blank(at + open, at + close);
            at + close
                + (open - rest.iter().position(|byte| *byte == b'#' || *byte == b'"').unwrap())
        } else if rest.starts_with(b"\"") {
            let close = at + 1 + string_length(&rest[1..]);
            literals.push((at, text[at + 1..close].to_owned()));
            blank(at + 1, close);
            close + 1
        } else if let Some(length) = character_length(rest) {
            blank(at + 1, at + length - 1);
            at + length
        } else {
            at + 1
        };
        at = end.min(bytes.len());
    }
    // Only whole literals and comments were replaced, by spaces.
    (String::from_utf8(code).unwrap(), literals)
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Comments nest.
fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Where the inside of a raw string starts and ends, if one begins here.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix = if rest.starts_with(b"br") { 2 } else { usize::from(rest.starts_with(b"r")) };
    if prefix == 0 {
        return None;
    }
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix + hashes + 1;
    if rest.get(open - 1) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.extend(std::iter::repeat_n(b'#', hashes));
    let inside = rest[open..].windows(end.len()).position(|window| window == end)?;
    Some((open, open + inside))
}

/// Bytes up to the closing quote.
fn string_length(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at.min(rest.len())
}

/// Bytes of a character literal; `None` for a lifetime.
fn character_length(rest: &[u8]) -> Option<usize> {
    if rest.first() != Some(&b'\'') {
        return None;
    }
    if rest.get(1) == Some(&b'\\') {
        return rest[3..].iter().position(|byte| *byte == b'\'').map(|end| end + 4);
    }
    // One character of up to four bytes and the closing quote.
    let end = rest.iter().take(6).skip(1).position(|byte| *byte == b'\'')? + 1;
    let inside = std::str::from_utf8(&rest[1..end]).ok()?;
    (inside.chars().count() == 1).then_some(end + 1)
}

mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str, literals: &[&str]) {
        let source = Source::new("crates/a/src/b.rs".to_owned(), text.to_owned());
        assert_eq!(source.code, code);
        let found: Vec<_> = source.literals.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(found, literals);
    }

    #[test]
    fn comments_and_literals_are_told_from_code() {
        check("a; // \"b\"\nc", "a;       \nc", &[]);
        check("a /* x /* y */ z */ b", "a                   b", &[]);
        check(r#"f("a\"b", 'c')"#, r#"f("    ", ' ')"#, &[r#"a\"b"#]);
        check(r##"f(r#"a"b"#, 1)"##, r##"f(r#"   "#, 1)"##, &[r#"a"b"#]);
        check(r#"let bar"x""#, r#"let bar" ""#, &["x"]);
        check(r#"b'"'; b"y" "#, r#"b' '; b" " "#, &["y"]);
        check(r"'\''; '\u{1F600}'; x", r"'  '; '         '; x", &[]);
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}", &[]);
        check("'ö'; \"ö\"", "'  '; \"  \"", &["ö"]);
        check("\"open", "\"    ", &["open"]);
    }

    #[test]
    fn the_product_ends_where_the_tests_begin() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { \"x\" }";
        let source = Source::new("crates/a/src/b.rs".to_owned(), text.to_owned());
        assert_eq!(source.product(), "fn a() {}\n");
        assert_eq!(source.product_literals().count(), 0);
        let source = Source::new("crates/a/src/b/tests.rs".to_owned(), text.to_owned());
        assert_eq!(source.product(), "");
    }

    #[test]
    fn a_word_is_not_found_inside_another() {
        assert_eq!(words("tokio_x tokio; my_tokio", "tokio").collect::<Vec<_>>(), [8]);
    }
}
