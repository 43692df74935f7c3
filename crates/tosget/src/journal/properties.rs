//! What must hold for any journal; see [`crate::properties`].

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::format::{
    Identity, OWNER_LEN, ObjectRecord, Owner, OwnerBlock, OwnerState, RECORD_LEN, Record, decode_header,
    encode_header, lay_out_header, seal_record,
};
use super::{CLAIM_LIMIT, FoundJournal, MAX_HEADER_LEN, MOST_CLAIMS, OWNER_AT};
use crate::checksum::Crc64;
use crate::coverage::{Coverage, Segment, Standing};
use crate::object::Fingerprint;
use crate::properties::Tape;
use crate::range::ByteRange;
use crate::storage::{Access, Allocation, Stat, StoredFile};

const NONCE: u64 = 42;

/// The fixed part of the header that its checksum is over, and the checksum.
const FIXED: usize = 32;
const IDENTITY_AT: usize = 512;

/// The bytes are a journal, by whoever: it is read without a panic, and claims nothing beyond its object. Then they are
/// put behind right checksums, by someone who knows how: an identity and records that nobody wrote.
pub fn hostile_journal(bytes: &[u8]) {
    expect_sane(bytes);
    let mut tape = Tape::new(bytes);
    let json = match tape.byte() % 4 {
        0 => tape.some_bytes().to_vec(),
        _ => serde_json::to_vec(&identity(&mut tape)).expect("JSON can hold it"),
    };
    let mut crafted = lay_out_header(&json, NONCE, &owner_block(&mut tape)).expect("short enough");
    let mut index = 0;
    while !tape.is_over() {
        let mut fields = [0; RECORD_LEN - 4];
        for at in [0, 8, 16] {
            fields[at..at + 8].copy_from_slice(&tape.number().to_le_bytes());
        }
        fields[24] = tape.byte();
        crafted.extend(seal_record(fields, NONCE, index));
        index += 1;
    }
    expect_sane(&crafted);
}

fn expect_sane(bytes: &[u8]) {
    let found = read(bytes);
    if let Some(block) = &found.last_owner {
        let again = OwnerBlock::decode(&block.encode()).expect("just written");
        assert_eq!(again.state, block.state);
        assert!(!block.owner.to_string().contains(char::is_control));
    }
    match &found.header {
        Ok(header) => {
            let size = header.identity.object_size();
            assert!(found.claims.segments().all(|claim| claim.range.end() <= size));
            assert!(found.claims.covered() <= size);
            assert!(header.records_at <= MAX_HEADER_LEN as u64);
            assert!(found.next_index <= bytes.len() as u64 / RECORD_LEN as u64);
            let block = found
                .last_owner
                .unwrap_or_else(|| owner_block(&mut Tape::new(&[])));
            if let Some(again) = encode_header(&header.identity, header.nonce, &block) {
                assert_eq!(
                    decode_header(&again).expect("just written").identity,
                    header.identity
                );
            }
        }
        Err(_) => assert_eq!((found.claims.covered(), found.next_index), (0, 0)),
    }
}

/// The bytes choose what a journal is made of, and one bit of it that flips or a place where it is cut: what it held is
/// read back from the whole one; the damaged one is refused, or claims what it would without the damaged record.
pub fn damaged_journal(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let is_cut = tape.byte() % 2 == 1;
    let place = tape.number();
    let identity = identity(&mut tape);
    let owner = owner_block(&mut tape);
    let header = encode_header(&identity, NONCE, &owner).expect("short enough");
    let identity_end = IDENTITY_AT + serde_json::to_vec(&identity).expect("as before").len();
    let records = records(&mut tape, identity.object_size());
    let mut journal = header.clone();
    for (index, record) in (0..).zip(&records) {
        journal.extend(record.encode(NONCE, index));
    }

    let whole = read(&journal);
    let header_read = whole.header.as_ref().expect("just written");
    assert_eq!((&header_read.identity, header_read.nonce), (&identity, NONCE));
    assert_eq!(whole.last_owner.as_ref(), Some(&owner));
    expect_claims(&whole, &records, &identity);

    if is_cut {
        let len = (place % journal.len() as u64) as usize;
        let found = read(&journal[..len]);
        assert_eq!(found.header.is_ok(), len >= identity_end, "cut after {len} bytes");
        if found.header.is_ok() {
            let left = len.saturating_sub(header.len()) / RECORD_LEN;
            expect_claims(&found, &records[..left], &identity);
        }
        return;
    }
    let at = (place / 8 % journal.len() as u64) as usize;
    journal[at] ^= 1 << (place % 8);
    let found = read(&journal);
    let is_checked = at < FIXED || (IDENTITY_AT..identity_end).contains(&at);
    assert_eq!(
        found.header.is_err(),
        is_checked,
        "bit {} of byte {at}",
        place % 8
    );
    let owner_at = OWNER_AT as usize;
    assert_eq!(
        found.last_owner.is_none(),
        (owner_at..owner_at + OWNER_LEN).contains(&at),
        "byte {at}"
    );
    if found.header.is_ok() {
        let mut left = records;
        if let Some(at) = at.checked_sub(header.len()) {
            left.remove(at / RECORD_LEN);
        }
        expect_claims(&found, &left, &identity);
    }
}

fn expect_claims(found: &FoundJournal, records: &[Record], identity: &Identity) {
    let mut claims = Coverage::with_join_limit(CLAIM_LIMIT.max(identity.object_size() / MOST_CLAIMS));
    for &record in records {
        match record {
            Record::Landed(segment, standing) => claims.insert(segment, standing),
            Record::Settled(range) => claims.settle(range),
            Record::Forgotten(range) => drop(claims.forget(range)),
        }
    }
    let list = |claims: &Coverage| claims.segments().collect::<Vec<_>>();
    assert_eq!(list(&found.claims), list(&claims));
}

fn read(bytes: &[u8]) -> FoundJournal {
    let file = Arc::new(MemoryFile(bytes.to_vec()));
    FoundJournal::read(file, Path::new("journal")).expect("memory can be read")
}

fn identity(tape: &mut Tape<'_>) -> Identity {
    let optional = |tape: &mut Tape<'_>| (tape.byte() % 2 == 1).then(|| tape.text());
    let fingerprint = Fingerprint {
        size: tape.number(),
        etag: None,
        crc64: (tape.byte() % 2 == 1).then(|| Crc64(tape.number())),
        version_id: optional(tape),
        last_modified: (tape.byte() % 2 == 1).then(|| tape.number().cast_signed()),
    };
    Identity {
        endpoint: tape.text(),
        bucket: tape.text(),
        key: tape.text(),
        version_id: optional(tape),
        url: optional(tape),
        object: ObjectRecord::from(&fingerprint),
        destination: tape.text(),
    }
}

fn owner_block(tape: &mut Tape<'_>) -> OwnerBlock {
    OwnerBlock {
        owner: Owner {
            token: [tape.byte(); 16],
            boot_id: [tape.byte(); 16],
            pid: tape.below(1 << 32) as u32,
            process_started: tape.number(),
            pid_namespace: tape.number(),
            // No byte of another kind is in a host's name, and more than 56 are cut off.
            host: tape
                .text()
                .chars()
                .filter(char::is_ascii_graphic)
                .take(56)
                .collect(),
        },
        beat: tape.number(),
        state: OwnerState::Running,
    }
}

/// Records of ranges in an object of `size` bytes.
fn records(tape: &mut Tape<'_>, size: u64) -> Vec<Record> {
    let mut records = Vec::new();
    while !tape.is_over() {
        let kind = tape.byte();
        let start = tape.below(size);
        let len = 1 + tape.below(size.saturating_sub(start));
        let crc = Crc64(tape.number());
        let Some(range) =
            ByteRange::new(start, start.saturating_add(len)).filter(|range| range.end() <= size)
        else {
            continue;
        };
        records.push(match kind % 6 {
            0..=2 => Record::Landed(Segment { range, crc }, Standing::Settled),
            3 => Record::Landed(Segment { range, crc }, Standing::Provisional),
            4 => Record::Settled(range),
            _ => Record::Forgotten(range),
        });
    }
    records
}

/// A file that can be read and nothing else.
#[derive(Debug)]
struct MemoryFile(Vec<u8>);

impl StoredFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let len = buffer.len().min(self.0.len() - start);
        buffer[..len].copy_from_slice(&self.0[start..start + len]);
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn allocate(&self, _: u64) -> io::Result<Allocation> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn drop_cached(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_modified(&self, _: SystemTime) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_access(&self, _access: Access) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn unlock(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn try_lock(&self) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn stat(&self) -> io::Result<Stat> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
