//! The targets, by what they read.

pub(crate) mod bundles;
pub(crate) mod control;
pub(crate) mod documents;
pub(crate) mod edge_exchange;
pub(crate) mod facts;
pub(crate) mod files;
pub(crate) mod forms;
pub(crate) mod hub_exchange;
pub(crate) mod joining;
pub(crate) mod lanes;
pub(crate) mod live;
pub(crate) mod mending;
pub(crate) mod protocol;
pub(crate) mod vitals;
