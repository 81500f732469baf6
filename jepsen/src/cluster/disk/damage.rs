//! Files of a stopped node that come back other than it left them.
//!
//! What is damaged has a meaning: stretches of zeros, which a log keeps for later, are passed by.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use rand::Rng as _;
use rand::rngs::StdRng;

/// What a disk moves at once.
const BLOCK_BYTES: usize = 4096;
/// The most that a cut takes from the end of what was written.
const TAIL_BYTES_MAX: u64 = 64 << 10;
/// How much of a damage is told.
const TOLD_BYTES: usize = 16;

/// What a node keeps, by what damage to it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The log's entries: the database's file.
    Log,
    /// The newest snapshot.
    Snapshot,
    /// The vote, and how far the log reached: `log/mark`.
    Vote,
    /// Who the node is.
    Identity,
}

/// A damage that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Corruption {
    /// What is done.
    pub kind: Kind,
    /// To which file.
    pub part: Part,
}

/// What is done to a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One bit is turned.
    BitFlip,
    /// The end is cut off.
    Truncation,
    /// Two blocks change places.
    BlockSwap,
    /// An older state of the part is back, from the copy that `keep_copy` made here.
    OldCopy(PathBuf),
}

/// A damage that was done, and what undoes it.
#[derive(Debug)]
pub struct Damage {
    /// The damaged file, or the folder that was replaced.
    pub file: PathBuf,
    /// Where it was damaged first: bytes from the beginning.
    pub offset: u64,
    /// What was there, or the beginning of it.
    pub before: Vec<u8>,
    /// What is there now; nothing where the file ends now.
    pub after: Vec<u8>,
    undo: Undo,
}

#[derive(Debug)]
enum Undo {
    /// Old bytes and where they belong.
    Bytes(Vec<(u64, Vec<u8>)>),
    /// What was in the place.
    Moved(PathBuf),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { file, offset, before, after, undo: _ } = self;
        write!(f, "{} at {offset}: {before:02x?}, now {after:02x?}", file.display())
    }
}

/// Copies a data directory, for a later `Kind::OldCopy`. A node that runs may be copied too.
pub fn keep_copy(data_dir: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(data_dir).with_context(|| data_dir.display().to_string())? {
        let from = entry?.path();
        let Some(name) = from.file_name() else { continue };
        if from.is_dir() {
            keep_copy(&from, &to.join(name))?;
        } else if from.is_file() {
            fs::copy(&from, to.join(name))
                .with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}

/// Damages a stopped node's data directory. An error if the part is not there, or too small to be
/// damaged so.
pub fn corrupt(
    corruption: &Corruption,
    data_dir: &Path,
    chance: &mut StdRng,
) -> anyhow::Result<Damage> {
    let Corruption { kind, part } = corruption;
    let damage = match kind {
        Kind::BitFlip => flip(part.file(data_dir)?, chance),
        Kind::Truncation => truncate(part.file(data_dir)?, chance),
        Kind::BlockSwap => swap(part.file(data_dir)?, chance),
        Kind::OldCopy(copy) => bring_back(*part, copy, data_dir),
    };
    damage.with_context(|| format!("cannot damage {} ({part:?})", data_dir.display()))
}

impl Part {
    fn file(self, data_dir: &Path) -> anyhow::Result<PathBuf> {
        Ok(match self {
            Part::Log => data_dir.join("log/sled/db"),
            Part::Vote => data_dir.join("log/mark"),
            Part::Identity => data_dir.join("identity"),
            Part::Snapshot => {
                let folder = data_dir.join("snapshots");
                let files = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
                let snapshots = files.flatten().map(|entry| entry.path());
                // Numbers of one width come first in the names.
                let newest = snapshots.filter(|path| path.extension().is_some_and(is_snapshot));
                newest.max().context("there is no snapshot")?
            }
        })
    }
}

fn is_snapshot(extension: &std::ffi::OsStr) -> bool {
    extension == "snapshot"
}

fn flip(file: PathBuf, chance: &mut StdRng) -> anyhow::Result<Damage> {
    let bytes = read(&file)?;
    let written: Vec<usize> = blocks(&bytes).collect();
    ensure!(!written.is_empty(), "nothing is written in {}", file.display());
    let block = written[chance.random_range(0..written.len())];
    let end = bytes.len().min(block + BLOCK_BYTES);
    let meant: Vec<usize> = (block..end).filter(|at| bytes[*at] != 0).collect();
    let at = meant[chance.random_range(0..meant.len())];
    let after = bytes[at] ^ (1 << chance.random_range(0..8));
    overwrite(file, vec![(at as u64, vec![bytes[at]], vec![after])])
}

fn truncate(file: PathBuf, chance: &mut StdRng) -> anyhow::Result<Damage> {
    let bytes = read(&file)?;
    let last = bytes.iter().rposition(|byte| *byte != 0).context("nothing is written in it")?;
    let end = last as u64 + 1;
    let length = end - chance.random_range(1..=end.min(TAIL_BYTES_MAX));
    let cut = bytes[usize::try_from(length)?..].to_vec();
    let open = File::options().write(true).open(&file)?;
    open.set_len(length)?;
    open.sync_all()?;
    ensure!(file.metadata()?.len() == length, "{} was not cut", file.display());
    let before = told(&cut);
    Ok(Damage {
        file,
        offset: length,
        before,
        after: vec![],
        undo: Undo::Bytes(vec![(length, cut)]),
    })
}

fn swap(file: PathBuf, chance: &mut StdRng) -> anyhow::Result<Damage> {
    let bytes = read(&file)?;
    // Halves of a file that has no two blocks.
    let block = BLOCK_BYTES.min(bytes.len() / 2);
    ensure!(block > 0, "{} is too small", file.display());
    let whole = || bytes.chunks_exact(block).enumerate();
    let is_written = |(_, block): &(usize, &[u8])| block.iter().any(|byte| *byte != 0);
    let written: Vec<(usize, &[u8])> = whole().filter(is_written).collect();
    ensure!(!written.is_empty(), "nothing is written in {}", file.display());
    let (first, one) = written[chance.random_range(0..written.len())];
    let others: Vec<(usize, &[u8])> = written.into_iter().filter(|(_, b)| *b != one).collect();
    ensure!(!others.is_empty(), "all blocks of {} are the same", file.display());
    let (second, other) = others[chance.random_range(0..others.len())];
    let change =
        |at: usize, from: &[u8], to: &[u8]| ((at * block) as u64, from.to_vec(), to.to_vec());
    overwrite(file, vec![change(first, one, other), change(second, other, one)])
}

/// Old and new bytes, each with their place.
fn overwrite(file: PathBuf, changes: Vec<(u64, Vec<u8>, Vec<u8>)>) -> anyhow::Result<Damage> {
    let open = File::options().read(true).write(true).open(&file)?;
    for (offset, _, after) in &changes {
        open.write_all_at(after, *offset)?;
    }
    open.sync_all()?;
    let Some((offset, before, after)) = changes.first() else { bail!("nothing to change") };
    let mut there = vec![0; after.len()];
    open.read_exact_at(&mut there, *offset)?;
    ensure!(there == *after && after != before, "{} was not damaged", file.display());
    let (offset, before, after) = (*offset, told(before), told(after));
    let old = changes.into_iter().map(|(offset, before, _)| (offset, before)).collect();
    Ok(Damage { file, offset, before, after, undo: Undo::Bytes(old) })
}

/// A log is brought back as a folder: its files belong together.
fn bring_back(part: Part, copy: &Path, data_dir: &Path) -> anyhow::Result<Damage> {
    let (now, old) = match part {
        Part::Log => (data_dir.join("log/sled"), copy.join("log/sled")),
        Part::Snapshot | Part::Vote | Part::Identity => (part.file(data_dir)?, part.file(copy)?),
    };
    let mut kept = data_dir.as_os_str().to_owned();
    kept.push(".before");
    let kept = PathBuf::from(kept);
    ensure!(!kept.exists(), "{} is there: an older damage was not undone", kept.display());
    let [before, after] = [&now, &old].map(|path| head(path));
    let (before, after) = (before?, after?);
    let offset = before.iter().zip(&after).position(|(one, other)| one != other);
    let is_same = offset.is_none() && before.len() == after.len();
    ensure!(!is_same, "{} is no older than {}", old.display(), now.display());
    fs::rename(&now, &kept).with_context(|| format!("cannot move {}", now.display()))?;
    if old.is_dir() {
        keep_copy(&old, &now)?;
    } else {
        fs::copy(&old, &now).with_context(|| format!("cannot copy {}", old.display()))?;
    }
    let offset = offset.unwrap_or(before.len().min(after.len()));
    let tell = |bytes: &[u8]| told(&bytes[offset.min(bytes.len())..]);
    let (before, after) = (tell(&before), tell(&after));
    Ok(Damage { file: now, offset: offset as u64, before, after, undo: Undo::Moved(kept) })
}

/// A file's bytes; of a log's folder, those of its database.
fn head(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.is_dir() { read(&path.join("db")) } else { read(path) }
}

impl Damage {
    /// Puts back what was there. The node must not have been started in between: it may have
    /// written to the file since.
    pub fn undo(self) -> anyhow::Result<()> {
        match self.undo {
            Undo::Bytes(old) => {
                let open = File::options().write(true).open(&self.file);
                let open = open.with_context(|| self.file.display().to_string())?;
                for (offset, bytes) in old {
                    open.write_all_at(&bytes, offset)?;
                }
                Ok(open.sync_all()?)
            }
            Undo::Moved(kept) => {
                fs_remove(&self.file)?;
                fs::rename(&kept, &self.file)
                    .with_context(|| format!("cannot move {}", kept.display()))
            }
        }
    }
}

fn fs_remove(path: &Path) -> anyhow::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// Where blocks begin that are not all zeros.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let blocks = bytes.chunks(BLOCK_BYTES).enumerate();
    blocks.filter(|(_, block)| block.iter().any(|byte| *byte != 0)).map(|(i, _)| i * BLOCK_BYTES)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn told(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(TOLD_BYTES)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    /// A data directory whose log is mostly zeros, and a copy of it before its last change.
    fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (data, old) = (dir.path().join("data"), dir.path().join("old"));
        fs::create_dir_all(data.join("log/sled")).unwrap();
        fs::create_dir_all(data.join("snapshots")).unwrap();
        let mut log = vec![0; 10 * BLOCK_BYTES];
        log[2 * BLOCK_BYTES..5 * BLOCK_BYTES].fill(1);
        log[3 * BLOCK_BYTES] = 2;
        fs::write(data.join("log/sled/db"), &log).unwrap();
        fs::write(data.join("log/mark"), "0123456789").unwrap();
        fs::write(data.join("identity"), "the node").unwrap();
        fs::write(data.join("snapshots/0000000001-5.snapshot"), "first").unwrap();
        keep_copy(&data, &old).unwrap();
        fs::write(data.join("snapshots/0000000002-9.snapshot"), "second").unwrap();
        log[4 * BLOCK_BYTES] = 3;
        fs::write(data.join("log/sled/db"), &log).unwrap();
        fs::write(data.join("log/mark"), "0123456799").unwrap();
        fs::write(data.join("identity"), "the node too").unwrap();
        (dir, data, old)
    }

    fn contents(part: Part, data: &Path) -> Vec<u8> {
        fs::read(part.file(data).unwrap()).unwrap()
    }

    #[test]
    fn every_damage_is_done_is_told_and_is_undone() {
        let (_dir, data, old) = folders();
        let kinds = [Kind::BitFlip, Kind::Truncation, Kind::BlockSwap, Kind::OldCopy(old)];
        for part in [Part::Log, Part::Snapshot, Part::Vote, Part::Identity] {
            for (kind, seed) in kinds.iter().zip(0..40).cycle().take(40) {
                let before = contents(part, &data);
                let corruption = Corruption { kind: kind.clone(), part };
                let chance = &mut StdRng::seed_from_u64(seed);
                let damage = corrupt(&corruption, &data, chance).unwrap();
                let after = contents(part, &data);
                assert_ne!(before, after, "{corruption:?}");
                let first = before.iter().zip(&after).position(|(one, other)| one != other);
                let first = first.unwrap_or(before.len().min(after.len()));
                if *kind == Kind::BlockSwap {
                    assert_ne!(damage.before, damage.after, "{damage}");
                } else {
                    assert_eq!(damage.offset, first as u64, "{damage}");
                }
                let told = usize::try_from(damage.offset).unwrap();
                assert!(before[told..].starts_with(&damage.before), "{damage}");
                assert!(after[told..].starts_with(&damage.after), "{damage}");
                damage.undo().unwrap();
                assert_eq!(contents(part, &data), before, "{corruption:?}");
            }
        }
    }

    #[test]
    fn damage_hits_what_is_written() {
        let (_dir, data, _) = folders();
        for seed in 0..50 {
            let chance = &mut StdRng::seed_from_u64(seed);
            for kind in [Kind::BitFlip, Kind::Truncation, Kind::BlockSwap] {
                let corruption = Corruption { kind, part: Part::Log };
                let damage = corrupt(&corruption, &data, chance).unwrap();
                let block = usize::try_from(damage.offset).unwrap() / BLOCK_BYTES;
                assert!(block < 5, "{corruption:?}: block {block} and all behind it are zeros");
                damage.undo().unwrap();
            }
        }
    }

    #[test]
    fn what_is_not_there_or_no_older_is_an_error() {
        let (_dir, data, _) = folders();
        let chance = &mut StdRng::seed_from_u64(1);
        let same = Corruption { kind: Kind::OldCopy(data.clone()), part: Part::Vote };
        assert!(corrupt(&same, &data, chance).is_err());
        assert_eq!(contents(Part::Vote, &data), b"0123456799");
        fs::remove_dir_all(data.join("snapshots")).unwrap();
        let gone = Corruption { kind: Kind::BitFlip, part: Part::Snapshot };
        assert!(corrupt(&gone, &data, chance).is_err());
    }
}
