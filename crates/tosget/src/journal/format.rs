//! The journal's bytes: how they are laid out and read back. Pure; `docs/journal-format.md` draws the same.
//!
//! Everything is little-endian. Nothing is believed without its checksum, and no length is trusted to allocate by.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::checksum::{Crc64, RunningCrc64};
use crate::coverage::{Segment, Standing};
use crate::object::{ETag, Fingerprint, ObjectId};
use crate::range::ByteRange;
use crate::storage::{FileId, Stat};

/// First bytes of every journal.
const MAGIC: [u8; 8] = *b"TOSGETJ\n";

/// Version of this layout. A journal of another version is set aside, not guessed at.
const VERSION: u32 = 1;

// The fixed part of the header: offsets and lengths in bytes.
const VERSION_AT: usize = 8;
const IDENTITY_LEN_AT: usize = 12;
pub(super) const NONCE_AT: usize = 16;
const HEADER_CRC_AT: usize = 24;
/// Where the owner block stands. It ends before byte 512, so that a write of it stays within one disk sector.
pub(crate) const OWNER_AT: u64 = 256;
pub(crate) const OWNER_LEN: usize = 192;
const IDENTITY_AT: usize = 512;

/// Records begin at a multiple of this, so that none crosses a sector.
const ALIGNMENT: usize = 512;

/// Longest identity: a 1 KiB key and a 4 KiB path, both escaped at their worst, stay well below.
const MAX_IDENTITY_LEN: usize = 64 << 10;

/// Bytes of one record.
pub(crate) const RECORD_LEN: usize = 32;

/// Most that [`decode_header`] ever needs to see.
pub(crate) const MAX_HEADER_LEN: usize = IDENTITY_AT + MAX_IDENTITY_LEN + ALIGNMENT;

/// What a journal says it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Where the object was read; informational, since one object has many endpoints.
    pub(crate) endpoint: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// The version that was asked for, if one was.
    pub(crate) version_id: Option<String>,
    /// The URL without its query, where the object was asked for by one; then there is no bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    pub(crate) object: ObjectRecord,
    /// The final path, absolute; bytes that are not UTF-8 are percent-encoded.
    pub(crate) destination: String,
}

impl Identity {
    /// What was asked for.
    pub(crate) fn object_id(&self) -> ObjectId {
        ObjectId {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            version_id: self.version_id.clone(),
            url: self.url.clone(),
        }
    }

    /// Size of the object in bytes; no claim reaches beyond it.
    pub(crate) fn object_size(&self) -> u64 {
        self.object.size
    }
}

/// The fingerprint as the journal writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    size: u64,
    etag: Option<String>,
    /// The ETag as the server wrote it, where that is not in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag_header: Option<String>,
    crc64: Option<u64>,
    version_id: Option<String>,
    last_modified: Option<i64>,
}

impl From<&Fingerprint> for ObjectRecord {
    fn from(fingerprint: &Fingerprint) -> Self {
        let etag = fingerprint.etag.as_ref();
        let odd = etag.filter(|etag| etag.to_header() != ETag::quoted(etag.as_str()).to_header());
        Self {
            size: fingerprint.size,
            etag: etag.map(|etag| etag.as_str().to_owned()),
            etag_header: odd.map(|etag| etag.to_header().to_owned()),
            crc64: fingerprint.crc64.map(|crc| crc.0),
            version_id: fingerprint.version_id.clone(),
            last_modified: fingerprint.last_modified,
        }
    }
}

impl From<&ObjectRecord> for Fingerprint {
    fn from(record: &ObjectRecord) -> Self {
        Self {
            size: record.size,
            etag: match &record.etag_header {
                Some(header) => ETag::parse(header),
                None => record.etag.as_deref().map(ETag::quoted),
            },
            crc64: record.crc64.map(Crc64),
            version_id: record.version_id.clone(),
            last_modified: record.last_modified,
        }
    }
}

/// Why a file is not a journal that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Damage {
    #[error("it is empty")]
    Empty,
    #[error("it is not a tosget journal")]
    NotAJournal,
    #[error("it has format version {0}, this program knows version {VERSION}")]
    UnknownVersion(u32),
    #[error("it is longer than any journal gets")]
    TooLong,
    #[error("its header is cut off")]
    CutOff,
    #[error("its header does not match its checksum")]
    Checksum,
    #[error("its header can't be understood")]
    Unreadable,
}

/// A header that was read and matched its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Random; mixed into every record's checksum, so that no record of another journal is taken for ours.
    pub(crate) nonce: u64,
    pub(crate) identity: Identity,
    /// Where the first record stands.
    pub(crate) records_at: u64,
}

/// Lays a header out, owner block and padding included. `None` if the identity is too long to be true.
pub(crate) fn encode_header(identity: &Identity, nonce: u64, owner: &OwnerBlock) -> Option<Vec<u8>> {
    let json = serde_json::to_vec(identity).ok()?;
    lay_out_header(&json, nonce, owner)
}

/// The same for an identity that is JSON already.
pub(super) fn lay_out_header(json: &[u8], nonce: u64, owner: &OwnerBlock) -> Option<Vec<u8>> {
    if json.len() > MAX_IDENTITY_LEN {
        return None;
    }
    let mut bytes = vec![0; (IDENTITY_AT + json.len()).next_multiple_of(ALIGNMENT)];
    put(&mut bytes, 0, &MAGIC);
    put(&mut bytes, VERSION_AT, &VERSION.to_le_bytes());
    put(
        &mut bytes,
        IDENTITY_LEN_AT,
        &u32::try_from(json.len()).ok()?.to_le_bytes(),
    );
    put(&mut bytes, NONCE_AT, &nonce.to_le_bytes());
    let crc = header_crc(&bytes[..HEADER_CRC_AT], json);
    put(&mut bytes, HEADER_CRC_AT, &crc.to_le_bytes());
    put(&mut bytes, usize::try_from(OWNER_AT).ok()?, &owner.encode());
    put(&mut bytes, IDENTITY_AT, json);
    Some(bytes)
}

/// Whether a file that begins so is a journal, in whatever state or version.
pub(crate) fn is_journal(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// Whether it may have been one before it was damaged or cut off.
pub(crate) fn was_journal(start: &[u8]) -> bool {
    let alike = start.iter().zip(MAGIC).filter(|(found, wanted)| *found == wanted);
    2 * alike.count() > MAGIC.len().min(start.len())
}

/// Reads a header from the first bytes of a file ([`MAX_HEADER_LEN`] of them, or all there are).
pub(crate) fn decode_header(bytes: &[u8]) -> Result<Header, Damage> {
    if bytes.is_empty() {
        return Err(Damage::Empty);
    }
    if !is_journal(bytes) {
        return Err(Damage::NotAJournal);
    }
    let version = u32_at(bytes, VERSION_AT).ok_or(Damage::CutOff)?;
    if version != VERSION {
        return Err(Damage::UnknownVersion(version));
    }
    let identity_len = u32_at(bytes, IDENTITY_LEN_AT).ok_or(Damage::CutOff)? as usize;
    if identity_len > MAX_IDENTITY_LEN {
        return Err(Damage::Checksum);
    }
    let nonce = u64_at(bytes, NONCE_AT).ok_or(Damage::CutOff)?;
    let crc = u64_at(bytes, HEADER_CRC_AT).ok_or(Damage::CutOff)?;
    let json = bytes
        .get(IDENTITY_AT..IDENTITY_AT + identity_len)
        .ok_or(Damage::CutOff)?;
    if crc != header_crc(&bytes[..HEADER_CRC_AT], json) {
        return Err(Damage::Checksum);
    }
    let identity = serde_json::from_slice(json).map_err(|_| Damage::Unreadable)?;
    let records_at = (IDENTITY_AT + identity_len).next_multiple_of(ALIGNMENT) as u64;
    Ok(Header {
        nonce,
        identity,
        records_at,
    })
}

fn header_crc(fixed: &[u8], json: &[u8]) -> u64 {
    let mut crc = RunningCrc64::new();
    crc.update(fixed);
    crc.update(json);
    crc.finish().0
}

/// What one record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The temporary file took all bytes of this segment.
    Landed(Segment, Standing),
    /// Nothing speaks against the provisional segments of this range any more.
    Settled(ByteRange),
    /// What was recorded of this range is not to be believed any more.
    Forgotten(ByteRange),
}

const LANDED: u32 = 1;
const LANDED_PROVISIONALLY: u32 = 2;
const SETTLED: u32 = 3;
const FORGOTTEN: u32 = 4;

impl Record {
    /// Lays the record out for place `index` of the journal with this nonce.
    pub(crate) fn encode(self, nonce: u64, index: u64) -> [u8; RECORD_LEN] {
        let (range, crc, kind) = match self {
            Self::Landed(segment, Standing::Settled) => (segment.range, segment.crc, LANDED),
            Self::Landed(segment, Standing::Provisional) => {
                (segment.range, segment.crc, LANDED_PROVISIONALLY)
            }
            Self::Settled(range) => (range, Crc64::EMPTY, SETTLED),
            Self::Forgotten(range) => (range, Crc64::EMPTY, FORGOTTEN),
        };
        let mut fields = [0; RECORD_LEN - 4];
        put(&mut fields, 0, &range.start().to_le_bytes());
        put(&mut fields, 8, &range.len().to_le_bytes());
        put(&mut fields, 16, &crc.0.to_le_bytes());
        put(&mut fields, 24, &kind.to_le_bytes());
        seal_record(fields, nonce, index)
    }

    /// Reads the record at place `index`. `None`: torn, damaged, from elsewhere, or of a kind that is not known.
    pub(crate) fn decode(bytes: &[u8; RECORD_LEN], nonce: u64, index: u64) -> Option<Self> {
        let start = u64_at(bytes, 0)?;
        let range = ByteRange::new(start, start.checked_add(u64_at(bytes, 8)?)?)?;
        let segment = Segment {
            range,
            crc: Crc64(u64_at(bytes, 16)?),
        };
        let record = match u32_at(bytes, 24)? {
            LANDED => Self::Landed(segment, Standing::Settled),
            LANDED_PROVISIONALLY => Self::Landed(segment, Standing::Provisional),
            SETTLED => Self::Settled(range),
            FORGOTTEN => Self::Forgotten(range),
            _ => return None,
        };
        // Last: of millions of zeros none is worth it.
        (u32_at(bytes, 28)? == record_check(&bytes[..28], nonce, index)).then_some(record)
    }
}

/// Puts its checksum behind the record.
pub(super) fn seal_record(fields: [u8; RECORD_LEN - 4], nonce: u64, index: u64) -> [u8; RECORD_LEN] {
    let mut bytes = [0; RECORD_LEN];
    put(&mut bytes, 0, &fields);
    put(&mut bytes, 28, &record_check(&fields, nonce, index).to_le_bytes());
    bytes
}

/// Low half of a CRC-64 over the record, the journal it belongs to, and its place in it.
fn record_check(fields: &[u8], nonce: u64, index: u64) -> u32 {
    let mut crc = RunningCrc64::new();
    crc.update(fields);
    crc.update(&nonce.to_le_bytes());
    crc.update(&index.to_le_bytes());
    (crc.finish().0 & u64::from(u32::MAX)) as u32
}

/// Who writes, or wrote, the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Random: one value per opened checkpoint.
    pub(crate) token: [u8; 16],
    /// Which boot of which machine; zeros where the platform does not tell.
    pub(crate) boot_id: [u8; 16],
    pub(crate) pid: u32,
    /// When the process started, in the kernel's units: tells it from a later one with the same pid.
    pub(crate) process_started: u64,
    /// In which pid namespace `pid` is meant.
    pub(crate) pid_namespace: u64,
    pub(crate) host: String,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "process {} on host {}",
            self.pid,
            crate::object::Printable(&self.host)
        )
    }
}

/// Longest host name that is kept, in bytes.
const HOST_LEN: usize = 56;

/// The one part of a journal that is rewritten in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnerBlock {
    pub(crate) owner: Owner,
    /// Grows with every sign of life.
    pub(crate) beat: u64,
    pub(crate) state: OwnerState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerState {
    /// The owner is at work, or died.
    Running,
    /// The disk failed, or was being synced when the owner ended: the system may have bytes in memory that it could not write, and
    /// may have told so already. They are to be read from the disk itself.
    Doubted,
    /// The owner let go in order, and this is how it left the temporary file.
    Released(Seal),
}

/// How the temporary file was left: if it still looks like this, nobody has written to it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) id: FileId,
    pub(crate) len: u64,
    pub(crate) modified_ns: i64,
    pub(crate) changed_ns: i64,
}

impl From<Stat> for Seal {
    fn from(stat: Stat) -> Self {
        Self {
            id: stat.id,
            len: stat.len,
            modified_ns: stat.modified_ns,
            changed_ns: stat.changed_ns,
        }
    }
}

const RUNNING: u32 = 1;
const RELEASED: u32 = 2;
const DOUBTED: u32 = 3;

impl OwnerBlock {
    pub(crate) fn encode(&self) -> [u8; OWNER_LEN] {
        let mut bytes = [0; OWNER_LEN];
        let owner = &self.owner;
        put(&mut bytes, 0, &owner.token);
        put(&mut bytes, 16, &owner.boot_id);
        put(&mut bytes, 32, &self.beat.to_le_bytes());
        put(&mut bytes, 40, &owner.pid.to_le_bytes());
        put(&mut bytes, 48, &owner.process_started.to_le_bytes());
        put(&mut bytes, 56, &owner.pid_namespace.to_le_bytes());
        put(&mut bytes, 64, truncated(&owner.host, HOST_LEN).as_bytes());
        let state = match self.state {
            OwnerState::Running => RUNNING,
            OwnerState::Doubted => DOUBTED,
            OwnerState::Released(seal) => {
                put(&mut bytes, 120, &seal.id.device.to_le_bytes());
                put(&mut bytes, 128, &seal.id.inode.to_le_bytes());
                put(&mut bytes, 136, &seal.len.to_le_bytes());
                put(&mut bytes, 144, &seal.modified_ns.to_le_bytes());
                put(&mut bytes, 152, &seal.changed_ns.to_le_bytes());
                RELEASED
            }
        };
        put(&mut bytes, 44, &state.to_le_bytes());
        let crc = Crc64::of(&bytes[..OWNER_LEN - 8]);
        put(&mut bytes, OWNER_LEN - 8, &crc.0.to_le_bytes());
        bytes
    }

    /// Reads the block. `None` if it is damaged: then nothing is known of the owner or of the temporary file.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..OWNER_LEN)?;
        if u64_at(bytes, OWNER_LEN - 8)? != Crc64::of(&bytes[..OWNER_LEN - 8]).0 {
            return None;
        }
        let state = match u32_at(bytes, 44)? {
            RUNNING => OwnerState::Running,
            DOUBTED => OwnerState::Doubted,
            RELEASED => OwnerState::Released(Seal {
                id: FileId {
                    device: u64_at(bytes, 120)?,
                    inode: u64_at(bytes, 128)?,
                },
                len: u64_at(bytes, 136)?,
                modified_ns: u64_at(bytes, 144)?.cast_signed(),
                changed_ns: u64_at(bytes, 152)?.cast_signed(),
            }),
            _ => return None,
        };
        let host = bytes[64..64 + HOST_LEN]
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default();
        let owner = Owner {
            token: bytes[..16].try_into().ok()?,
            boot_id: bytes[16..32].try_into().ok()?,
            pid: u32_at(bytes, 40)?,
            process_started: u64_at(bytes, 48)?,
            pid_namespace: u64_at(bytes, 56)?,
            host: String::from_utf8_lossy(host).into_owned(),
        };
        Some(Self {
            owner,
            beat: u64_at(bytes, 32)?,
            state,
        })
    }
}

/// As much of `text` as fits, cut between characters.
pub(crate) fn truncated(text: &str, max_len: usize) -> &str {
    &text[..text.floor_char_boundary(max_len)]
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn identity() -> Identity {
        Identity {
            endpoint: "http://127.0.0.1:9000".into(),
            bucket: "bucket".into(),
            key: "dir/模型.bin".into(),
            version_id: None,
            url: None,
            object: ObjectRecord {
                size: 1 << 40,
                etag: Some("9382305ac8f1ce84992506d797cba401-2".into()),
                etag_header: None,
                crc64: Some(0),
                version_id: None,
                last_modified: Some(1_700_000_000),
            },
            destination: "/data/模型.bin".into(),
        }
    }

    pub(crate) fn owner() -> Owner {
        Owner {
            token: [7; 16],
            boot_id: [9; 16],
            pid: 4711,
            process_started: 99,
            pid_namespace: 4_026_531_836,
            host: "node-3".into(),
        }
    }

    fn owner_block(state: OwnerState) -> OwnerBlock {
        OwnerBlock {
            owner: owner(),
            beat: 5,
            state,
        }
    }

    fn seal() -> Seal {
        Seal {
            id: FileId { device: 1, inode: 2 },
            len: 3,
            modified_ns: -4,
            changed_ns: 5,
        }
    }

    #[test]
    fn a_header_is_read_back() {
        let block = owner_block(OwnerState::Released(seal()));
        let bytes = encode_header(&identity(), 42, &block).expect("short enough");
        let header = decode_header(&bytes).expect("just written");
        assert_eq!((header.nonce, &header.identity), (42, &identity()));
        assert_eq!(header.records_at, bytes.len() as u64);
        assert_eq!(OwnerBlock::decode(&bytes[OWNER_AT as usize..]), Some(block));
    }

    #[test]
    fn a_crc_of_zero_is_a_value_and_survives() {
        let fingerprint = Fingerprint::from(&identity().object);
        assert_eq!(fingerprint.crc64, Some(Crc64(0)));
        assert_eq!(ObjectRecord::from(&fingerprint), identity().object);
    }

    #[test]
    fn any_flipped_bit_of_the_header_is_noticed() {
        let bytes = encode_header(&identity(), 42, &owner_block(OwnerState::Running)).expect("short enough");
        let identity_len = u32_at(&bytes, IDENTITY_LEN_AT).expect("there") as usize;
        let believed = (0..HEADER_CRC_AT + 8).chain(IDENTITY_AT..IDENTITY_AT + identity_len);
        for at in believed {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(decode_header(&damaged).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn any_truncation_of_the_header_is_noticed() {
        let bytes = encode_header(&identity(), 42, &owner_block(OwnerState::Running)).expect("short enough");
        let identity_len = u32_at(&bytes, IDENTITY_LEN_AT).expect("there") as usize;
        for len in 0..IDENTITY_AT + identity_len {
            assert!(decode_header(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn any_flipped_bit_of_the_owner_block_is_noticed() {
        let bytes = owner_block(OwnerState::Released(seal())).encode();
        for at in 0..OWNER_LEN {
            for bit in 0..8 {
                let mut damaged = bytes;
                damaged[at] ^= 1 << bit;
                assert_eq!(OwnerBlock::decode(&damaged), None, "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_long_host_name_is_cut_between_characters() {
        let mut block = owner_block(OwnerState::Running);
        block.owner.host = "主".repeat(40);
        let read = OwnerBlock::decode(&block.encode()).expect("just written");
        assert_eq!(read.owner.host, "主".repeat(18));
    }

    fn any_record() -> impl Strategy<Value = Record> {
        (any::<u64>(), 1u64.., any::<u64>(), 0u8..4).prop_filter_map(
            "overflows",
            |(start, len, crc, kind)| {
                let range = ByteRange::new(start, start.checked_add(len)?)?;
                let segment = Segment {
                    range,
                    crc: Crc64(crc),
                };
                Some(match kind {
                    0 => Record::Landed(segment, Standing::Settled),
                    1 => Record::Landed(segment, Standing::Provisional),
                    2 => Record::Settled(range),
                    _ => Record::Forgotten(range),
                })
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_is_read_back_only_at_its_place_in_its_journal(
            record in any_record(), nonce in any::<u64>(), index in any::<u64>(), flip in 0usize..256
        ) {
            let bytes = record.encode(nonce, index);
            prop_assert_eq!(Record::decode(&bytes, nonce, index), Some(record));
            prop_assert_eq!(Record::decode(&bytes, nonce, index.wrapping_add(1)), None);
            prop_assert_eq!(Record::decode(&bytes, nonce ^ 1, index), None);
            let mut damaged = bytes;
            damaged[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(Record::decode(&damaged, nonce, index), None);
        }

        #[test]
        fn hostile_bytes_are_refused_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..1200), magic in any::<bool>()) {
            if magic && bytes.len() >= 16 {
                bytes[..8].copy_from_slice(&MAGIC);
                bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
            }
            prop_assert!(decode_header(&bytes).is_err());
            prop_assert!(OwnerBlock::decode(&bytes).is_none());
        }
    }
}
