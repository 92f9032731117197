//! Every bound of the program. Bounds that lean on each other are checked by the compiler.

use super::time::Span;
use super::unit::ByteCount;

/// Direct I/O's unit on every device we know, and the journal's.
pub const ALIGN_BYTES: ByteCount = ByteCount::kib(4);

/// A segment file of a journal.
pub const SEGMENT_BYTES: ByteCount = ByteCount::mib(128);

/// Memory in which consecutive groups of a journal gather, written from and then read from.
pub const CHUNK_BYTES: ByteCount = ByteCount::mib(2);

/// The most that one write and flush carries, save an entry that alone is larger.
pub const GROUP_BYTES_MAX: ByteCount = ByteCount::mib(1);

/// Memory of one journal for the footers of its sealed segments (`index.cache.bytes`).
pub const INDEX_CACHE_BYTES: ByteCount = ByteCount::mib(128);

/// A journal's cache begins with so much memory, and takes as much as the second of these as soon
/// as it has use for it (`journal::growth`).
pub const CACHE_START_BYTES: ByteCount = ByteCount::mib(16);
pub const CACHE_FLOOR_BYTES: ByteCount = ByteCount::mib(64);

/// Memory that is made ready for one core ahead of need, at most.
pub const READY_BYTES_MAX: ByteCount = ByteCount::mib(64);

/// What a journal keeps of segments that were read whole for readers behind the tail, unless such
/// readers come back for what it no longer has; an eighth of its cache if that is less.
pub const COLD_FLOOR_BYTES: ByteCount = ByteCount::mib(64);

/// Free space of the file system that producers may not use, so that deletes can go on.
pub const RESERVE_BYTES: ByteCount = ByteCount::mib(512);

/// Staged, not yet written: beyond it producers wait.
pub const STAGED_BYTES_MAX: ByteCount = ByteCount::mib(32);

/// Groups of one journal handed to the device and not yet durable: the second gains 30 to 60 % at
/// 64 to 256 KiB (`runtime::disk`).
pub const JOURNAL_GROUPS_IN_FLIGHT: usize = 2;

/// A group's write is durable by itself (O_DSYNC); false: a flush follows each write.
pub const JOURNAL_WRITES_DURABLE: bool = true;

/// Written and not flushed, because nobody waits for the flush: at half of it a flush begins, and
/// at all of it groups wait for that flush. A start after a kill writes as much again.
pub const UNFLUSHED_BYTES_MAX: ByteCount = ByteCount::mib(128);

/// What nobody waits for is flushed after this long at the latest, whatever `flush.ms` says.
pub const UNFLUSHED_WAIT_MAX: Span = Span::seconds(1);

/// A journal that has nothing more to write ends with an empty group after this long, so that all
/// it acknowledged is claimed as flushed by something on disk.
pub const JOURNAL_SEAL_WAIT: Span = Span::millis(50);

/// While a segment whose footer is damaged is indexed anew, the device may refuse so many places;
/// with more of them it is the device that is broken.
pub const UNREADABLE_IN_RESCAN_MAX: u32 = 64;

/// A place that can not be read, or brings bytes that are not what was written, is read again so
/// often before anything is decided by it: a device may be wrong once.
pub const READ_TRIES: u32 = 3;

/// A start reads so many places of one file again in all, so that a file full of foreign bytes
/// does not cost minutes.
pub const READS_AGAIN_MAX: u32 = 1_000;

/// With more unreadable units than these in one file the device, and not a place, is broken: the
/// shard does not start.
pub const UNREADABLE_UNITS_MAX: u32 = 4_096;

/// No group is believed to hold more indexes: as many as the largest batch has bytes, so that only
/// a batch that is compressed to less than a seventh could hold more records.
pub const LOST_GROUP_INDEXES: i64 = 64 << 20;

/// What the journal knows of one stream part by part; what is older is folded. 56 bytes each.
pub const STREAM_PARTS_MAX: usize = 32;
/// Pieces of folded parts that are kept for readers, of all streams together: 4 MiB.
pub const UNFOLDED_PIECES_MAX: usize = 64 << 10;

/// A round of a checkpoint takes one share of the streams, of so many shares,
pub const CHECKPOINT_SHARES: u32 = 16;

/// but at least so many streams: few are checkpointed whole each time.
pub const CHECKPOINT_STREAMS_MIN: u32 = 4096;

/// Of the files that retention frees, as many are kept as segments began within this span: two
/// rounds of retention.
pub const JOURNAL_SPARES_SPAN: Span = Span(2 * TICK_WAIT.0);

/// The pause between removals of files: a shard gives back up to five segments a second.
pub const JOURNAL_REMOVE_WAIT: Span = Span::millis(200);

/// A journal that lacks space asks for it again after this long.
pub const JOURNAL_SPACE_WAIT: Span = Span::seconds(1);

/// The largest record batch that any topic may allow.
pub const BATCH_BYTES_MAX: ByteCount = ByteCount::mib(64);

/// How many bytes of records, decompressed, are walked in one step for a time that their batch's
/// header does not state.
pub const TIME_WALK_BYTES_MAX: ByteCount = ByteCount::mib(1);

/// The most bytes of one request frame (`socket.request.max.bytes`).
pub const FRAME_BYTES_MAX: ByteCount = ByteCount::mib(100);

/// The sizes through which memory for one frame grows as its bytes arrive. Beyond the last the
/// frame gets room for all of it: addresses, to which the kernel gives memory as bytes arrive.
/// Growing further by copying cost others on the core 20 ms a time.
pub const FRAME_ROOM_CLASSES: [ByteCount; 3] =
    [ByteCount::kib(4), ByteCount::kib(64), ByteCount::mib(1)];

/// A block above this size is in no free list: its memory comes from the kernel, page by page as it
/// is written, or from the last block as large (`runtime::fresh`).
pub const POOLED_BYTES_MAX: ByteCount = ByteCount::mib(4);

/// A receive takes at most this much, so that one connection's bytes do not hold up a turn; and
/// into memory that is touched for the first time, which costs ten times as much, only so much.
pub const RECEIVE_BYTES_MAX: ByteCount = ByteCount::kib(512);
pub const FRESH_RECEIVE_BYTES_MAX: ByteCount = ByteCount::kib(256);

/// Memory of one shard for frames in progress and requests under way (`request.memory.bytes`).
pub const REQUEST_MEMORY_BYTES: ByteCount = ByteCount::mib(256);

/// The least of it: the largest frame, and a little for everybody else.
pub const REQUEST_MEMORY_BYTES_MIN: ByteCount = ByteCount::mib(104);

/// Replies to fetches have as much again: one is offered at most this part of what is left, and
/// never less than these bytes.
pub const REPLY_SHARE: u64 = 4;
pub const REPLY_BYTES_MIN: ByteCount = ByteCount::kib(64);

/// Frames up to this size may use the last quarter of that memory.
pub const SMALL_FRAME_BYTES: ByteCount = ByteCount::mib(2);

/// While that memory is short, a partial frame that could be read is given up if nothing of it came
/// for the first of these, or if it is not whole after the second: clients that stop in the middle
/// of a frame must not stop the others.
pub const SHORT_MEMORY_SILENCE: Span = Span::seconds(5);
pub const SHORT_MEMORY_WAIT: Span = Span::seconds(60);

/// The requests, and the bytes of them, that one connection may have decoded in one turn.
pub const REQUESTS_PER_TURN_MAX: usize = 64;
pub const REQUEST_BYTES_PER_TURN_MAX: ByteCount = ByteCount::mib(1);

/// The bytes of requests that a shard decodes in one turn: more would only wait for the device,
/// while replies wait for the turn to end.
pub const TURN_BYTES_MAX: ByteCount = ByteCount::mib(4);

/// Topics and partitions that one turn adds to a reply with all of them: 140,000 take about 30 ms
/// of encoding, so this many take a quarter of one, which is a turn's share.
pub const METADATA_ENTRIES_PER_TURN_MAX: usize = 1_000;

/// Batches that one turn takes from a large Produce: checking and staging this much takes about
/// 0.2 ms. A batch that is larger is taken whole.
pub const PRODUCE_BYTES_PER_TURN_MAX: ByteCount = ByteCount::mib(1);

/// What a shard tells of itself in numbers is at most so old.
pub const READINGS_WAIT: Span = Span::millis(100);

/// One send to a peer carries at most about this much; its end is a sign of life.
pub const SEND_BYTES_MAX: ByteCount = ByteCount::mib(1);

/// Questions to other shards that may await their answers, those of waiting fetches aside.
/// Beyond it no connection of the shard is read.
pub const MESH_CALLS_MAX: usize = 4_096;

/// Requests other than Produce have no reason to be larger.
pub const FRAME_BYTES_MAX_BUT_PRODUCE: ByteCount = ByteCount::mib(16);

/// The resources that one DescribeConfigs may ask for: each may be worth 10 KB of reply.
pub const DESCRIBED_RESOURCES_MAX: usize = 10_000;

/// The partitions that one DescribeTopicPartitions shows (`max.request.partition.size.limit`).
pub const DESCRIBED_PARTITIONS_MAX: usize = 2_000;

/// The elements that one decoded request may have, all arrays together.
pub const DECODED_ELEMENTS_MAX: u32 = 200_000;

/// The requests of one connection that may await their replies.
pub const REQUESTS_PER_CONNECTION_MAX: usize = 64;

/// Bytes of replies queued on one connection before it is read no further.
pub const UNSENT_BYTES_MAX: ByteCount = ByteCount::mib(8);

/// Descriptors that a broker needs for itself and a few clients: rings, journals, listeners.
pub const OPEN_FILES_MIN: u64 = 256;

/// Locked memory below which the executor refuses to start.
pub const LOCKED_MEMORY_BYTES_MIN: ByteCount = ByteCount::kib(512);

/// The connections of one shard.
pub const CONNECTIONS_PER_SHARD_MAX: usize = 15_000;

/// Fetch sessions of one process, if nobody says otherwise
/// (`max.incremental.fetch.session.cache.slots`).
pub const FETCH_SESSIONS_MAX: usize = 1_000;

/// The partitions of one fetch session, and of all of a shard.
pub const FETCH_SESSION_PARTITIONS_MAX: usize = 200_000;
pub const FETCH_SESSION_PARTITIONS_PER_SHARD_MAX: usize = 1_000_000;

/// A fetch session that was not used for so long may give way to another (Kafka: two minutes).
pub const FETCH_SESSION_IDLE: Span = Span::seconds(120);

/// The partitions of a fetch session that one look of an incremental fetch asks for at most, before
/// it is known whether they have enough.
pub const FETCH_SESSION_PARTS_PER_LOOK: usize = 4_096;

/// A fetch's reply carries at most this many bytes of records, whatever the client asks.
pub const FETCH_BYTES_MAX: ByteCount = ByteCount::mib(64);

/// The partitions of one topic.
pub const PARTITIONS_PER_TOPIC_MAX: u32 = 200_000;

/// The partitions of one node.
pub const PARTITIONS_PER_NODE_MAX: u32 = 1_000_000;

/// Batches per producer and partition that are remembered, to recognise a retry (Kafka: 5).
pub const PRODUCER_BATCHES_KEPT: usize = 5;

/// Producers remembered per partition; the one that wrote longest ago is forgotten first.
pub const PRODUCERS_PER_PARTITION_MAX: usize = 10_000;

/// A stop waits at most this long for replies that are owed: the process is to end within ten
/// seconds, with all of it flushed and sealed.
pub const STOP_WAIT: Span = Span::seconds(8);

/// A connection that is idle this long is closed (`connections.max.idle.ms`).
pub const IDLE_WAIT: Span = Span::seconds(600);

/// Connections are not looked at more often than this, however short their idle time.
pub const IDLE_LOOK_WAIT_MIN: Span = Span::millis(100);

/// How often a shard looks after retention and forgotten producers.
pub const TICK_WAIT: Span = Span::seconds(5);

/// A peer that takes nothing of its replies for this long is closed.
pub const STALLED_SEND_WAIT: Span = Span::seconds(60);

/// A refused connection is read, and what it sends thrown away, for so long or so much: a socket
/// closed with unread bytes would be reset, and replies on their way to the peer lost.
pub const LINGER_WAIT: Span = Span::seconds(2);
pub const LINGER_BYTES_MAX: ByteCount = ByteCount::mib(4);

/// Connections of a listener that was closed have so long for the replies that they are owed.
pub const LISTENER_END_WAIT: Span = Span::seconds(5);

/// `listener.ids.max`: the broker ids that one node shows; more shards share them.
pub const LISTENER_IDS_MAX: u16 = 8;

/// A connection moves again only if over 90 % of so many requests belong to one other shard, and
/// at most once in so long.
pub const STEERING_REQUESTS: usize = 64;
pub const STEERING_WAIT: Span = Span::seconds(10);

/// How many clients a shard remembers whose connections need not say who they are.
pub const INTRODUCED_MAX: usize = 256;

/// A connection that has not sent one whole request after this long is closed.
pub const HANDSHAKE_WAIT: Span = Span::seconds(10);

/// Memory of one shard for groups, members and committed offsets: beyond it new ones are refused.
pub const GROUP_MEMORY_BYTES: ByteCount = ByteCount::mib(256);

/// Records, and bytes of them, in one batch when the live state of a partition of
/// `__consumer_offsets` is written again. Its topic takes batches of 1 MiB.
pub const GROUP_REWRITE_RECORDS: usize = 1_000;
pub const GROUP_REWRITE_BYTES: ByteCount = ByteCount::kib(256);

/// What is read at once of `__consumer_offsets` at a start.
pub const GROUP_LOAD_BYTES: ByteCount = ByteCount::mib(1);

const _: () = assert!(SEGMENT_BYTES.0.is_multiple_of(ALIGN_BYTES.0));
const _: () = assert!(CHUNK_BYTES.0.is_multiple_of(ALIGN_BYTES.0));
const _: () = assert!(GROUP_BYTES_MAX.0 <= CHUNK_BYTES.0);
const _: () = assert!(BATCH_BYTES_MAX.0 < SEGMENT_BYTES.0 / 2 + 1);
const _: () = assert!(BATCH_BYTES_MAX.0 < FRAME_BYTES_MAX.0);
// The oldest partial frame alone must always fit.
const _: () = assert!(FRAME_BYTES_MAX.0 < REQUEST_MEMORY_BYTES_MIN.0);
const _: () = assert!(REQUEST_MEMORY_BYTES_MIN.0 <= REQUEST_MEMORY_BYTES.0);
const _: () = assert!(FETCH_BYTES_MAX.0 >= BATCH_BYTES_MAX.0);
// One fetch alone gets all that it may ask for.
const _: () = assert!(FETCH_BYTES_MAX.0 * REPLY_SHARE <= REQUEST_MEMORY_BYTES.0);
