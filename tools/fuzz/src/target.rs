//! The list of targets.

use crate::targets::{
    bundles, control, documents, edge_exchange, facts, files, forms, hub_exchange, joining, lanes,
    live, mending, protocol, vitals,
};

/// A decoder under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus`.
    pub name: &'static str,
    /// Decodes what it is given; panics where a promise is broken.
    pub run: fn(&[u8]),
    /// Most bytes on the heap at once while one input is decoded, what the target itself keeps
    /// included.
    pub heap_bytes_max: usize,
}

const MIB: usize = 1024 * 1024;

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, heap_bytes_max: 16 * MIB }
}

/// Every target, by name.
pub const TARGETS: &[Target] = &[
    target("alerts-fact", facts::alerts),
    target("batch", vitals::batch),
    Target { heap_bytes_max: 64 * MIB, ..target("bundle", bundles::records) },
    target("certificate", facts::certificate),
    target("consent-fact", facts::consent),
    target("control-answer", control::answer),
    target("control-question", control::question),
    target("csv-rows", files::rows),
    target("device-keys", files::keys),
    target("digest", vitals::digest),
    Target { heap_bytes_max: 64 * MIB, ..target("document", documents::change) },
    Target { heap_bytes_max: 64 * MIB, ..target("edge-exchange", edge_exchange::converse) },
    target("envelope", bundles::envelope),
    target("forms", forms::forms),
    target("frame", protocol::frame),
    target("framing", protocol::framing),
    target("header", protocol::header),
    Target { heap_bytes_max: 64 * MIB, ..target("hub-exchange", hub_exchange::converse) },
    target("invitation", joining::invitation),
    target("join", joining::join),
    target("lane", lanes::lane),
    target("live", live::live),
    target("purge-receipt", protocol::purge_receipt),
    target("ranges", protocol::ranges),
    target("reconcile", mending::reconcile),
    Target { heap_bytes_max: 64 * MIB, ..target("recording", files::recording) },
    target("rules", files::rules),
    Target { heap_bytes_max: 64 * MIB, ..target("segment", vitals::segment) },
    target("settings", files::settings),
];

/// The target of this name; without one, the build of who asks fails.
///
/// # Panics
///
/// When there is no such target.
#[must_use]
pub const fn named(name: &str) -> &'static Target {
    let mut rest = TARGETS;
    while let Some((first, others)) = rest.split_first() {
        if same(first.name.as_bytes(), name.as_bytes()) {
            return first;
        }
        rest = others;
    }
    panic!("there is no target of this name")
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let (Some((x, a_rest)), Some((y, b_rest))) = (a.split_first(), b.split_first()) {
        if *x != *y {
            return false;
        }
        (a, b) = (a_rest, b_rest);
    }
    a.is_empty() && b.is_empty()
}
