//! Reads a change without automerge and lets through only what our own edits can produce.
//!
//! Our edits set fields of the root to text or whole numbers, or clear them, each field once per
//! change. A change that does anything else (lists, counters, marks, inner objects, messages,
//! times, unknown columns) is refused before automerge sees it, and with it almost everything that
//! makes automerge's decoder panic.
//!
//! Source: automerge storage format, "Change chunks" and "Operation columns";
//! <https://automerge.org/automerge-binary-format-spec>.

use std::collections::BTreeSet;

use crate::limits::{
    COLUMNS_MAX, DEPENDENCIES_MAX, FIELD_BYTES_MAX, OPERATIONS_MAX, OTHER_ACTORS_MAX, REPLACED_MAX,
    TEXT_BYTES_MAX,
};
use crate::reader::Reader;
use crate::{ActorSeed, ChangeId, FieldChange, Refused, Value, chunk, rle};

/// A change that has the shape of one of ours. Whether it fits its past is for `judge`.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) id: ChangeId,
    pub(crate) author: ActorSeed,
    /// 1 for the author's first change of this document.
    pub(crate) seq: u64,
    /// Number of the first operation; the others follow without a gap.
    pub(crate) start_op: u64,
    pub(crate) dependencies: BTreeSet<ChangeId>,
    /// At least one; field names rise strictly.
    pub(crate) operations: Vec<Operation>,
}

/// One field set or cleared.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) field: String,
    /// `None` clears.
    pub(crate) value: Option<Value>,
    /// Which values it takes the place of, by operation number and author.
    pub(crate) replaced: BTreeSet<(u64, ActorSeed)>,
}

impl Operation {
    pub(crate) fn shown(&self) -> FieldChange<'_> {
        FieldChange { field: &self.field, value: self.value.as_ref() }
    }
}

/// Column numbers as they stand in a change: column id × 16 + type.
mod column {
    pub(super) const DEFLATED_BIT: u64 = 0x08;
    pub(super) const FIELD: u64 = 0x15;
    pub(super) const INSERT: u64 = 0x34;
    pub(super) const ACTION: u64 = 0x42;
    pub(super) const VALUE_KIND: u64 = 0x56;
    pub(super) const VALUE: u64 = 0x57;
    pub(super) const REPLACED_COUNT: u64 = 0x70;
    pub(super) const REPLACED_ACTOR: u64 = 0x71;
    pub(super) const REPLACED_NUMBER: u64 = 0x73;
}

const ACTION_SET: u64 = 1;
const ACTION_CLEAR: u64 = 3;
const KIND_NONE: u64 = 0;
const KIND_INT: u64 = 4;
const KIND_TEXT: u64 = 6;

/// Reads and checks one change chunk.
pub(crate) fn check(chunk: &[u8]) -> Result<Checked, Refused> {
    let (id, body) = chunk::open(chunk)?;
    let mut reader = Reader::new(body);
    let dependencies = read_dependencies(&mut reader)?;
    let author = read_actor(&mut reader)?;
    let seq = reader.unsigned()?;
    let start_op = reader.unsigned()?;
    if seq == 0 || start_op == 0 {
        return Err(Refused::Malformed("numbering starts at 1"));
    }
    if reader.signed()? != 0 {
        return Err(Refused::ForbiddenForm("a time"));
    }
    if reader.unsigned()? != 0 {
        return Err(Refused::ForbiddenForm("a message"));
    }
    let actors = read_actors(&mut reader, author)?;
    let columns = Columns::read(&mut reader)?;
    let operations = columns.operations(&actors)?;
    Ok(Checked { id, author, seq, start_op, dependencies, operations })
}

fn read_dependencies(reader: &mut Reader<'_>) -> Result<BTreeSet<ChangeId>, Refused> {
    let count = at_most(reader.unsigned()?, DEPENDENCIES_MAX, "dependencies")?;
    let mut dependencies = BTreeSet::new();
    for _ in 0..count {
        if !dependencies.insert(ChangeId::from_bytes(reader.array()?)) {
            return Err(Refused::Malformed("a dependency is named twice"));
        }
    }
    Ok(dependencies)
}

fn read_actor(reader: &mut Reader<'_>) -> Result<ActorSeed, Refused> {
    if reader.unsigned()? != ActorSeed::BYTES as u64 {
        return Err(Refused::Malformed("an author's id has another length"));
    }
    reader.array().map(ActorSeed::new)
}

/// Every actor that operations can name by index: the author, then the others in rising order.
fn read_actors(reader: &mut Reader<'_>, author: ActorSeed) -> Result<Vec<ActorSeed>, Refused> {
    let count = at_most(reader.unsigned()?, OTHER_ACTORS_MAX, "authors")?;
    let mut actors = vec![author];
    let mut last = None;
    for _ in 0..count {
        let actor = read_actor(reader)?;
        if actor == author || last.is_some_and(|last| last >= actor) {
            return Err(Refused::Malformed("the authors are not in order"));
        }
        last = Some(actor);
        actors.push(actor);
    }
    Ok(actors)
}

fn at_most(count: u64, most: usize, what: &'static str) -> Result<usize, Refused> {
    usize::try_from(count).ok().filter(|&count| count <= most).ok_or(Refused::TooMany(what))
}

/// The columns that an edit of ours can have; a missing one is empty.
#[derive(Default)]
struct Columns<'a> {
    field: &'a [u8],
    insert: &'a [u8],
    action: &'a [u8],
    value_kind: &'a [u8],
    value: &'a [u8],
    replaced_count: &'a [u8],
    replaced_actor: &'a [u8],
    replaced_number: &'a [u8],
}

impl<'a> Columns<'a> {
    /// Reads the column table and cuts the columns; nothing may follow the last.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Refused> {
        let count = at_most(reader.unsigned()?, COLUMNS_MAX, "columns")?;
        let mut table = Vec::with_capacity(count);
        for _ in 0..count {
            let (number, length) = (reader.unsigned()?, reader.unsigned()?);
            if number & column::DEFLATED_BIT != 0 {
                return Err(Refused::ForbiddenForm("a compressed column"));
            }
            if table.last().is_some_and(|&(last, _)| last >= number) || length == 0 {
                return Err(Refused::Malformed("the columns are not in order"));
            }
            table.push((number, length));
        }
        let mut columns = Self::default();
        for (number, length) in table {
            let bytes = reader.bytes(length)?;
            *columns.slot(number)? = bytes;
        }
        if reader.is_empty() { Ok(columns) } else { Err(Refused::ForbiddenForm("a footer")) }
    }

    fn slot(&mut self, number: u64) -> Result<&mut &'a [u8], Refused> {
        Ok(match number {
            column::FIELD => &mut self.field,
            column::INSERT => &mut self.insert,
            column::ACTION => &mut self.action,
            column::VALUE_KIND => &mut self.value_kind,
            column::VALUE => &mut self.value,
            column::REPLACED_COUNT => &mut self.replaced_count,
            column::REPLACED_ACTOR => &mut self.replaced_actor,
            column::REPLACED_NUMBER => &mut self.replaced_number,
            _ => return Err(Refused::ForbiddenOperation("it reaches outside the root's fields")),
        })
    }

    fn operations(&self, actors: &[ActorSeed]) -> Result<Vec<Operation>, Refused> {
        const MANY: Refused = Refused::TooMany("operations");
        // How many operations there are is counted before any column is expanded.
        let rows = rle::count(self.action, Reader::unsigned, OPERATIONS_MAX, MANY)?;
        if rows == 0 {
            return Err(Refused::Malformed("it holds no operation"));
        }
        if !rle::all_false(self.insert, rows)? {
            return Err(Refused::ForbiddenOperation("it inserts into a list"));
        }
        let actions = rle::expand(self.action, Reader::unsigned, rows, MANY)?;
        let fields = rle::expand(self.field, read_field, rows, MANY)?;
        let kinds = rle::expand(self.value_kind, Reader::unsigned, rows, MANY)?;
        let counts = rle::expand(self.replaced_count, Reader::unsigned, rows, MANY)?;
        if [fields.len(), kinds.len(), counts.len()] != [rows; 3] {
            return Err(Refused::Malformed("the columns differ in length"));
        }
        if !fields.is_sorted_by(|a, b| a < b) {
            return Err(Refused::Malformed("the fields are not in order"));
        }
        let mut values = Reader::new(self.value);
        let mut replaced = Replaced::read(self, actors, &counts)?;
        let mut operations = Vec::with_capacity(rows);
        for (((field, action), kind), count) in
            fields.into_iter().zip(actions).zip(kinds).zip(counts)
        {
            let value = match action {
                ACTION_SET => Some(read_value(kind, &mut values)?),
                ACTION_CLEAR if kind == KIND_NONE => None,
                ACTION_CLEAR => return Err(Refused::Malformed("a cleared field has a value")),
                _ => return Err(Refused::ForbiddenOperation("it neither sets nor clears")),
            };
            let replaced = replaced.take(count)?;
            operations.push(Operation { field: field.to_owned(), value, replaced });
        }
        if !values.is_empty() {
            return Err(Refused::Malformed("values are left over"));
        }
        Ok(operations)
    }
}

fn read_field<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Refused> {
    let length = reader.unsigned()?;
    let text = std::str::from_utf8(reader.bytes(length)?).ok();
    text.filter(|text| is_field_name(text)).ok_or(Refused::ForbiddenOperation("a field's name"))
}

/// Field names are short and plain: `name`, `ref/0199…`.
pub(crate) fn is_field_name(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/_-".contains(&byte);
    (1..=FIELD_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

fn read_value(kind: u64, values: &mut Reader<'_>) -> Result<Value, Refused> {
    let length = kind >> 4;
    let bytes = values.bytes(length)?;
    match kind & 0x0f {
        KIND_INT => {
            let mut reader = Reader::new(bytes);
            let number = reader.signed()?;
            if !reader.is_empty() {
                return Err(Refused::Malformed("bytes follow a number"));
            }
            Ok(Value::Int(number))
        }
        KIND_TEXT if bytes.len() > TEXT_BYTES_MAX => Err(Refused::TooLarge),
        KIND_TEXT => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(Refused::Malformed("a text is not UTF-8")),
        },
        _ => Err(Refused::ForbiddenOperation("a value is neither text nor a whole number")),
    }
}

/// The replaced values of all operations, handed out in order.
struct Replaced {
    all: std::vec::IntoIter<(u64, ActorSeed)>,
}

impl Replaced {
    fn read(columns: &Columns<'_>, actors: &[ActorSeed], counts: &[u64]) -> Result<Self, Refused> {
        const MANY: Refused = Refused::TooMany("replaced values");
        let total = counts.iter().fold(0, |sum: u64, &count| sum.saturating_add(count));
        let total = at_most(total, REPLACED_MAX, "replaced values")?;
        let by = rle::expand(columns.replaced_actor, Reader::unsigned, total, MANY)?;
        let steps = rle::expand(columns.replaced_number, Reader::signed, total, MANY)?;
        if by.len() != total || steps.len() != total {
            return Err(Refused::Malformed("the columns differ in length"));
        }
        let (mut all, mut number) = (Vec::with_capacity(total), 0_i64);
        let mut used = BTreeSet::from([0]);
        for (index, step) in by.into_iter().zip(steps) {
            // Numbers are stored as steps from the one before.
            number = number.checked_add(step).filter(|&number| number > 0).ok_or(BAD_REPLACED)?;
            let index = usize::try_from(index).map_err(|_| BAD_REPLACED)?;
            let actor = actors.get(index).ok_or(BAD_REPLACED)?;
            used.insert(index);
            all.push((number.unsigned_abs(), *actor));
        }
        if used.len() != actors.len() {
            return Err(Refused::Malformed("an author is named for nothing"));
        }
        Ok(Self { all: all.into_iter() })
    }

    fn take(&mut self, count: u64) -> Result<BTreeSet<(u64, ActorSeed)>, Refused> {
        let mut taken = BTreeSet::new();
        let mut last = None;
        for _ in 0..count {
            let next = self.all.next().ok_or(BAD_REPLACED)?;
            if last.is_some_and(|last| last >= next) {
                return Err(BAD_REPLACED);
            }
            last = Some(next);
            taken.insert(next);
        }
        Ok(taken)
    }
}

const BAD_REPLACED: Refused = Refused::Malformed("a replaced value is not named properly");
