//! Writes a first corpus: inputs that each decoder takes, for the mutations to start from.
//!
//! ```text
//! cargo run -p fuzz --example seeds -- FOLDER
//! ```
//!
//! Needed again only when a format changes; what libFuzzer finds from there is kept in `corpus`.

#![expect(clippy::unwrap_used, reason = "a tool for developers")]
#![expect(clippy::indexing_slicing, reason = "a tool for developers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use alerts::RuleTable;
use alerts::fact::AlertsRaised;
use consent::fact::ConsentEvent;
use consent::grant::{Grant, GrantTerms};
use consent::id::{GrantId, RevokeId};
use consent::notice::{Capture, Evidence, Notice};
use consent::revoke::{Revoke, RevokeScope, RevokeTerms};
use consent::scope::{Action, Recipient, SetOf};
use directory::{
    Invitation, JoinRequest, JoinResponse, Joined, NodeCertificate, Refusal, RotateRequest, Token,
};
use document::{ActorSeed, Document, payload};
use envelope::{Identity, Sealer};
use sync_protocol::codec;
use sync_protocol::message::{
    AcksStored, Compare, Frame, Live, Message, Purge, Push, PushAck, StreamAck, StreamData,
    StreamPosition, StreamState,
};
use sync_protocol::reconcile::{Asker, Holdings, Question, reply};
use sync_protocol::{Epoch, StreamId};
use vitals::batch::Batch;
use vitals::judge::judge;
use vitals::reading::{Reading, SealedReading};
use vitals::unit::UnitCache;
use vocab::{Compartment, PatientId, Purpose, SiteId, Timestamp};

const BATCH: &str = r#"{"batch_id": "7f3a-0001", "readings": [
{"patient": "ward-p100002", "code": "8310-5", "unit": "Cel", "time": "2026-06-12T17:22:00Z", "value": 40.1, "sequence": 5},
{"patient": "ward-p100002", "code": "59408-5", "unit": "%", "time": "2026-06-12T17:22:00+02:00", "value": "84"},
{"patient": "p1", "code": "8867-4", "unit": "/min", "time": "2026-06-12T17:22:01.5Z", "value": 1.4e2, "more": [1, {"a": null}]},
{"patient": "p1", "code": "2339-0", "unit": "mg/dL", "time": "2026-06-12T17:23:00Z", "value": 55, "sequence": 18446744073709551615},
{"patient": "p1", "code": "8310-5", "unit": "[degF]", "time": "2026-06-12T17:23:00Z", "value": 104.5}]}"#;

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let folder = Path::new(&folder);
    for (target, inputs) in all() {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).unwrap();
        for (place, input) in inputs.iter().enumerate() {
            fs::write(folder.join(format!("seed-{place:02}")), input).unwrap();
        }
    }
}

fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let text = |lines: &[&str]| lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    let segments = segments();
    let frames = frames();
    let bodies = |kind: &[u8]| -> Vec<Vec<u8>> {
        frames.iter().filter(|f| f.starts_with(kind)).map(|f| f[kind.len()..].to_vec()).collect()
    };
    vec![
        ("alerts-fact", alerts()),
        ("batch", text(&[BATCH, r#"{"batch_id":"a","readings":[]}"#])),
        ("bundle", bundles()),
        ("envelope", envelopes()),
        ("certificate", vec![certificate().to_bytes()]),
        ("consent-fact", consents()),
        ("edge-exchange", edge_scripts()),
        ("hub-exchange", hub_scripts()),
        ("lane", vec![vec![3, 3, 1, 0, 4, 0xff, 3, 3, 0, 0, 4, 0xff, 3, 67, 1, 2, 4, 0xff]]),
        (
            "control-answer",
            vec![
                b"{\"ok\":true}\n\0\0\0\x03abc\0\0\0\x01d\0\0\0\0".to_vec(),
                b"{\"error\":\"no such device\"}\n".to_vec(),
                b"\0\0\0\x03abc\xff\xff\xff\xff{\"error\":\"the disk fails\"}\n".to_vec(),
            ],
        ),
        (
            "control-question",
            text(&[
                r#"{"status":{"json":true}}"#,
                r#""flush""#,
                r#""device_list""#,
                r#"{"join":{"invitation":"CAIRN1:AAAA"}}"#,
                r#"{"device_add":{"rows":[{"device_id":"ward-01","kind":"monitor"}]}}"#,
                r#"{"patient_add":{"rows":[{"patient_ref":"p1","name":"Asha Rao","birth_date":"1984-03","sex":"female","phone":"+91 98450 12345"}]}}"#,
                r#"{"consent_grant":{"rows":[{"patient_ref":"p1","site":"south","compartments":"vitals"}]}}"#,
                r#"{"consent_check":{"patient_ref":"p1","site":"south","compartment":"vitals","purpose":"treatment"}}"#,
                r#"{"export":{"what":"vitals","patient":null}}"#,
                r#"{"invite":{"site":"south","advertise":"hub:4433","qr":true}}"#,
                r#"{"shut_out":{"site":"south"}}"#,
            ]),
        ),
        (
            "csv-rows",
            text(&[
                "ddevice_id,kind\nward-01,monitor\nward-02,\"glucose, meter\"\n",
                "ppatient_ref,name,birth_date,sex,phone\np1,Asha Rao,1984-03-02,female,\np2, \"B\"\"x\" ,,,\n",
                "cpatient_ref,site,compartments\np1,south,vitals\n",
            ]),
        ),
        ("device-keys", text(&["ward-01,ck_abc\nward-02,ck_def\n", "\"ward\"\"01\",\"k\"\n"])),
        (
            "digest",
            text(&[
                "",
                ";a=1, unixsum=:AA==:",
                ", md5=:AAAA:, x=(1 2.5 \"s\" tok ?1 @12);p=%\"a\"",
            ]),
        ),
        ("document", documents()),
        (
            "forms",
            text(&[
                "p1\nAsha Rao\n1984-03-02\nfemale\n+91 98450 12345",
                "2\nÉloïse d’Arc\n1984\n\n",
                "2026-06-12T17:22:00.123456789Z",
                "2026-06-12T17:22:00+05:30",
                "ward-06_mon.1",
                "cairn-dev-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ]),
        ),
        ("frame", frames.clone()),
        (
            "framing",
            vec![
                [&[1][..], &[3], b"abc", &[1], b"d"].concat(),
                [&[7][..], &[0x81, 0x01], &[5; 129], &[2, 1]].concat(),
            ],
        ),
        ("header", [bodies(&[2, 0xac, 2, 9]), headers()].concat()),
        (
            "invitation",
            vec![invitation(), b"hub.example.org:4433".to_vec(), b"[2001:db8::7]:4433".to_vec()],
        ),
        ("join", joins()),
        (
            "live",
            vec![
                segments[0].clone(),
                codec::encode(&Live { stream: stream(), values: segments[0].clone() }),
            ],
        ),
        ("purge-receipt", bodies(&[2, 0xac, 2, 21])),
        ("ranges", vec![vec![5, 2, 1, 3, 7, 7, 1, 4, 5], vec![3, 1, 1, 9, 2, 1, 3, 20, 0xff, 1]]),
        ("reconcile", reconciliations()),
        ("recording", vec![recording(false), recording(true)]),
        ("rules", vec![include_bytes!("../../../crates/alerts/rules/vital_signs.toml").to_vec()]),
        (
            "segment",
            segments.iter().flat_map(|s| [s.clone(), s[s.len().min(4)..].to_vec()]).collect(),
        ),
        (
            "settings",
            vec![
                uncommented(edge_node::config::EXAMPLE),
                uncommented(hub::config::EXAMPLE),
                b"[http]\nlisten = \"127.0.0.1:8080\"\n[sync]\nlink = \"narrow\"\n".to_vec(),
            ],
        ),
    ]
}

fn stream() -> StreamId {
    replication::streams::patient_stream(PatientId::from_bytes([1; 16]), Compartment::Vitals)
}

fn readings() -> Vec<Reading> {
    let batch = Batch::parse(BATCH.as_bytes()).unwrap();
    let received = "2026-06-12T17:25:00Z".parse().unwrap();
    judge(&batch, received, &mut UnitCache::default(), |_| Some(PatientId::from_bytes([1; 16])))
        .into_iter()
        .filter_map(|judged| match judged {
            vitals::judge::Judged::Accepted(reading) => Some(reading),
            vitals::judge::Judged::Quarantined(_) | vitals::judge::Judged::Rejected(_) => None,
        })
        .collect()
}

fn segments() -> Vec<Vec<u8>> {
    let device = "d".parse().unwrap();
    let few: Vec<SealedReading> = readings().iter().map(Reading::sealed).collect();
    let mut many = Vec::new();
    for minute in 0..40 {
        for reading in &few {
            let time = reading.time.plus_seconds(60 * minute);
            many.push(SealedReading { time, ..reading.clone() });
        }
    }
    [&few[..1], &few, &many]
        .map(|readings| vitals::segment::encode(&device, readings).unwrap())
        .to_vec()
}

fn alerts() -> Vec<Vec<u8>> {
    let table = RuleTable::built_in().unwrap();
    let alerts: Vec<_> = readings().iter().filter_map(|reading| table.judge(reading)).collect();
    let fact = |alerts: &[alerts::Alert]| {
        AlertsRaised { device: "d".parse().unwrap(), rules_version: 1, alerts: alerts.to_vec() }
            .to_bytes()
    };
    vec![fact(&alerts), fact(&alerts[..1])]
}

fn consents() -> Vec<Vec<u8>> {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let evidence = Evidence { capture: Capture::Spoken, witness: Some(3) };
    let terms = |recipient, acks: BTreeSet<RevokeId>| GrantTerms {
        draw: [1; 16],
        patient: PatientId::from_bytes([2; 16]),
        recipient,
        compartments: SetOf::of(&[Compartment::Vitals]),
        purposes: SetOf::of(&Purpose::ALL),
        actions: SetOf::of(&[Action::View, Action::Replicate]),
        granted_at: now,
        valid_from: now,
        valid_to: Some(now.plus_seconds(3_600)),
        notice: Notice { version: 1, language: "eng".parse().unwrap() },
        evidence,
        acks,
        grantor: consent::Grantor::Patient,
        offline: None,
    };
    let acks = [RevokeId::from_bytes([3; 32]), RevokeId::from_bytes([4; 32])].into();
    let grants = [
        terms(Recipient::Site(SiteId::from_bytes([5; 16])), acks),
        terms(Recipient::AnySite, BTreeSet::new()),
    ];
    let revoke = |scope| RevokeTerms {
        draw: [1; 16],
        patient: PatientId::from_bytes([2; 16]),
        scope,
        revoked_at: now,
        evidence,
    };
    let revokes = [
        revoke(RevokeScope::Grants([GrantId::from_bytes([3; 32])].into())),
        revoke(RevokeScope::Site(SiteId::from_bytes([5; 16]))),
        revoke(RevokeScope::Everything),
    ];
    let grants = grants.map(|terms| ConsentEvent::Grant(Grant::new(terms).unwrap()).to_bytes());
    let revokes = revokes.map(|terms| ConsentEvent::Revoke(Revoke::new(terms).unwrap()).to_bytes());
    grants.into_iter().chain(revokes).collect()
}

fn certificate() -> NodeCertificate {
    NodeCertificate {
        site: SiteId::from_bytes([1; 16]),
        site_name: "south".parse().unwrap(),
        node_key: [2; 32],
        tls_key: [3; 32],
        issued_at: Timestamp::from_millis(1_800_000_000_000),
        succeeds: None,
    }
}

fn joins() -> Vec<Vec<u8>> {
    let request = JoinRequest { token: Token::new([1; 16]), node_key: [2; 32], signature: [3; 64] };
    let joined = Joined { hub_node_key: [4; 32], certificate: certificate() };
    let key = sync_protocol::signature::node_id(&[1; 32]).0;
    vec![
        request.to_bytes().to_vec(),
        RotateRequest::sign(&[1; 32], &[2; 32], &[3; 32], &[4; 32]).to_bytes(),
        JoinResponse::Accepted(joined).to_bytes(),
        JoinResponse::Refused(Refusal::TooManyTries { retry_after_s: 60 }).to_bytes(),
        transport::identity::encode_spki(&key).to_vec(),
    ]
}

fn invitation() -> Vec<u8> {
    let invitation = Invitation {
        hub_address: "hub.example.org:4433".parse().unwrap(),
        hub_tls_key: [5; 32],
        token: Token::new([6; 16]),
    };
    invitation.to_string().into_bytes()
}

fn documents() -> Vec<Vec<u8>> {
    let (base_author, other, author) =
        (ActorSeed::new([1; 16]), ActorSeed::new([3; 16]), ActorSeed::new([2; 16]));
    // As in the target.
    let mut base = Document::new(base_author);
    let first = base.edit(|edit| {
        edit.set("name", "base");
        edit.set("count", 7);
    });
    let first = first.unwrap().unwrap();
    let mut theirs = Document::new(other);
    theirs.apply(&first.payload, base_author, |_| true).unwrap();
    let theirs = theirs.edit(|edit| edit.set("name", "theirs")).unwrap().unwrap();
    let ours = base.clone().edit(|edit| edit.set("name", "ours")).unwrap().unwrap();

    let mut inputs = Vec::new();
    let mut add = |place: u8, payload: &[u8]| {
        inputs.push([&[place][..], payload].concat());
        let Ok(raw) = payload::unpack(payload) else { return };
        inputs.push([&[place | 1 << 2][..], &raw].concat());
        if raw.len() > 12 {
            let body_at = if raw[9] & 0x80 == 0 { 10 } else { 11 };
            inputs.push([&[place | 3 << 2][..], &raw[body_at..]].concat());
        }
    };
    for place in 0..3 {
        let mut doc = Document::new(author);
        if place > 0 {
            doc.apply(&first.payload, base_author, |_| true).unwrap();
        }
        if place > 1 {
            doc.apply(&ours.payload, base_author, |_| true).unwrap();
            doc.apply(&theirs.payload, other, |_| true).unwrap();
        }
        let edits: [fn(&mut document::Edit); 3] = [
            |edit| edit.set("name", "next"),
            |edit| {
                edit.set("name", "next");
                edit.clear("count");
                edit.set("phone", "12345");
                edit.set("ref/1", -70_000);
            },
            |edit| (0..12).for_each(|n| edit.set(&format!("f{n:02}"), n)),
        ];
        for edit in edits {
            if let Ok(Some(change)) = doc.clone().edit(edit) {
                add(place, &change.payload);
            }
        }
    }
    let hostile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/document/hostile");
    for file in fs::read_dir(hostile).unwrap() {
        let payload = fs::read(file.unwrap().path()).unwrap();
        if payload.len() < 2_048 {
            add(1, &payload);
        }
    }
    inputs
}

fn recording(packed: bool) -> Vec<u8> {
    let rows = "device_id,patient_ref,code,unit,time,value\n\
        ward-01,p1,8310-5,Cel,2026-06-12T17:22:00Z,36.1\n\
        ward-01,\"p, 2\",8867-4,/min,2026-06-12T17:22:00Z,84\n";
    if !packed {
        return rows.as_bytes()[43..].to_vec();
    }
    // Stored, not deflated: a gzip member that mutations can reach into.
    let length = u16::try_from(rows.len()).unwrap();
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    member.extend(length.to_le_bytes());
    member.extend((!length).to_le_bytes());
    member.extend(rows.as_bytes());
    member
}

fn uncommented(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| line.strip_prefix("#! ").unwrap_or(line));
    lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n").into_bytes()
}

/// The golden bytes of the protocol whose name begins so.
fn golden(prefix: &str) -> Vec<Vec<u8>> {
    let text = include_str!("../../../sync-protocol/tests/golden/v1.json");
    let all: std::collections::BTreeMap<String, String> = serde_json::from_str(text).unwrap();
    let chosen = all.iter().filter(|(name, _)| name.starts_with(prefix));
    chosen.map(|(_, hex)| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()).collect()
}

fn frames() -> Vec<Vec<u8>> {
    golden("frame/")
}

/// Records that a bundle carries up, and such that it carries down.
fn bundles() -> Vec<Vec<u8>> {
    let position = StreamPosition { stream: STREAM, version: 1, to_idx: 4 };
    let state = StreamState { stream: STREAM, count: 2, sum: [7; 16] };
    let up: Vec<Message> = vec![
        StreamAck { number: 3, positions: vec![position] }.into(),
        Compare { streams: vec![state], more: true }.into(),
        Compare { streams: vec![state], more: false }.into(),
    ];
    let down: Vec<Message> = vec![
        PushAck { durable: vec![(Epoch(5), 9)], ..PushAck::default() }.into(),
        AcksStored { number: 3 }.into(),
        Purge { stream: STREAM, version: 2 }.into(),
    ];
    let push = Push { epoch: Epoch(5), chains: Vec::new(), entries: Vec::new() };
    let run = StreamData {
        stream: STREAM,
        version: 1,
        from_idx: 0,
        to_idx: 3,
        head_sum: Some([9; 16]),
        chains: Vec::new(),
        entries: Vec::new(),
    };
    [(0, up, Message::from(push)), (1, down, run.into())]
        .into_iter()
        .map(|(way, control, last)| {
            let mut input = vec![way];
            let mut put = |class: u8, number: u32, message: &Message| {
                let frame = Frame::encode(0, number, message);
                let length = u16::try_from(frame.len() + 1).unwrap();
                input.extend_from_slice(&length.to_be_bytes());
                input.push(class);
                input.extend_from_slice(&frame);
            };
            for (number, message) in (0..).zip(&control) {
                put(0, number, message);
            }
            put(3, 0, &last);
            input
        })
        .collect()
}

const STREAM: StreamId = StreamId { scope: 1, subject: [7; 16], compartment: 3, generation: 0 };

/// Files for the reader of the target, for others, and a key.
fn envelopes() -> Vec<Vec<u8>> {
    let reader = Identity::of_signing_seed(&[2; 32]).recipient();
    let other = Identity::of_signing_seed(&[3; 32]).recipient();
    let seal = |content: &[u8], recipients: &[envelope::Recipient]| {
        let mut next = 0_u8;
        let mut fill = |bytes: &mut [u8]| {
            for byte in bytes {
                next = next.wrapping_mul(41).wrapping_add(7);
                *byte = next;
            }
        };
        let mut sealer = Sealer::new(Vec::new(), recipients, &mut fill).unwrap();
        std::io::Write::write_all(&mut sealer, content).unwrap();
        sealer.finish().unwrap()
    };
    vec![
        seal(b"content", &[reader]),
        seal(b"", &[other, reader]),
        seal(&[5; 66_000], &[reader]),
        seal(b"content", &[other]),
        reader.to_string().into_bytes(),
    ]
}

fn headers() -> Vec<Vec<u8>> {
    golden("chain/").into_iter().filter(|bytes| bytes.len() == 163).collect()
}

/// A greeting, its answer, pushes of own entries and storage's answers, an acknowledgement.
/// Questions and answers of two sides, and scripts in which the asking side hears them.
fn reconciliations() -> Vec<Vec<u8>> {
    let held = |from: u8, to: u8| {
        let state = |number: u8| StreamState {
            stream: StreamId { subject: [number; 16], generation: 0, ..stream() },
            count: 1,
            sum: [number; 16],
        };
        Holdings::new(&(from..to).map(state).collect::<Vec<_>>())
    };
    let mut inputs = Vec::new();
    for theirs in [held(0, 200), held(1, 200), held(0, 90), held(0, 0)] {
        let mut asker = Asker::new(held(0, 200));
        while let Some((number, pieces)) = asker.ask() {
            let question = Question::read(&pieces).unwrap();
            let lists =
                question.lists().map(|(span, list)| theirs.differing(&span, list)).collect();
            let answer = reply(&question, &theirs, lists);
            asker.answered(number, &answer).unwrap();
            let (asked, answered) = (codec::encode(&pieces), codec::encode(&answer));
            let long = u8::try_from(answered.len() >> 8).unwrap_or(0x7f) | 0x80;
            let short = u8::try_from(answered.len() & 0xff).unwrap_or(0);
            inputs.push([[9, 1, long, short].as_slice(), &answered].concat());
            inputs.extend([asked, answered]);
        }
    }
    inputs.sort();
    inputs.dedup();
    inputs.retain(|input| input.len() < 4_096);
    inputs.truncate(40);
    inputs
}

fn hub_scripts() -> Vec<Vec<u8>> {
    let hello: &[u8] = &[0, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0];
    let welcome: &[u8] = &[&[8, 0, 1, 0, 0, 0][..], &[0; 32]].concat();
    let push: &[u8] = &[0, 3, 4, 3, 1, 0, 4, 0xff, 1, 0];
    let ingested: &[u8] = &[8, 4, 1, 3, 4, 9, 0];
    let no_purges: &[u8] = &[8, 0];
    let runs: &[u8] = &[8, 1, 3, 3, 0, 4, 0xff, 1, 0, 4, 0];
    let ack: &[u8] = &[0, 0, 7, 1, 1, 1, 3, 4, 0];
    let compare: &[u8] = &[0, 0, 8, 1, 3, 4, 9, 0, 0];
    let full: &[u8] = &[0, 0, 6, 3, 1, 0, 1, 0xff, 1, 0];
    let steady = [hello, welcome, no_purges, runs].concat();
    vec![
        [&steady, push, ingested, ack, &[8, 8], compare, &[8, 0], full].concat(),
        [&steady, full, &[8, 1, 0, 0], &[12, 0xfb], push, &[15, 0]].concat(),
    ]
}

/// A greeting and its answer, pages of own entries, runs of others and storage's answers.
fn edge_scripts() -> Vec<Vec<u8>> {
    let hello: &[u8] = &[7, 1, 0, 0, 0, 0];
    let ack: &[u8] = &[0, 0, 3, 0, 1, 0, 0, 0, 0, 1, 0];
    let marked: &[u8] = &[7, 0];
    let feed: &[u8] = &[7, 0, 0, 0, 0];
    let page: &[u8] = &[7, 3, 0, 4, 0xff, 1];
    let run: &[u8] = &[0, 3, 6, 3, 1, 0, 4, 0xff, 1, 0, 4, 0, 0];
    let applied: &[u8] = &[7, 3, 4, 0, 0];
    let push_ack: &[u8] = &[0, 0, 4, 1, 1, 2, 1, 2, 0, 1, 3, 4, 9, 1, 2, 1, 1, 1, 0];
    let need: &[u8] = &[0, 0, 9, 1, 1, 0];
    let purge: &[u8] = &[0, 2, 10, 3, 2, 0];
    let steady = [hello, ack, marked, feed].concat();
    let pages = [page, page, page, page, page].concat();
    vec![
        [&steady, &pages, run, applied, push_ack, need, &[7, 0], purge, &[7, 1]].concat(),
        [&steady, run, run, applied, &[12, 0xfb], &pages, need, push_ack, &[15, 0]].concat(),
    ]
}
