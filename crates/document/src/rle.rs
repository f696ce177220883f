//! Run-length encoded columns, counted before they are expanded.
//!
//! automerge expands a run as it reads: five bytes can claim 2³¹ operations. Here a column is
//! walked once to see how many rows it claims, and only a column that claims exactly as many rows
//! as the change has operations is expanded.
//!
//! A column is a list of runs. Count `n > 0` repeats the value that follows `n` times, `n < 0` is
//! followed by `-n` values, `0` is followed by a count of empty rows. A boolean column is a list of
//! counts that alternate between false and true.

use crate::Refused;
use crate::reader::Reader;

const OVERLONG: Refused = Refused::Malformed("a run is not written in its shortest form");
const EMPTY_ROW: Refused = Refused::Malformed("a row has no value");

/// Reads the values of one kind of column.
pub(crate) type ReadValue<'a, T> = fn(&mut Reader<'a>) -> Result<T, Refused>;

/// The rows of a column, at most `rows_max` of them; `too_many` is answered beyond that.
///
/// Nothing is taken from memory before the whole column was counted.
pub(crate) fn expand<'a, T: Clone>(
    column: &'a [u8],
    read: ReadValue<'a, T>,
    rows_max: usize,
    too_many: Refused,
) -> Result<Vec<T>, Refused> {
    let rows = count(column, read, rows_max, too_many)?;
    let mut values = Vec::with_capacity(rows);
    let mut reader = Reader::new(column);
    while !reader.is_empty() {
        match run_length(&mut reader)? {
            Run::Repeat(rows) => {
                let value = read(&mut reader)?;
                values.extend(std::iter::repeat_n(value, rows));
            }
            Run::Literal(rows) => {
                for _ in 0..rows {
                    values.push(read(&mut reader)?);
                }
            }
        }
    }
    Ok(values)
}

/// How many rows a column claims. Time and memory depend on its bytes, not on the claim.
pub(crate) fn count<'a, T>(
    column: &'a [u8],
    read: ReadValue<'a, T>,
    rows_max: usize,
    too_many: Refused,
) -> Result<usize, Refused> {
    let mut total = 0_usize;
    let mut reader = Reader::new(column);
    while !reader.is_empty() {
        let (rows, values) = match run_length(&mut reader)? {
            Run::Repeat(rows) => (rows, 1),
            Run::Literal(rows) => (rows, rows),
        };
        total = total.checked_add(rows).filter(|&total| total <= rows_max).ok_or(too_many)?;
        for _ in 0..values {
            read(&mut reader)?;
        }
    }
    Ok(total)
}

/// Whether a boolean column holds exactly `rows` times false.
pub(crate) fn all_false(column: &[u8], rows: usize) -> Result<bool, Refused> {
    let mut reader = Reader::new(column);
    let count = reader.unsigned()?;
    Ok(reader.is_empty() && usize::try_from(count) == Ok(rows))
}

enum Run {
    Repeat(usize),
    Literal(usize),
}

fn run_length(reader: &mut Reader<'_>) -> Result<Run, Refused> {
    let count = reader.signed()?;
    let length = usize::try_from(count.unsigned_abs()).map_err(|_| OVERLONG)?;
    match count {
        // Our columns have a value in every row.
        0 => Err(EMPTY_ROW),
        1 => Err(OVERLONG),
        2.. => Ok(Run::Repeat(length)),
        ..=-1 => Ok(Run::Literal(length)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOO_MANY: Refused = Refused::TooMany("rows");

    #[track_caller]
    fn check(column: &[u8], expected: Result<Vec<u64>, Refused>) {
        assert_eq!(expand(column, Reader::unsigned, 5, TOO_MANY), expected, "{column:?}");
    }

    #[test]
    fn runs_are_expanded_up_to_the_limit() {
        check(&[], Ok(vec![]));
        check(&[0x05, 9], Ok(vec![9; 5]));
        check(&[0x06, 9], Err(TOO_MANY));
        check(&[0x7d, 1, 2, 3, 2, 4], Ok(vec![1, 2, 3, 4, 4]));
        check(&[0x7d, 1, 2, 3, 3, 4], Err(TOO_MANY));
        check(&[0x01, 9], Err(OVERLONG));
        check(&[0x00, 3], Err(EMPTY_ROW));
        check(&[0x7d, 1, 2], Err(Refused::Malformed("it ends too early")));
    }

    #[test]
    fn a_run_of_two_thousand_million_is_refused_unexpanded() {
        check(&[0x80, 0x80, 0x80, 0x80, 0x08, 1], Err(TOO_MANY));
        // As many literal rows, of which not one is there.
        check(&[0x80, 0x80, 0x80, 0x80, 0x78], Err(TOO_MANY));
        // The largest count there is.
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 1], Err(TOO_MANY));
    }

    #[test]
    fn only_one_run_of_false_is_all_false() {
        assert_eq!(all_false(&[3], 3), Ok(true));
        assert_eq!(all_false(&[2], 3), Ok(false));
        assert_eq!(all_false(&[2, 1], 3), Ok(false));
        assert!(all_false(&[], 0).is_err());
    }

    proptest! {
        #[test]
        fn any_column_is_answered_within_the_limit(column in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(values) = expand(&column, Reader::unsigned, 100, TOO_MANY) {
                prop_assert!(values.len() <= 100);
            }
        }
    }
}
