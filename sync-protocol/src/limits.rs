//! Every bound of the protocol, with its reason. A peer that passes one is refused before anything
//! is allocated for it.

/// Longest payload of one entry.
///
/// A sealed segment of 65,536 readings at 8 bytes stays below 1 MiB; a change of a shared record is
/// a few hundred bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Longest frame: one payload of the longest kind with its header, handle definition and framing.
pub const FRAME_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 4 * 1024;

/// Frames are filled up to here; longer only when a single entry is. A frame is what one class can
/// delay another by inside the scheduler: 16 KiB take 2 s at 64 kbit/s, and loopback carries
/// thousands of them a second.
pub const FRAME_BYTES_TARGET: usize = 16 * 1024;

/// Entries in one frame.
pub const FRAME_ENTRIES_MAX: usize = 1_024;

/// Chains a lane keeps handles for. Beyond it the sender starts the lane's table anew.
pub const LANE_CHAINS_MAX: usize = 65_536;

/// Epochs named in one greeting: one per start since the hub last confirmed everything. An edge
/// that restarts hourly for two months offline has 1,440.
pub const HELLO_EPOCHS_MAX: usize = 4_096;

/// Starts named in one greeting's history: since the hub last confirmed one. Of more, the newest and
/// the confirmed one are named; the hub has seen none of those between.
pub const HELLO_STARTS_MAX: usize = 64;

/// Acknowledgements repeated in one greeting.
pub const HELLO_ACKS_MAX: usize = 16_384;

/// Streams in one `Compare` frame: 20 + 5 + 16 bytes each keep it below 64 KiB.
pub const COMPARE_STREAMS_MAX: usize = 1_024;

/// Longest unlogged live message.
pub const LIVE_BYTES_MAX: usize = 2_048;

/// Live messages that wait for a screen; older ones are replaced by newer anyway.
pub const LIVE_WAITING_MAX: usize = 64;

/// Bytes that an edge sends ahead of their acknowledgement. Two round trips of a 600 ms, 20 Mbit/s
/// link; memory of a session stays within it whatever the backlog is.
pub const PUSH_WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of urgent entries sent ahead; small, so that a new urgent entry waits behind little: 1 s at
/// 64 kbit/s. At a round trip of 100 ms it is 400 alerts a second.
pub const URGENT_WINDOW_BYTES: usize = 8 * 1024;

/// Bytes of stream data that a hub sends one edge ahead of its acknowledgement.
pub const FEED_WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// What one read of stored entries may bring into memory.
pub const PAGE_BYTES: usize = 256 * 1024;

/// An entry or page that nobody acknowledged for so long, beyond the time that what was sent before
/// it needs on the slowest link, is sent again (milliseconds). Longer than any round trip of a link
/// that still carries a conversation.
pub const RESEND_AFTER_MS: u64 = 10_000;

/// How often that pause doubles, at most: to ten minutes.
pub const RESEND_DOUBLINGS_MAX: u32 = 6;

/// What the slowest link still carries in a millisecond: 16 kbit/s, half of a 64 kbit/s line that
/// loses every fifth packet. A full window of 4 MiB is waited for 35 minutes.
pub const SLOWEST_BYTES_PER_MS: u64 = 2;

/// First pause before an entry is sent again whose predecessor the hub misses (milliseconds); it
/// doubles with every further time.
pub const GAP_RETRY_MS: u64 = 1_000;

/// How often such an entry is sent before it is left alone for a while: after two minutes its
/// predecessor is not late but refused, or another node has to send something first.
pub const GAP_TRIES_MAX: u32 = 7;

/// How long it is left alone.
pub const GAP_REST_MS: u64 = 600_000;

/// Questions to storage that may be open before no further frame is taken from the peer. At 16 KiB
/// each they keep a busy writer in work.
pub const OPS_OPEN_MAX: usize = 64;

/// Orders to let a stream go that may wait for their receipts at once.
pub const PURGES_OPEN_MAX: usize = 256;

/// Terms of streams in one message: 256 of some 30 bytes each are half a frame's usual length.
pub const GRANTS_MAX: usize = 256;
/// Reconciliations that a hub's process answers at once. Each holds what is on record of an edge: 11 MB
/// of 300,000 streams, and 36 MB of the million that can be compared; with open questions and answers,
/// which stay below 6 MiB.
pub const RECONCILIATIONS_MAX: usize = 4;

/// When an edge that finds no place may ask again (milliseconds); up to 5 s more, by its key.
pub const RECONCILE_RETRY_MS: u32 = 5_000;

/// The longest pause that an edge takes from a hub that is busy (milliseconds).
pub const RECONCILE_PAUSE_MS_MAX: u32 = 600_000;

/// An edge that asks nothing for so long gives up its place (milliseconds): more than an answer takes
/// on a link that still carries a conversation.
pub const RECONCILE_IDLE_MS: u64 = 60_000;

/// Answers to a reconciliation that may wait for an edge that does not read them (bytes). An honest one
/// has [`OPEN_MAX`](crate::reconcile::OPEN_MAX) questions open, whose answers are smaller together.
pub const RECONCILE_ANSWERS_MAX: usize = 2 * 1024 * 1024;

/// Streams that one write of the hub starts over, so that other writes go between.
pub const SETTLE_STREAMS_MAX: usize = 1_024;

/// Ids in one offer of entries that the hub may have lost: 16 bytes each are 8 KiB.
pub const OFFER_IDS_MAX: usize = 512;

/// The greeting must be answered within this time (milliseconds).
pub const GREETING_TIMEOUT_MS: u64 = 30_000;

/// Bytes of answers that may wait at the hub for an edge that does not read them. An honest edge has
/// [`PUSH_WINDOW_BYTES`] under way, whose answers are a fraction of that.
pub const HUB_ANSWERS_WAITING_MAX: usize = 2 * PUSH_WINDOW_BYTES;

/// The same at the edge, whose comparison of a million streams takes some 50 MiB. An honest hub never
/// stops reading before that is sent, so the two never wait for each other.
pub const EDGE_ANSWERS_WAITING_MAX: usize = 64 * 1024 * 1024;

/// Acknowledged positions, streams and verdicts that wait at the edge for storage to record others.
pub const MARKS_WAITING_MAX: usize = 64 * 1024;

const _: () = assert!(FRAME_BYTES_TARGET < FRAME_BYTES_MAX);
const _: () = assert!(PAGE_BYTES <= PUSH_WINDOW_BYTES && PAGE_BYTES <= FEED_WINDOW_BYTES);
const _: () = assert!(FRAME_ENTRIES_MAX <= LANE_CHAINS_MAX);
