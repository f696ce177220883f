//! Looks for changes that make automerge panic, and shows that none of them passes our gate.
//!
//! ```text
//! cargo run -p document --example fuzz_changes -- SEED ITERATIONS [FOLDER]
//! ```
//!
//! Starts from valid changes (ours, and ones with lists, text, marks, counters and inner maps),
//! breaks a few bytes, and mends length and checksum so that the damage reaches automerge's
//! decoder. Each input goes twice: into automerge as it is, where panics are counted by source
//! line, and through `Document::apply`. Writes the smallest input of each line to FOLDER. The same
//! seed gives the same run.

#![expect(clippy::print_stdout, reason = "a command's result goes to standard output")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a tool for developers")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable as _;
use automerge::{ActorId, Automerge, ObjType, ROOT, ReadDoc as _, ScalarValue};
use document::{ActorSeed, Applied, Document, Refused, payload};
use sha2::{Digest as _, Sha256};

/// Where the last panic on this thread came from.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

const BASE_AUTHOR: ActorSeed = ActorSeed::new([1; 16]);
const AUTHOR: ActorSeed = ActorSeed::new([2; 16]);

/// Inputs that claim more rows than this are not given to automerge itself, which would expand them.
const ROWS_MAX: u64 = 20_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seed: u64 = arguments.next().unwrap().parse().unwrap();
    let iterations: u64 = arguments.next().unwrap().parse().unwrap();
    let folder = arguments.next();

    std::panic::set_hook(Box::new(|info| {
        let location = info.location().unwrap();
        let file = location.file().rsplit("registry/src/").next().unwrap();
        let file = file.split_once('/').map_or(file, |(_, rest)| rest);
        *LAST_PANIC.lock().unwrap() = format!("{file}:{}", location.line());
    }));

    let base = base();
    let raw_base = Automerge::load(&base.save()).unwrap();
    let seeds = seeds(&raw_base);
    let mut random = Random(seed | 1);
    let mut sites: BTreeMap<String, (u64, Vec<u8>)> = BTreeMap::new();
    let mut answers: BTreeMap<&'static str, u64> = BTreeMap::new();
    for _ in 0..iterations {
        let chunk = mutate(&seeds, &mut random);
        if rows_claimed(&chunk) <= ROWS_MAX
            && let Err(site) = raw(&raw_base, &chunk)
        {
            let (count, smallest) = sites.entry(site).or_insert_with(|| (0, chunk.clone()));
            *count += 1;
            if chunk.len() < smallest.len() {
                smallest.clone_from(&chunk);
            }
        }
        *answers.entry(gated(&base, &chunk)).or_default() += 1;
    }

    println!("{iterations} inputs, seed {seed}");
    println!("automerge alone panicked at {} source lines:", sites.len());
    for (site, (count, smallest)) in &sites {
        println!("  {count:>7}  {site}  (smallest input {} bytes)", smallest.len());
        if let Some(folder) = &folder {
            let name = site.rsplit('/').next().unwrap().replace(".rs:", "-");
            let path = Path::new(folder).join(format!("panic-{name}.payload"));
            let known =
                std::fs::read(&path).ok().and_then(|old| Some(payload::unpack(&old).ok()?.len()));
            if known.is_none_or(|known| smallest.len() < known) {
                std::fs::write(path, payload::pack(smallest)).unwrap();
            }
        }
    }
    println!("Document::apply answered:");
    for (answer, count) in &answers {
        println!("  {count:>9}  {answer}");
    }
}

/// The document that every input is applied to.
fn base() -> Document {
    let mut doc = Document::new(BASE_AUTHOR);
    doc.edit(|edit| {
        edit.set("name", "base");
        edit.set("count", 7);
    })
    .unwrap();
    doc
}

/// Valid changes that follow the base.
fn seeds(base: &Automerge) -> Vec<Vec<u8>> {
    type Make = fn(&mut automerge::transaction::Transaction<'_>);
    let makes: [Make; 7] = [
        |t| t.put(ROOT, "name", "other").unwrap(),
        |t| {
            t.put(ROOT, "name", "other").unwrap();
            t.delete(ROOT, "count").unwrap();
            t.put(ROOT, "phone", "12345").unwrap();
            t.put(ROOT, "ref/1", -70_000).unwrap();
        },
        |t| (0..30).for_each(|n| t.put(ROOT, format!("f{n:02}"), n).unwrap()),
        |t| {
            let list = t.put_object(ROOT, "list", ObjType::List).unwrap();
            (0..6).for_each(|n| t.insert(&list, n, n as i64).unwrap());
            t.delete(&list, 2).unwrap();
            t.put(&list, 1, "x").unwrap();
        },
        |t| {
            let text = t.put_object(ROOT, "text", ObjType::Text).unwrap();
            t.splice_text(&text, 0, 0, "some words").unwrap();
            t.splice_text(&text, 3, 2, "more").unwrap();
            let mark = Mark::new("bold".to_owned(), true, 1, 5);
            t.mark(&text, mark, ExpandMark::Both).unwrap();
        },
        |t| {
            t.put(ROOT, "counter", ScalarValue::counter(3)).unwrap();
            t.increment(ROOT, "counter", 4).unwrap();
            t.put(ROOT, "time", ScalarValue::Timestamp(9)).unwrap();
            t.put(ROOT, "bytes", vec![1, 2, 3]).unwrap();
            t.put(ROOT, "float", 1.5).unwrap();
        },
        |t| {
            let map = t.put_object(ROOT, "map", ObjType::Map).unwrap();
            t.put(&map, "inner", true).unwrap();
            let deeper = t.put_object(&map, "deeper", ObjType::Map).unwrap();
            t.put(&deeper, "inner", ScalarValue::Null).unwrap();
        },
    ];
    let seed = |make: &Make| {
        let mut doc = base.clone().with_actor(ActorId::from(AUTHOR.bytes()));
        let mut transaction = doc.transaction();
        make(&mut transaction);
        let hash = transaction.commit().0.unwrap();
        doc.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec()
    };
    makes.iter().map(seed).collect()
}

/// What any user of automerge would do with a change: decode, apply, save, load, read. An error
/// names the source line of the panic.
fn raw(base: &Automerge, chunk: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| {
        let change = automerge::Change::try_from(chunk).ok()?;
        let mut doc = base.clone();
        doc.apply_changes([change]).ok()?;
        let doc = Automerge::load(&doc.save()).ok()?;
        doc.hydrate(None);
        Some(())
    }))
    .map(drop)
    .map_err(|_| LAST_PANIC.lock().unwrap().clone())
}

/// Applies through the gate; checks that the document is unchanged or good, and usable.
fn gated(base: &Document, chunk: &[u8]) -> &'static str {
    let mut doc = base.clone();
    let answer = match doc.apply(&payload::pack(chunk), AUTHOR, |_| true) {
        Ok(Applied::Fresh(_)) => "applied",
        Ok(Applied::AlreadyKnown(_)) => "already known",
        Err(refused) => {
            assert_eq!(doc.heads(), base.heads(), "a refused change left a trace");
            assert_ne!(refused, Refused::Panicked, "a panic passed the gate");
            refused.word()
        }
    };
    assert!(doc.edit(|edit| edit.set("name", "after")).unwrap().is_some());
    answer
}

fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let seed = &seeds[random.below(seeds.len())];
    // Magic, checksum and type stay; the length of a seed takes one or two bytes.
    let body_at = if seed[9] & 0x80 == 0 { 10 } else { 11 };
    let mut body = seed[body_at..].to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(body.len().max(1));
        match random.below(8) {
            0 if !body.is_empty() => body[at] ^= 1 << random.below(8),
            1 if !body.is_empty() => body[at] = random.byte(),
            2 => body.insert(at, random.byte()),
            3 if !body.is_empty() => drop(body.remove(at)),
            4 if !body.is_empty() => body[at] = body[at].wrapping_add(1),
            5 if !body.is_empty() => body[at] = body[at].wrapping_sub(1),
            6 => {
                let numbers: [&[u8]; 6] =
                    [&[0], &[0x7f], &[0xff, 0x00], &[0x80, 0x7f], &[0xff; 5], &[0xff, 0xff, 0x03]];
                let number = numbers[random.below(numbers.len())];
                body.splice(at..at, number.iter().copied());
            }
            _ => {
                let end = (at + random.below(12)).min(body.len());
                let start = at.min(end);
                let part = body[start..end].to_vec();
                let to = random.below(body.len().max(1));
                if random.below(2) == 0 {
                    body.splice(to..to, part);
                } else {
                    body.drain(start..end);
                }
            }
        }
    }
    let kind = if random.below(40) == 0 { random.byte() & 3 } else { seed[8] };
    chunk(kind, &body)
}

/// A chunk with a right length and checksum.
fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    let mut length = body.len();
    while length > 0x7f {
        hashed.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    hashed.push(u8::try_from(length).unwrap());
    hashed.extend_from_slice(body);
    let hash = Sha256::digest(&hashed);
    [&[0x85, 0x6f, 0x4a, 0x83][..], &hash[..4], &hashed].concat()
}

/// A generous guess at the most rows that any run in the chunk claims: the largest number that
/// three or more consecutive bytes spell, after the header and the one dependency.
fn rows_claimed(chunk: &[u8]) -> u64 {
    const COLUMNS_AFTER: usize = 10 + 1 + 32;
    let mut most = 0;
    for start in COLUMNS_AFTER..chunk.len() {
        let (mut number, mut shift) = (0_u64, 0);
        for byte in chunk.iter().skip(start).take(9) {
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        if shift > 14 {
            most = most.max(number);
        }
    }
    most
}

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() >> 56).unwrap()
    }
}
